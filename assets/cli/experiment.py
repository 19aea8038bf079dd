"""Commands about experiments: which there are, and what one says."""

from collections.abc import Callable
from typing import Any

import click

from assets.cli import experiment_control, experiment_side, options
from assets.cli.parameters import ARM_SHARE, METRIC_FILE, Every
from streams.record_fields import fields_of

_maturity = click.option(
    "--maturity-hours",
    type=options.HOURS,
    default=24.0,
    show_default=True,
    help="Younger responses are not counted yet: a love may still come.",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


@click.group()
def experiment() -> None:
    r"""Plan, start, ramp and read A/B tests of what you serve; list those in the warehouse.

    \b
    Example:
      loveloop experiment plan tone --lift 0.2
      loveloop experiment start tone --bundle control=incumbent --bundle treatment=warmer
      loveloop experiment read tone
      loveloop experiment ramp tone
    """


for _command in (*experiment_control.COMMANDS, *experiment_side.COMMANDS):
    experiment.add_command(_command)


@experiment.command("list")
@options.warehouse
@_maturity
@_as_json
def list_(warehouse: options.Target, maturity_hours: float, *, as_json: bool) -> None:
    """List every experiment that events name, the one that was served last at the end, nobody left out."""
    from assets.experiment.words import table
    from warehouse.experiments import experiments

    found = experiments(warehouse, maturity_hours=maturity_hours)
    if as_json:
        _print_json([each._asdict() | {"arms": [fields_of(arm) for arm in each.arms]} for each in found])
        return
    heads = "experiment", "arm", "policy", "users", "exposures", "mature", "loves", "first exposure", "last exposure"
    rows: list[tuple[str, ...]] = [heads]
    for test in found:
        times = [f"{at:%Y-%m-%d %H:%M}" for at in (test.first, test.last)]
        for arm in test.arms:
            counts = [f"{number:,}" for number in (arm.users, arm.exposures, arm.mature, arm.loves)]
            rows.append((test.name, arm.name, ", ".join(arm.policies), *counts, *times))
    empty = "no experiment yet: name `experiment` and `arm` in the response_served events of those who take part"
    click.echo("\n".join(table(rows)) if found else empty)


@experiment.command()
@click.argument("name")
@options.warehouse
@click.option("--every", type=Every(), help="Keep reading, so often (30s, 15m, 1h), and say what changed.")
@click.option("--planned", type=options.Whole(1), help="Exposures planned for each arm; of a test that nobody planned.")
@click.option(
    "--lift",
    type=options.Number(0, 100, min_open=True),
    help="The relative lift that the test is to show; of a test that nobody planned.",
)
@click.option(
    "--share", "shares", type=ARM_SHARE, multiple=True, help="An arm's share of the users; the rest is the other's."
)
@click.option("--control", help="The arm to compare with; the plan's, or control.")
@click.option("--treatment", help="The other arm, where there are several.")
@click.option(
    "--metric",
    "metrics",
    type=METRIC_FILE,
    multiple=True,
    help="A number for each user from a file (CSV, NDJSON, Parquet: user_id and the number), read beside the rest.",
)
@click.option(
    "--maturity-hours", type=options.HOURS, help="Younger responses are not counted yet; the plan's hours, or 24."
)
@_as_json
def read(name: str, warehouse: options.Target, *, every: float | None, as_json: bool, **asked: Any) -> None:
    r"""Read an experiment out: arms, effect, guardrails, sample ratio, decision, next step.

    A planned experiment is read by its plan alone. The reading is kept in the warehouse and, where the treatment is a
    staged candidate, its predicted and measured lift go into the ledger. Read as often as you like: the interval that
    decides holds at any look. Of a test that nobody planned, the plan and the shares that you say once are used by
    later readings too.

    \b
    Example:
      loveloop experiment read tone --every 1h
      loveloop experiment read tone --metric revenue=revenue.csv
      loveloop experiment read unplanned --lift 0.2 --share control=0.9
    """
    shares, metrics = dict(asked.pop("shares")) or None, dict(asked.pop("metrics"))
    planned = asked.pop("planned")

    def look() -> dict[str, Any]:
        from assets.experiment import reading

        return reading.read(warehouse, name, planned_exposures=planned, shares=shares, metrics=metrics, **asked)

    if every:
        _follow(look, every, as_json=as_json)
    elif as_json:
        _print_json(look())
    else:
        _print_page(look())


def _follow(look: Callable[[], dict[str, Any]], every: float, *, as_json: bool) -> None:
    """Read again and again until SIGINT or SIGTERM; a warehouse that is in use is tried again the next time."""
    from assets.cli.service import stop_on_signals
    from warehouse.storage.transaction import WarehouseInUseError

    before = None
    with stop_on_signals() as stop:
        while not stop.is_set():
            try:
                now = look()
                _say_news(before, now, as_json=as_json)
                before = now
            except WarehouseInUseError as error:
                click.echo(f"not read this time: {error}", err=True)
            stop.wait(every)
    click.echo("stopped; what was read is kept in the warehouse", err=True)


def _say_news(before: dict[str, Any] | None, now: dict[str, Any], *, as_json: bool) -> None:
    """The whole first reading, then what has changed; as JSON, a line for each reading that brought something new."""
    from assets.experiment.words import changes

    said = changes(before, now) if before else []
    if as_json and (said or not before):
        _print_json(now, indent=None)
    elif not before:
        _print_page(now)
    elif said:
        click.echo("\n".join([f"{now['read_at'][:19].replace('T', ' ')} UTC", *(f"  {line}" for line in said)]))


def _print_page(facts: dict[str, Any]) -> None:
    from assets.experiment.words import page

    click.echo("\n".join(page(facts)))


def _print_json(value: Any, indent: int | None = 2) -> None:
    import json

    click.echo(json.dumps(value, indent=indent, default=str, ensure_ascii=False))
