"""The sweep of Love weights from the command line: policies, Pareto front, candidate."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assets.cli import options
from assets.cli.tables import table
from streams.whole_file import whole

if TYPE_CHECKING:
    from assets.report.schema import ReportPolicy
    from assets.run import Run

HEADS = ("", "Love, lift", "helpfulness", "safety", "needless closings", "Pareto front")


def _weights(_: click.Context, __: click.Parameter, given: str | None) -> tuple[float, ...] | None:
    """Love weights as they are typed, `0,0.1,0.3`; each is one policy."""
    if given is None:
        return None
    try:
        found = tuple(float(each) for each in given.split(","))
    except ValueError:
        raise click.BadParameter(f"{given!r}, must be numbers with commas between them, as in 0,0.1,0.3") from None
    wrong = [f"{each:g}" for each in found if not 0 <= each < math.inf]
    if wrong:
        raise click.BadParameter(f"{', '.join(wrong)} is among them, must be at least 0 and finite")
    from assets.recipe import each_once

    try:
        return each_once(found)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.option(
    "--love-weights", callback=_weights, metavar="W,W,...", help="One policy for each; the recipe's own if left out."
)
@click.option(
    "--recipe",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What to do (TOML); what the run of --name follows if left out.",
)
@options.data
@options.name
@options.live_warehouse
@options.home
def sweep(
    *,
    love_weights: tuple[float, ...] | None,
    recipe: Path | None,
    data: Path | None,
    name: str | None,
    warehouse: str | None,
    home: Path,
) -> None:
    r"""Train one policy for each Love weight, show the Pareto front, pick the candidate.

    The weights share the feedback, the reward models, the incumbent, and the samples and scores of the first round.
    Interrupt it and run it again: it goes on where it was. Add a weight: only that one is trained, and the others keep
    their weights and names. The candidate is staged as by `loveloop run`, which goes on to the A/B test.

    \b
    Example:
      loveloop sweep --recipe deploy/recipes/demo.toml --love-weights 0,0.05,0.1,0.2,0.3
      loveloop sweep --name demo --love-weights 0,0.05,0.1,0.2,0.3,0.5
    """
    from assets.pipeline import follow, prepare, until_candidate
    from assets.stages.report import report

    if recipe is not None:
        run = prepare(home / (name or recipe.stem), recipe, data, warehouse)
    elif name is None or data is not None:
        raise click.UsageError("say what to do with --recipe FILE; only a run of --name that is there needs none")
    else:
        run = _reopened(home / name, warehouse)
    if love_weights is not None:
        run = _with(run, love_weights)
    follow(run, say=click.echo, who="loveloop sweep", every=until_candidate(run.recipe))
    click.echo(f"\n{front(run)}\n\nplot: {_drawn(run)}\nreport: {run.directory / report(run).html}")


def _reopened(directory: Path, warehouse: str | None) -> "Run":
    """The run that lies there, on the warehouse that is named now, if one is."""
    from dataclasses import replace

    from assets.pipeline import anchored, reopen

    run = reopen(directory)
    return replace(run, recipe=anchored(run.recipe, warehouse or run.recipe.warehouse))


def _with(run: "Run", love_weights: tuple[float, ...]) -> "Run":
    """The run at other Love weights.

    Raises:
        ValueError: They do not go with the rest of its recipe.
    """
    from dataclasses import replace

    from assets.recipe_rules import broken_rules

    policy = run.recipe.policy.model_copy(update={"love_weights": love_weights})
    wanted = run.recipe.model_copy(update={"policy": policy})
    for words in broken_rules(wanted):
        raise ValueError(words)
    return replace(run, recipe=wanted)


def front(run: "Run") -> str:
    """What a sweep came to, for a terminal: every policy with its intervals, the Pareto front, who was chosen and why.

    Args:
        run: Its candidate is chosen.
    """
    from assets import report_facts
    from assets.facts.launch import CandidateFacts

    rows, staged = report_facts.policies(run), run.facts(CandidateFacts)
    failed = {reason.partition(": ")[0]: reason for reason in staged.reasons}
    lines = [_line(each) for each in rows]
    kept = [place for place in range(len(HEADS)) if any(line[place] for line in lines)]
    shown = table([HEADS[place] for place in kept], [[line[place] for place in kept] for line in lines])
    verdict = "passed every gate" if staged.passed else f"failed {', '.join(staged.failed_gates)}"
    others = [f"  {failed[each.name]}" for each in rows if each.name in failed]
    chosen = f"candidate: {staged.name}, {verdict}\n  chosen because {staged.why}"
    return "\n".join([shown, "", chosen, *(["not chosen:", *others] if others else [])])


def _line(policy: "ReportPolicy") -> Sequence[str]:
    """One row of the table; changes are against the incumbent, intervals are 95 %."""
    from assets.report.typesetting import times

    closings = times(policy.closing_ratio_ci, None) if policy.closing_ratio_ci else ""
    beaten = f"beaten by {', '.join(policy.beaten_by)}" if policy.beaten_by else ""
    share = "" if policy.front_share is None else f"on it ({policy.front_share:.0%} of resamples)"
    return [
        f"{policy.name}{' *' if policy.chosen else ''}",
        _change(policy.love_lift, policy.love_lift_ci, "{:+.1%}"),
        _change(policy.helpfulness_delta, policy.helpfulness_delta_ci, "{:+.3f}"),
        _change(policy.safety_delta, policy.safety_delta_ci, "{:+.3f}"),
        closings,
        beaten or share,
    ]


def _change(value: float | None, ends: tuple[float | None, float | None] | None, form: str) -> str:
    if value is None or ends is None or None in ends:
        return "" if value is None else form.format(value)
    return f"{form.format(value)} ({form.format(ends[0])} to {form.format(ends[1])})"


def _drawn(run: "Run") -> Path:
    """Where the plot of the front lies now."""
    from assets.pictures import pareto

    place, image = run.cycle_directory / "front.png", pareto(run)
    assert image is not None  # a sweep has policies
    with whole(place) as part:
        part.write_bytes(image)
    return place
