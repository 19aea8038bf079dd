"""The plot of the signals' ranking."""

from typing import Any

from assets.report.style import CONTROL, LOVE, QUIET, canvas, legend, png
from experiments.association import Association, Ranking

_TICKS = (0.01, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 1.6, 2, 3, 5, 10, 100)


def association_forest(found: Ranking) -> bytes:
    """Each signal's odds ratio with its interval, adjusted and alone, the strongest on top; a PNG.

    Signals that are too rare are named without a point. The axis is logarithmic: 2 and 1/2 are as far from 1.
    """
    rows = list(reversed(found.associations))
    figure, axes = canvas(6.8, 1.2 + 0.5 * max(1, len(rows)))
    axes.axvline(1, color=QUIET, linewidth=1)
    axes.set_xscale("log")
    for place, one in enumerate(rows):
        _draw(axes, place - 0.16, one.alone, CONTROL, 4.0)
        _draw(axes, place + 0.08, one.adjusted, LOVE, 6.5)
    axes.plot([], [], "o", color=LOVE, label="adjusted")
    axes.plot([], [], "o", color=CONTROL, markersize=4, label="alone")
    axes.set_yticks(range(len(rows)), [_label(one) for one in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("odds ratio of staying, with 95 % interval")
    low, high = axes.get_xlim()
    shown = [tick for tick in _TICKS if low <= tick <= high]
    axes.set_xticks(shown, [f"{tick:g}" for tick in shown])
    axes.set_xticks([], minor=True)
    legend(axes, "best")
    return png(figure)


def _label(one: Association) -> str:
    share = f"{one.given / one.rows:.1%}" if one.rows else "never"
    return f"{one.label}\n{share}{'' if one.adjusted else ', too rare'}"


def _draw(axes: Any, place: float, odds: Any, colour: str, size: float) -> None:
    if odds is not None:
        reach = [[odds.value - odds.low], [odds.high - odds.value]]
        axes.errorbar(odds.value, place, xerr=reach, fmt="o", color=colour, markersize=size, linewidth=size / 3)
