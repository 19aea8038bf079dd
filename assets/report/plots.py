"""The report's plots. Each takes figures of the run and returns a PNG; none knows where they came from."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from assets.facts.models import LoggedBot
from assets.report.schema import LedgerRow, ReportPolicy
from assets.report.style import (
    BAND,
    CONTROL,
    GOOD,
    GRID,
    INK,
    LOVE,
    QUIET,
    canvas,
    dates,
    few,
    narrow,
    panels,
    percent,
    png,
    reach,
)
from stats.intervals import wilson


class PlottedBin(NamedTuple):
    """A bin of responses: mean predicted chance, how many came true, how many there are."""

    chance: float
    positives: int
    rows: int


def reliability(bins: Sequence[PlottedBin], before: Sequence[PlottedBin] = ()) -> bytes:
    """Predicted chance against the share that came true, bin by bin, with 95 % intervals.

    A bin in which nothing came true has no share to draw on a logarithmic axis: a faint triangle marks the upper end
    of its interval. Nothing joins the bins, for what lies between them was not seen. Axes are logarithmic where the
    predictions span more than a factor of 20, as they do where loves are rare.

    Args:
        bins: Of the calibrated model.
        before: Of the uncalibrated one.

    Raises:
        ValueError: No bin with a response and a positive prediction.
    """
    known = [each for each in bins if each.chance > 0 and each.rows > 0]
    if not known:
        raise ValueError(f"{len(bins)} bins, none with a response and a positive prediction: was the model evaluated?")
    chances = [chance for chance, _, _ in known]
    logarithmic = max(chances) > 20 * min(chances)
    floor = min([*chances, *(loves / count for _, loves, count in known if loves)]) / 2 if logarithmic else 0.0
    figure, axes = canvas(5.2, 4.2)
    top = _observed(axes, known, floor)
    axes.plot([floor, top], [floor, top], color=QUIET, linewidth=1, linestyle=(0, (4, 3)), label="perfect", zorder=1)
    earlier = [(chance, loves / count) for chance, loves, count in before if chance > 0 and loves > 0]
    if earlier:
        axes.plot(
            *zip(*earlier, strict=True), "o", color=CONTROL, alpha=0.5, markersize=3.5, label="before calibration"
        )
    if logarithmic:
        axes.set(xscale="log", yscale="log")
    axes.set(xlabel="predicted chance", ylabel="share that came true")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:.3g}")
    figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=8.5, labelcolor=INK)
    return png(figure)


def _observed(axes: Any, bins: Sequence[PlottedBin], floor: float) -> float:
    """Draw the observed shares, no interval lower than the floor; returns the highest end of one."""
    some, none = [each for each in bins if each.positives], [each for each in bins if not each.positives]
    spans = [wilson(each.positives, each.rows) for each in some]
    shares = [each.positives / each.rows for each in some]
    below = [share - min(share, max(span.low, floor)) for share, span in zip(shares, spans, strict=True)]
    above = [max(0.0, span.high - share) for share, span in zip(shares, spans, strict=True)]
    chances = [each.chance for each in some]
    axes.errorbar(chances, shares, yerr=[below, above], fmt="o", color=LOVE, markersize=5, label="calibrated")
    limits = [wilson(0, each.rows).high for each in none]
    if none:
        axes.plot(
            [each.chance for each in none], limits, "v", color=LOVE, alpha=0.35, markersize=5,
            markeredgewidth=0, label="none came true: at most",
        )  # fmt: skip
    return max([*(each.chance for each in bins), *(span.high for span in spans), *limits])


def with_helpfulness(policies: Sequence[ReportPolicy]) -> bool:
    """Whether helpfulness was measured, so that `pareto` draws Love against it; otherwise against needless closings."""
    return any(each.helpfulness_delta is not None for each in policies)


def pareto(policies: Sequence[ReportPolicy]) -> bytes:
    """Love lift against the change of helpfulness, and beside it against that of safety where that was measured.

    Without helpfulness, Love lift against the change of needless closings. Labels are Love weights; a hollow dot is a
    policy that another one beats.
    """
    first = "helpfulness" if with_helpfulness(policies) else "closing"
    guarded = [first, *(["safety"] if any(each.safety_delta is not None for each in policies) else [])]
    figure, every = panels(len(guarded))
    for axes, name in zip(every, guarded, strict=True):
        _against(axes, policies, name)
    every[0].set_ylabel("lift of mean P[Love]")
    percent(every[0].yaxis, 0)
    _told_of_marks(figure, policies)
    return png(figure)


_ACROSS = {"helpfulness": "mean helpfulness", "safety": "mean safety", "closing": "needless closings"}


def _against(axes: Any, policies: Sequence[ReportPolicy], name: str) -> None:
    """Love lift of every policy against one change, with intervals; the incumbent at the crossing."""
    _cross(axes)
    axes.plot(0, 0, "s", color=CONTROL, markersize=7, label="incumbent")
    for policy in policies:
        x, y = getattr(policy, f"{name}_delta"), policy.love_lift
        if x is None or y is None:
            continue
        colour = LOVE if policy.chosen else INK
        spread = {"xerr": reach(x, getattr(policy, f"{name}_delta_ci")), "yerr": reach(y, policy.love_lift_ci)}
        axes.errorbar(x, y, **spread, color=colour, alpha=0.45, linewidth=1)
        axes.plot(x, y, "o", color=colour, markersize=8, markerfacecolor="white" if policy.beaten_by else colour)
        _label(axes, x, y, f"{policy.love_weight:g}{' (staged)' if policy.chosen else ''}", colour=colour)
        if policy.true_love_lift is not None:
            axes.plot([x, x], [y, policy.true_love_lift], color=GOOD, linewidth=1, linestyle=":")
            axes.plot(x, policy.true_love_lift, "D", color=GOOD, markersize=5)
    axes.margins(0.18)
    axes.set(xlabel=f"change of {_ACROSS[name]}")
    few(axes.xaxis, 4)
    if name == "closing":
        percent(axes.xaxis)


def _told_of_marks(figure: Any, policies: Sequence[ReportPolicy]) -> None:
    """A legend of those marks that are there."""
    axes = figure.axes[0]
    if any(policy.beaten_by for policy in policies):
        axes.plot([], [], "o", color=INK, markerfacecolor="white", markersize=7, label="another policy beats it")
    if any(policy.true_love_lift is not None for policy in policies):
        axes.plot([], [], "D", color=GOOD, markersize=5, label="true lift")
    columns = 1 if narrow() else 3
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=columns, frameon=False,
                  fontsize=8.5, labelcolor=INK)  # fmt: skip


def love_by_day(days: Sequence[date], exposures: Sequence[int], loves: Sequence[int]) -> bytes:
    """Love rate per day of serving, with a 95 % band.

    Args:
        days: In UTC, ascending.
        exposures: Responses served each day.
        loves: Of these, how many hold a love.
    """
    figure, axes = canvas(6.4, 2.9)
    spans = [wilson(min(love, count), count) for love, count in zip(loves, exposures, strict=True)]
    rates = [love / count if count else float("nan") for love, count in zip(loves, exposures, strict=True)]
    moments: list[Any] = list(days)
    axes.fill_between(moments, [each.low for each in spans], [each.high for each in spans], color=BAND, linewidth=0)
    axes.plot(moments, rates, color=LOVE, linewidth=1.6, marker="o", markersize=3)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("Love rate")
    percent(axes.yaxis)
    dates(axes, 5 if narrow() else 8)
    return png(figure)


def predicted_against_measured(rows: Sequence[LedgerRow]) -> bytes:
    """The ledger: predicted lift against measured lift, with the line on which both agree."""
    figure, axes = canvas(5.2, 4.2)
    _cross(axes)
    for row in rows:
        if row.predicted_lift is None or row.measured_lift is None:
            continue
        spread = reach(row.measured_lift, (row.measured_low, row.measured_high))
        axes.errorbar(
            row.predicted_lift, row.measured_lift, yerr=spread, fmt="o", color=LOVE, markersize=7, linewidth=1.6
        )
        _label(axes, row.predicted_lift, row.measured_lift, row.experiment or row.candidate)
    axes.margins(0.2)
    ends = _span(axes)
    axes.plot(ends, ends, color=QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.set(xlabel="lift that P[Love] predicted", ylabel="lift that the experiment measured")
    few(axes.xaxis)
    percent(axes.xaxis, 0)
    percent(axes.yaxis, 0)
    return png(figure)


def bots(rows: Sequence[LoggedBot]) -> bytes:
    """Each logged policy: mean P[Love] against its Love rate."""
    figure, axes = canvas()
    for bot in rows:
        spread = reach(bot.love_rate, bot.love_rate_ci)
        axes.errorbar(bot.mean_p_love, bot.love_rate, yerr=spread, fmt="o", color=LOVE, markersize=6, linewidth=1.2)
        _label(axes, bot.mean_p_love, bot.love_rate, bot.name)
    axes.margins(0.15)
    axes.set(xlabel="mean P[Love] on unseen users", ylabel="Love rate")
    percent(axes.xaxis)
    percent(axes.yaxis)
    return png(figure)


def seconds(stages: Mapping[str, float]) -> bytes:
    """How long each stage took, in the order given."""
    figure, axes = canvas(6.4, 0.7 + 0.3 * max(1, len(stages)))
    names, times = list(stages), list(stages.values())
    axes.barh(names, times, color=CONTROL, height=0.62)
    for place, time in enumerate(times):
        axes.text(
            time, place, f"  {time:.1f} s" if time < 10 else f"  {time:.0f} s", va="center", fontsize=8.5, color=INK
        )
    axes.invert_yaxis()
    axes.margins(x=0.14)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("seconds")
    return png(figure)


def _label(axes: Any, x: float, y: float, text: str, *, colour: str = INK) -> None:
    axes.annotate(text, (x, y), xytext=(8, 5), va="bottom", textcoords="offset points", fontsize=8.5, color=colour)


def _cross(axes: Any) -> None:
    axes.axhline(0, color=GRID, linewidth=1.6, zorder=0)
    axes.axvline(0, color=GRID, linewidth=1.6, zorder=0)


def _span(axes: Any) -> list[float]:
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    return [min(left, bottom), max(right, top)]
