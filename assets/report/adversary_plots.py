"""The plots of what the adversary filter did: by rule, by trust, by day, and attack by attack against the truth."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from assets.report.adversary_schema import JudgedDay
from assets.report.adversary_words import rule
from assets.report.group_plot import PALETTE, REST
from assets.report.style import CONTROL, INK, LOVE, QUIET, canvas, legend, narrow, percent, png


def left_out(by_rule: Mapping[str, float], loves: int) -> bytes:
    """Loves that each rule left out, the most on top; a love that several left out is in each. A PNG.

    Args:
        by_rule: Mass of loves.
        loves: All of them, for the shares beside the bars.
    """
    rows = sorted(by_rule.items(), key=lambda one: (one[1], one[0]))
    figure, axes = canvas(6.4, 0.8 + 0.32 * max(1, len(rows)))
    axes.barh([rule(name) for name, _ in rows], [mass for _, mass in rows], color=LOVE, height=0.62)
    for place, (_, mass) in enumerate(rows):
        axes.text(mass, place, f"  {mass:,.4g}  ({mass / max(loves, 1):.1%})", va="center", fontsize=8.5, color=INK)
    axes.margins(x=0.22)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("loves left out")
    return png(figure)


def trust(bins: Sequence[int]) -> bytes:
    """How many users are trusted how far, below 1; a PNG."""
    figure, axes = canvas(6.4, 2.4)
    width = 1 / len(bins)
    places = [width * (place + 0.5) for place in range(len(bins))]
    axes.bar(places, bins, width=0.86 * width, color=CONTROL)
    for place, count in zip(places, bins, strict=True):
        if count:
            axes.annotate(
                f"{count:,}", (place, count), xytext=(0, 2), textcoords="offset points", ha="center", fontsize=8
            )
    axes.set(xlim=(0, 1), xlabel="trust", ylabel="users")
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.18)
    axes.grid(axis="x", visible=False)
    return png(figure)


def judged_days(days: Sequence[JudgedDay]) -> bytes:
    """Users whom the daily job had not flagged before, day by day and rule by rule, each once; a PNG."""
    figure, axes = canvas(6.4, 2.8)
    moments: list[Any] = [date.fromisoformat(each.day) for each in days]
    rules = sorted({name for each in days for name in each.first_flagged})
    below = [0] * len(days)
    for name, colour in zip(rules, [*PALETTE, *[REST] * len(rules)], strict=False):
        counts = [each.first_flagged.get(name, 0) for each in days]
        axes.bar(moments, counts, bottom=below, color=colour, width=0.78, label=rule(name))
        below = [low + count for low, count in zip(below, counts, strict=True)]
    from matplotlib.dates import ConciseDateFormatter, DayLocator
    from matplotlib.ticker import MaxNLocator

    locator = DayLocator(interval=1 + (moments[-1] - moments[0]).days // (4 if narrow() else 8))
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("users newly flagged")
    axes.grid(axis="x", visible=False)
    if rules:
        legend(axes, "best")
    return png(figure)


def attacks(recall: Mapping[str, float], honest_loss: float) -> bytes:
    """Each attack's share of loves left out, and the share of honest ones below; a PNG."""
    rows = sorted(recall.items(), key=lambda one: (one[1], one[0]))
    figure, axes = canvas(6.4, 1.0 + 0.3 * (1 + len(rows)))
    names = ["honest loves", *(rule(name) for name, _ in rows)]
    values = [honest_loss, *(share for _, share in rows)]
    for place, value in enumerate(values):
        colour = CONTROL if place == 0 else LOVE
        axes.plot((0, value), (place, place), color=colour, linewidth=1.4, alpha=0.5)
        axes.plot(value, place, "o", color=colour, markersize=6.5, clip_on=False)
        right = value < 0.85
        axes.annotate(
            f"{value:.1%}" if value < 0.995 or place == 0 else f"{value:.0%}", (value, place), fontsize=8.5, color=INK,
            xytext=(8 if right else -8, 0 if right else 8), textcoords="offset points", va="center",
            ha="left" if right else "right",
        )  # fmt: skip
    axes.axvline(1, color=QUIET, linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlim=(0, 1.02), ylim=(-0.6, len(names) - 0.3), xlabel="share of loves left out")
    axes.grid(axis="y", visible=False)
    percent(axes.xaxis, 0)
    return png(figure)
