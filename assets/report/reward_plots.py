"""Plots of a reward model: how it ranks, what its audit found, how it ages. Figures in, PNG out."""

from collections.abc import Mapping, Sequence
from typing import Any

from assets.report.style import BAND, CONTROL, GOOD, INK, LOVE, QUIET, canvas, narrow, panels, png

Row = Mapping[str, Any]


def curves(
    roc: Sequence[Sequence[float]], pr: Sequence[Sequence[float]], *, auroc: str, average: str, rate: float
) -> bytes:
    """ROC and precision-recall, each beside what a coin reaches.

    Args:
        roc: (false positive rate, true positive rate), ascending.
        pr: (recall, precision), ascending.
        auroc: The area with its interval, in words.
        average: Average precision with its interval, in words.
        rate: Of positives: a coin's precision.
    """
    figure, (left, right) = panels(2, 6.4, 3.4, alike=False)
    left.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
    left.plot(*zip(*roc, strict=True), color=LOVE, linewidth=1.8)
    left.set(xlabel="false positive rate", ylabel="true positive rate", title=f"AUROC {auroc}")
    right.axhline(rate, color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
    right.plot(*zip(*pr, strict=True), color=LOVE, linewidth=1.8)
    right.set(xlabel="recall", ylabel="precision", title=f"average precision {average}", xlim=(0, 1), ylim=(0, None))
    right.annotate("a coin", (0, rate), xytext=(3, 3), textcoords="offset points", fontsize=8.5, color=QUIET)
    for axes in (left, right):
        axes.title.set_size(9.5)
    return png(figure)


def audit(effects: Sequence[Row], limit: float) -> bytes:
    """What each edit does to the logit, with 95 % intervals; beyond the band it is more than should be.

    Args:
        effects: `edit`, `shift`, `error`, `rows`, `hack`, `sign`; those of no response are left out.
        limit: Logits that an edit may move.
    """
    known = [each for each in effects if each["rows"] and each["shift"] is not None]
    figure, axes = canvas(6.4, 0.9 + 0.34 * len(known))
    axes.axvspan(-limit, limit, color=BAND, linewidth=0, label=f"may be: \u00b1{limit:g}")
    axes.axvline(0, color=QUIET, linewidth=1)
    for place, each in enumerate(known):
        colour = LOVE if each["sign"] > 0 else CONTROL
        axes.barh(place, each["shift"], color=colour, height=0.6)
        reach = 1.96 * (each["error"] or 0.0)
        axes.errorbar(each["shift"], place, xerr=reach, color=INK, linewidth=1.2, capsize=2)
    axes.set_yticks(range(len(known)), [f"{each['edit']} ({each['rows']:,})" for each in known])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("mean change of the logit")
    figure.legend(loc="outside upper right", frameon=False, fontsize=8.5, labelcolor=INK)
    return png(figure)


def weeks(rows: Sequence[Row], limit: float, alarms: Sequence[str] = ()) -> bytes:
    """Week by week, on unseen users: what came true over what was said, and AUROC; weeks that alarm are filled.

    Args:
        rows: `value` (the Monday, or the first and last of several), `offset`, `offset_ci`, `auroc`, `auroc_ci`.
        limit: Logits that a week may be off.
        alarms: Sentences that name weeks.
    """
    figure, (left, right) = panels(2, 6.4, 3.2, alike=False)
    names = [" to ".join(day[5:] for day in str(each["value"]).split(" to ")) for each in rows]
    places = [*range(len(rows))]
    left.axhspan(-limit, limit, color=BAND, linewidth=0)
    left.axhline(0, color=QUIET, linewidth=1)
    right.axhline(0.5, color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
    for axes, name in ((left, "offset"), (right, "auroc")):
        for place, each in zip(places, rows, strict=True):
            if each[name] is None:
                continue
            wrong = any(f"week of {each['value']}" in alarm and ("AUROC" in alarm) == (name == "auroc")
                        for alarm in alarms)  # fmt: skip
            colour = LOVE if wrong else GOOD
            axes.errorbar(place, each[name], yerr=_reach(each[name], each[f"{name}_ci"]), fmt="o", color=colour,
                          markersize=6, markerfacecolor=colour if wrong else "white", linewidth=1.4)  # fmt: skip
        axes.set_xticks(places, names, rotation=45 if len(rows) > (3 if narrow() else 5) else 0)
        axes.set_xlim(-0.5, len(rows) - 0.5)
        axes.set_xlabel("week of")
    left.set_ylabel("logits to add to be right")
    right.set_ylabel("AUROC")
    return png(figure)


def slices(rows: Sequence[Row], limit: float) -> bytes:
    """What came true over what was said by slice, in logits with intervals that hold for all together."""
    known = [each for each in rows if each["offset"] is not None]
    figure, axes = canvas(6.4, 0.8 + 0.34 * len(known))
    axes.axvspan(-limit, limit, color=BAND, linewidth=0)
    axes.axvline(0, color=QUIET, linewidth=1)
    for place, each in enumerate(known):
        reach = _reach(each["offset"], each["offset_ci"])
        axes.errorbar(each["offset"], place, xerr=reach, fmt="o", color=LOVE, markersize=6, linewidth=1.4)
    wide = 22 if narrow() else 42
    axes.set_ylim(-0.6, len(known) - 0.4)
    axes.set_yticks(range(len(known)), [_short(f"{each['dimension']}: {each['value']}", wide) for each in known])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("logits to add to be right")
    return png(figure)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}\u2026"


def _reach(centre: float, interval: Sequence[float | None]) -> list[list[float]] | None:
    low, high = interval
    return None if low is None or high is None else [[max(0.0, centre - low)], [max(0.0, high - centre)]]
