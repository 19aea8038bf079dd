"""Commands that change an experiment: plan, start, ramp, rollback, archive; and status, which tells of it."""

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from assets.cli import options
from assets.cli.parameters import ARM_PLACE, ARM_SHARE, METRIC_MARGIN, Moment

_name = click.argument("name")
_by = click.option(
    "--by",
    envvar="LOVELOOP_USER",
    default=getpass.getuser,
    show_default="you",
    show_envvar=True,
    help="Who changes it.",
)
_routes = click.option(
    "--routes",
    envvar="LOVELOOP_ROUTES",
    show_envvar=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write who is to be served what into this JSON file, whole or not at all; a gateway follows it.",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
_at = click.option(
    "--at",
    type=Moment(),
    help="When, by the clock of a product that is played; it must come before every exposure. Now if left out.",
)


def _why(*, required: bool = False) -> Callable[[Any], Any]:
    # a default of None is a value to click, and what has a value is not asked for
    left_out: dict[str, Any] = {} if required else {"default": ""}
    return click.option("--why", required=required, help="The reason, for the trail.", **left_out)


@click.command()
@_name
@options.warehouse
@click.option("--lift", type=options.Number(0, 100, min_open=True), default=0.2, show_default=True,
              help="The relative lift of the Love rate that the test is to show.")  # fmt: skip
@click.option("--least-lift", type=options.Number(-1, 100, min_open=True), default=0.0, show_default=True,
              help="The smallest worth shipping; the interval's lower end is held against it.")  # fmt: skip
@click.option("--power", type=options.SHARE, default=0.8, show_default=True, help="Chance of showing it.")
@click.option("--share", "shares", type=ARM_SHARE, multiple=True,
              help="An arm's share of the users in the test; equal halves if left out.")  # fmt: skip
@click.option("--control", default="control", show_default=True, help="The arm to compare with.")
@click.option("--decides", type=click.Choice(["auto", "lovers", "ratio", "adjusted"]), default="auto",
              show_default=True, help="The test that decides; auto: as your history says.")  # fmt: skip
@click.option("--cap", type=options.Whole(1), help="Most loves of one user that count; of your history if left out.")
@click.option("--guardrail", "guardrails", type=METRIC_MARGIN, multiple=True,
              help="What must be shown to hold; closings_per_exposure=1.25 if left out.")  # fmt: skip
@click.option("--namespace", help="Experiments of one namespace with ranges that do not meet share no user.")
@click.option("--range", "span", type=(options.Number(0, 1), options.Number(0, 1)), default=(0.0, 1.0),
              show_default=True, help="Its range of the namespace.")  # fmt: skip
@click.option("--holdout", type=options.Number(0, 1, max_open=True), default=0.0, show_default=True,
              help="Share of all users who are in no experiment of this salt.")  # fmt: skip
@click.option("--salt", help="Keeps outsiders from choosing their arm; drawn if left out.")
@click.option("--stage", "stages", type=options.Number(0, 1, min_open=True), multiple=True,
              help="A share for the ramp, of the users whom it may have (its range, without the holdout), for its "
                   "treatments together; 0.01 0.05 0.1 0.25 0.5 if left out.")  # fmt: skip
@click.option("--stage-hours", type=options.HOURS, default=24.0, show_default=True, help="Least hours at a stage.")
@click.option("--maturity-hours", type=options.HOURS, default=24.0, show_default=True,
              help="Younger responses are not counted yet.")  # fmt: skip
@click.option("--history-days", type=options.Whole(1, 3650), default=28, show_default=True,
              help="Days of your own traffic that the plan is made from.")  # fmt: skip
@click.option("--automatic", is_flag=True, help="Let Dagster's hourly reading take the ramp's next step.")
@_at
@_by
@_why()
@_as_json
def plan(name: str, warehouse: options.Target, *, as_json: bool, **asked: Any) -> None:
    r"""Plan an experiment before its first exposure, from your own history.

    Says how many users who love, exposures and days each lift takes by each test, warns when no plan can work, and
    notes the plan. It can be planned anew until it is started, and by that plan alone it is read.

    \b
    Example:
      loveloop experiment plan warmer --lift 0.2
      loveloop experiment plan warmer --lift 0.1 --namespace tone --range 0 0.5 --holdout 0.05
    """
    from assets.experiment import planning

    made = planning.plan(warehouse, name, **asked)
    _print(made, planning.page(made), as_json=as_json)


@click.command()
@_name
@options.warehouse
@click.option("--bundle", "bundles", type=ARM_PLACE, multiple=True, required=True,
              help="What an arm serves: a staged candidate's folder, or a policy's name.")  # fmt: skip
@click.option("--coverage", type=options.Number(0, 1, min_open=True),
              help="Share in the test, of those whom it may have; that of the first stage if left out.")  # fmt: skip
@_at
@_by
@_why()
@_routes
@_as_json
def start(name: str, warehouse: options.Target, *, bundles: tuple[tuple[str, str], ...], routes: Path | None,
          as_json: bool, **asked: Any) -> None:  # fmt: skip
    r"""Begin to serve a planned experiment, at the first stage of its ramp.

    \b
    Example:
      loveloop experiment start warmer --bundle control=incumbent \
        --bundle treatment=runs/live/candidates/love-0.3-d9d62d7d
    """
    from assets.experiment import control
    from assets.experiment.bundles import bundle

    served = {arm: bundle(place) for arm, place in bundles}
    _told(warehouse, control.start(warehouse, name, served, **asked), routes, as_json=as_json)


@click.command()
@click.argument("name", required=False)
@options.warehouse
@_routes
@_as_json
@click.pass_context
def status(ctx: click.Context, name: str | None, warehouse: options.Target, *, routes: Path | None,
           as_json: bool) -> None:  # fmt: skip
    r"""Show planned and running experiments: who is served what, what the last reading said, who changed what and why.

    Exit code 1 where the definition of one cannot be read; the others are shown.

    \b
    Example:
      loveloop experiment status
      loveloop experiment status warmer --json
    """
    from assets.experiment import standing

    found = standing.standing(warehouse, name)
    if routes is not None:
        _write(warehouse, routes)
    _print(found, standing.page(found), as_json=as_json)
    if found["unreadable"]:
        ctx.exit(1)


@click.command()
@_name
@options.warehouse
@click.option("--to", "share", type=options.Number(0, 1, min_open=True),
              help="Treat this share now, of those whom it may have; a check that failed still stops it.")  # fmt: skip
@_by
@_why()
@_routes
@_as_json
def ramp(name: str, warehouse: options.Target, *, share: float | None, by: str, why: str, routes: Path | None,
         as_json: bool) -> None:  # fmt: skip
    r"""Read an experiment out and take the ramp's next step: more users, wait, or stop.

    Stops by itself on a sample-ratio mismatch, a tripped arm or a broken guardrail: everybody gets the control. Who is
    in the test stays in it, in the same arm, while it grows. Where somebody else has changed it since it was looked at,
    theirs stands and this step is refused.

    \b
    Example:
      loveloop experiment ramp warmer
      loveloop experiment ramp warmer --to 0.5 --why "launch week"
    """
    from assets.experiment import ramping

    taken = ramping.advance(warehouse, name, by=by, why=why, share=share)
    if routes is not None:
        _write(warehouse, routes)
    _print(taken, ramping.page(taken), as_json=as_json)


@click.command()
@_name
@options.warehouse
@_by
@_why(required=True)
@_routes
@_as_json
def rollback(name: str, warehouse: options.Target, *, by: str, why: str, routes: Path | None,
             as_json: bool) -> None:  # fmt: skip
    r"""Serve everybody what the control serves, byte for byte what it was when the experiment was started.

    \b
    Example:
      loveloop experiment rollback warmer --why "complaints about tone"
    """
    from assets.experiment import control

    _told(warehouse, control.roll_back(warehouse, name, by=by, why=why), routes, as_json=as_json)


@click.command()
@_name
@options.warehouse
@_by
@_why(required=True)
@_routes
@_as_json
def archive(name: str, warehouse: options.Target, *, by: str, why: str, routes: Path | None,
            as_json: bool) -> None:  # fmt: skip
    r"""Close an experiment for good: served to nobody, its range of the namespace free, its readings kept.

    \b
    Example:
      loveloop experiment archive warmer --why "shipped as love-0.3-d9d62d7d"
    """
    from assets.experiment import control

    _told(warehouse, control.archive(warehouse, name, by=by, why=why), routes, as_json=as_json)


COMMANDS = (plan, start, status, ramp, rollback, archive)


def _told(warehouse: options.Target, found: Any, routes: Path | None, *, as_json: bool) -> None:
    from assets.experiment import standing

    if routes is not None:
        _write(warehouse, routes)
    _print(standing.changed(found), [standing.line(found)], as_json=as_json)


def _write(warehouse: options.Target, routes: Path) -> None:
    from assets.experiment.routes import write_routes

    left_out = write_routes(warehouse, routes)
    click.echo("\n".join([f"routes written to {routes}", *left_out]), err=True)


def _print(value: Any, page: Any, *, as_json: bool) -> None:
    import json

    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False) if as_json else "\n".join(page))
