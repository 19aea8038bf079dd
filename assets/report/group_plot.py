"""A flagged group, drawn: who loved what when, and who is tied to whom."""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from assets.report.adversary_schema import ReportGroup
from assets.report.style import CONTROL, GOOD, GRID, INK, LOVE, QUIET, canvas, dates, narrow, png
from assets.report.typesetting import day

PALETTE: Final = (LOVE, CONTROL, GOOD, "#c08a2e", "#7a5aa6", "#3f8fb5")
"""Colours of the objects that most accounts share; the others are `REST`."""
REST: Final = "#b9b6c2"
ROWS: Final = 60
"""Accounts that are drawn, those with the earliest loves."""
NEAR: Final = 3 * 3_600
"""Seconds within which loves on one object are joined by a line: as far apart as the search lets them be."""


def group(found: ReportGroup) -> bytes:
    """A raster of accounts against time with a mark a love, and the ties between the same accounts as a ring; a PNG.

    Filled marks are loves on objects that the accounts share, coloured by object, and joined where they coincide;
    small grey ones are whatever else the accounts loved. The axis is as long as the marks need; the dotted line is the
    moment at which the first account was put aside, or a word at the edge where that lies beyond. On a phone the ring
    stands below the raster.
    """
    rows = min(ROWS, 1 + max(account for account, _, _ in found.loves))
    height = 1.9 + 0.075 * max(rows, 20)
    figure, first = canvas(9.2, 2 * height if narrow() else height)
    first.remove()
    raster, ring = figure.subplots(2, 1) if narrow() else figure.subplots(1, 2, width_ratios=(2.1, 1))
    _raster(raster, found, rows)
    _ring(ring, found, rows)
    return png(figure)


def colour(place: int | None) -> str:
    """The colour of an object, by its place among those of its group."""
    return REST if place is None or place >= len(PALETTE) else PALETTE[place]


def _raster(axes: Any, found: ReportGroup, rows: int) -> None:

    shown = [(account, place, datetime.fromisoformat(at)) for account, place, at in found.loves if account < rows]
    for account in range(rows):
        axes.axhline(account, color=GRID, linewidth=0.6, zorder=0)
    lift, size = _lift(found), 5.2 if rows <= 30 else 3.8
    for place, low, high, ends in _coincidences(shown):
        heights = (low + lift(place), high + lift(place))
        axes.plot(ends, heights, color=colour(place), linewidth=1.1, alpha=0.45, zorder=1, solid_capstyle="round")
    alone = [(account, at) for account, place, at in shown if place is None]
    axes.plot([at for _, at in alone], [account for account, _ in alone], "o", color=REST, markersize=2.4, zorder=2)
    for place in sorted({place for _, place, _ in shown if place is not None}, reverse=True):
        mine = [(account, at) for account, its, at in shown if its == place]
        when, accounts = [at for _, at in mine], [account + lift(place) for account, _ in mine]
        axes.plot(
            when, accounts, "o", color=colour(place), markersize=size, markeredgecolor="white",
            markeredgewidth=0.6, zorder=3 if place < len(PALETTE) else 2.5,
        )  # fmt: skip
    moments = sorted(at for *_, at in shown)
    edge = max((moments[-1] - moments[0]) * 0.04, timedelta(seconds=30))
    left, right = moments[0] - edge, moments[-1] + edge
    axes.set_xlim(left, right)
    if found.flagged_at:
        _flagged(axes, datetime.fromisoformat(found.flagged_at), left, right)
    dates(axes, 5 if narrow() else 9)
    axes.set_ylim(rows - 0.3, -0.7)
    axes.set_yticks([0, *range(4, rows, 5 if rows <= 45 else 10)] if rows > 4 else range(rows))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value + 1:.0f}")
    axes.set_ylabel("account, by first love")
    _quiet(axes)


def _flagged(axes: Any, at: datetime, left: datetime, right: datetime) -> None:
    """Mark the moment at which the first account was put aside; beyond the axis it is told at the nearer edge."""
    above = {"xycoords": ("data", "axes fraction"), "xytext": (0, 3), "textcoords": "offset points", "fontsize": 8.5}
    if left <= at <= right:
        axes.axvline(at, color=INK, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        side = "left" if at < left + (right - left) / 4 else "right" if at > right - (right - left) / 4 else "center"
        axes.annotate(f"put aside {day(at)}", (at, 1.0), color=INK, ha=side, **above)
    elif at < left:
        axes.annotate(f"\N{LEFTWARDS ARROW} put aside {day(at)}", (left, 1.0), color=INK, ha="left", **above)
    else:
        axes.annotate(f"put aside {day(at)} \N{RIGHTWARDS ARROW}", (right, 1.0), color=INK, ha="right", **above)


def _lift(found: ReportGroup) -> Callable[[int], float]:
    """How far a mark stands off its account's line, by object: loves of one moment on several things stay apart."""
    several = min(len(found.objects), len(PALETTE))
    return lambda place: 0.5 * (place / (several - 1) - 0.5) if several > 1 and place < several else 0.0


def _coincidences(
    shown: list[tuple[int, int | None, datetime]],
) -> list[tuple[int, int, int, tuple[datetime, datetime]]]:
    """Lines between loves on one object that follow each other closely: (object, account, account, moments)."""
    by_object: dict[int, list[tuple[datetime, int]]] = defaultdict(list)
    for account, place, at in shown:
        if place is not None:
            by_object[place].append((at, account))
    return [
        (place, before[1], after[1], (before[0], after[0]))
        for place, loves in by_object.items()
        for before, after in pairwise(sorted(loves))
        if before[1] != after[1] and (after[0] - before[0]).total_seconds() <= NEAR
    ]


def _ring(axes: Any, found: ReportGroup, rows: int) -> None:
    import numpy as np

    angles = np.pi / 2 - 2 * np.pi * np.arange(rows) / rows
    x, y = np.cos(angles), np.sin(angles)
    ties = [tie for tie in found.ties if max(tie[0], tie[1]) < rows]
    heaviest = max((weight for *_, weight in ties), default=1.0)
    thin = min(1.0, 90 / max(len(ties), 1))
    for a, b, weight in reversed(ties):
        bend = 0.35  # chords bow towards the centre, so that neighbours' ties stay apart from the rim
        steps = np.linspace(0, 1, 24)
        curve = [
            (1 - steps) ** 2 * e[a] + 2 * steps * (1 - steps) * bend * (e[a] + e[b]) / 2 + steps**2 * e[b]
            for e in (x, y)
        ]
        strength = weight / heaviest
        axes.plot(
            *curve, color=LOVE, linewidth=0.5 + 1.8 * strength * thin, alpha=0.06 + 0.5 * strength * thin, zorder=1
        )
    matched = np.bincount(
        [account for account, place, _ in found.loves if place is not None and account < rows], minlength=rows
    )
    axes.scatter(
        x,
        y,
        s=(14 + 70 * matched / max(matched.max(), 1)) * min(1.0, 20 / rows),
        color=INK,
        edgecolor="white",
        linewidth=0.8,
        zorder=3,
    )
    if rows <= 24:
        for account in range(rows):
            axes.text(
                1.16 * x[account],
                1.16 * y[account],
                f"{account + 1}",
                ha="center",
                va="center",
                fontsize=8,
                color=QUIET,
            )
    axes.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal")
    axes.axis("off")


def _quiet(axes: Any) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(colors=QUIET, labelcolor=INK)
    axes.grid(visible=False)
