"""Picture of a training that goes on: its figures over time, one plot for each kind."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from assets.report.style import CONTROL, GOOD, INK, LOVE, panels, png

_COLOURS = {"love": LOVE, "helpfulness": GOOD, "safety": CONTROL}


class Point(NamedTuple):
    """One figure at one moment.

    Attributes:
        minutes: Since the step began.
        value: Of the figure.
        within: What it was taken in, a round for instance; points of one are joined.
    """

    minutes: float
    value: float
    within: str


def curves(series: Mapping[str, Sequence[Point]]) -> bytes:
    """The figures over time. Names that end in the same word share a plot, where the rest of the name is the line's.

    Args:
        series: Points in order of time, by the figure's name: `loss`, `love reward`.

    Returns:
        A PNG.
    """
    kinds: dict[str, dict[str, Sequence[Point]]] = {}
    for name, points in series.items():
        line, _, kind = name.rpartition(" ")
        kinds.setdefault(kind, {})[line] = points
    rows = 1 if len(kinds) <= 2 else 2
    figure, every = panels(len(kinds), 7.0, 2.4 * rows, rows=rows, alike=False)
    for axes, (kind, lines) in zip(every, kinds.items(), strict=True):
        for line, points in lines.items():
            _draw(axes, line, points)
        axes.set(title=kind, xlabel="minutes")
        axes.set_xlim(left=0)
    named = {line: each for axes in every for each in axes.lines if (line := str(each.get_label()))[:1] != "_"}
    if named:
        figure.legend(named.values(), named, loc="outside upper left", ncols=4, frameon=False, labelcolor=INK)
    return png(figure)


def _draw(axes: object, line: str, points: Sequence[Point]) -> None:
    """One figure; what was taken in one round is joined, single points of several rounds too."""
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.within, []).append(point)
    joined = [list(points)] if len(groups) == len(points) else [*groups.values()]
    for number, some in enumerate(joined):
        at, values = [each.minutes for each in some], [each.value for each in some]
        axes.plot(  # type: ignore[attr-defined]
            at,
            values,
            "o-",
            markersize=3,
            color=_COLOURS.get(line, LOVE),
            label=line if line and not number else f"_{number}",
        )
