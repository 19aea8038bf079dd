"""Two pictures for the docs: recall, and what attacks do to a model that learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from adversary_parts.words import LEAST_RECALL, MEAN_RECALL

Found = dict[str, Any]
ABOVE: dict[str, Any] = {
    "loc": "lower center",
    "bbox_to_anchor": (0.5, 1.0),
    "ncols": 3,
    "fontsize": 8,
    "frameon": False,
}
COLOURS = ("#9ecae1", "#4292c6", "#084594")


def recall(found: Found, path: Path) -> None:
    """Recall of each attack at each share, with intervals over seeds and the aims."""
    known_to_the_filter, others = (found["intervals"][f"{prefix}recall_by_share"] for prefix in ("", "unseen_"))
    shares = {share: own | others.get(share, {}) for share, own in known_to_the_filter.items()}
    names = [*found["recall"], *found["unseen_recall"]]
    figure, axes = plt.subplots(figsize=(9, 0.5 * len(names) + 2), layout="constrained")
    for place, (share, own) in enumerate(shares.items()):
        known = [(row, own[name]) for row, name in enumerate(names) if name in own]
        heights = [row + 0.26 * (place - (len(shares) - 1) / 2) for row, _ in known]
        values = [each["mean"] for _, each in known]
        ends = [_reach(each) for _, each in known]
        axes.barh(
            heights,
            values,
            height=0.24,
            color=COLOURS[place % len(COLOURS)],
            label=f"{float(share):.0%} of all loves",
            xerr=[[low for low, _ in ends], [high for _, high in ends]],
            error_kw={"elinewidth": 0.8},
        )
    for aim in (LEAST_RECALL, MEAN_RECALL):
        axes.axvline(aim, color="#a50f15", linewidth=0.8, linestyle="--")
    axes.set(xlim=(0, 1), yticks=range(len(names)), yticklabels=[_label(name, found) for name in names])
    axes.set_xlabel(
        f"share of the attack's loves that do not count, while {found['honest_loss']:.2%} of honest ones are lost\n"
        f"* written after the freeze; dashed: aims for the others, each {LEAST_RECALL:g}, mean {MEAN_RECALL:g}"
    )
    axes.invert_yaxis()
    axes.legend(**ABOVE)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def shift(found: Found, path: Path) -> None:
    """Shift of mean P[Love] on each attack's target, without the filter and with it."""
    rows = found["shifts"]
    figure, axes = plt.subplots(figsize=(9, 0.24 * len(rows) + 2), layout="constrained")
    for place, row in enumerate(rows):
        before, after = row["open"]["mean"], row["filtered"]["mean"]
        axes.plot([before, after], [place, place], color="#bdbdbd", linewidth=1)
        axes.plot(before, place, "o", color="#a50f15", markersize=4, label="" if place else "without the filter")
        axes.plot(after, place, "o", color="#084594", markersize=4, label="" if place else "with the filter")
    labels = [f"{_label(row['attack'], found)}, {row['share']:.0%}" for row in rows]
    axes.set(
        yticks=range(len(rows)), yticklabels=labels, xlabel="shift of mean P[Love] on what the attack wants to lift"
    )
    axes.set_xscale("symlog", linthresh=0.001)
    axes.set_xlim(left=-5e-4)
    axes.tick_params(axis="y", labelsize=7)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.invert_yaxis()
    axes.legend(**ABOVE)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _label(name: str, found: Found) -> str:
    return name.replace("_", " ") + (" *" if name in found["unseen_recall"] else "")


def _reach(each: Found) -> tuple[float, float]:
    """How far an interval reaches down and up from its mean, within [0, 1]."""
    if each["low"] is None:
        return 0.0, 0.0
    return each["mean"] - max(0.0, each["low"]), min(1.0, each["high"]) - each["mean"]
