"""From the figures of cells to those of the benchmark: means over seeds, with t-intervals over seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from scipy.special import stdtrit

from adversary_parts.cells import ATTACKS, UNSEEN

Found = dict[str, Any]
Records = list[Found]
Figure = Callable[[Records], float | None]
LEVEL = 0.95


def interval(values: Iterable[float | None]) -> Found:
    """Mean of one figure a seed, with the t-interval over seeds; one seed has no interval.

    >>> interval([0.8, 0.9, 1.0])
    {'mean': 0.9, 'low': 0.651586, 'high': 1.148414, 'seeds': 3}
    """
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(known):
        return {"mean": None, "low": None, "high": None, "seeds": 0}
    mean, low, high = float(known.mean()), None, None
    if len(known) > 1:
        reach = float(stdtrit(len(known) - 1, (1 + LEVEL) / 2) * known.std(ddof=1) / np.sqrt(len(known)))
        low, high = round(mean - reach, 6), round(mean + reach, 6)
    return {"mean": round(mean, 6), "low": low, "high": high, "seeds": len(known)}


def records(cells: Sequence[Found], clean: dict[int, list[Found]]) -> Records:
    """One flat record for each attack of each cell, in order; an attack that gave no love in a cell has none.

    Args:
        cells: From `one_cell.measure`.
        clean: By seed, the marks of the clean models, from `Seed.clean`.
    """
    found = [_record(cell, name, clean[cell["seed"]][0]) for cell in cells for name in cell["attacks"]]
    order = (*ATTACKS, *UNSEEN)
    return sorted(found, key=lambda row: (order.index(row["attack"]), row["share"], row["seed"]))


def _record(cell: Found, name: str, clean: Found) -> Found:
    own, learnt = cell["attacks"][name], cell["learning"]
    shifts = {
        f"shift_{scale}_{feedback}": learnt[feedback][scale][name] - clean[scale][name]
        for scale in ("chance", "logit")
        for feedback in ("open", "filtered")
    }
    losses = {
        f"{mark}_loss_{feedback}": clean[mark] - learnt[feedback][mark]
        for mark in ("auroc", "auroc_oracle")
        for feedback in ("open", "filtered")
    }
    plain = {key: own[key] for key in ("loves", "recall", "recall_at_loss", "rules", "hours")}
    cell_wide = {"honest_loss": cell["honest"]["loss"], "precision": cell["precision"]}
    place = {"seed": cell["seed"], "cell": cell["cell"], "attack": name, "share": cell["shares"][name]}
    return place | plain | cell_wide | shifts | losses


def filled(rows: Records) -> Records:
    """The records, and for each cell in which an attack gave no love one that holds the other seeds' means.

    Means over cells would else speak of easier cells where the hard one is missing.
    """
    cells: dict[tuple[str, float], Records] = {(row["attack"], row["share"]): [] for row in rows}
    for row in rows:
        cells[row["attack"], row["share"]].append(row)
    seeds = {row["seed"] for row in rows}
    missing = [
        {**_middle(own), "seed": seed, "attack": attack, "share": share}
        for (attack, share), own in cells.items()
        for seed in sorted(seeds - {row["seed"] for row in own})
    ]
    return rows + missing


def _middle(rows: Records) -> Found:
    names = [name for name, value in rows[0].items() if isinstance(value, float) or value is None]
    known = {name: [row[name] for row in rows if row[name] is not None] for name in names}
    return {name: float(np.mean(values)) if values else None for name, values in known.items()}


def over_seeds(rows: Records, figure: Figure) -> Found:
    """A figure of each seed's records, as `interval`."""
    of_seed = defaultdict(list)
    for row in rows:
        of_seed[row["seed"]].append(row)
    return interval(figure(own) for own in of_seed.values())


def mean_of(name: str) -> Figure:
    """Mean of one entry over records; those without it do not count."""

    def figure(rows: Records) -> float | None:
        known = [row[name] for row in rows if row[name] is not None]
        return float(np.mean(known)) if known else None

    return figure


def cut_of(scale: str) -> Figure:
    """1 less the sum of shifts with the filter over the sum without, both by size."""

    def figure(rows: Records) -> float | None:
        without, left = (
            sum(abs(row[f"shift_{scale}_{feedback}"]) for row in rows) for feedback in ("open", "filtered")
        )
        return 1 - left / without if without else None

    return figure


def by_attack(rows: Records, figure: Figure) -> Found:
    """A figure for each attack, over its shares."""
    names = [name for name in (*ATTACKS, *UNSEEN) if any(row["attack"] == name for row in rows)]
    return {name: over_seeds([row for row in rows if row["attack"] == name], figure) for name in names}


def by_share(rows: Records, figure: Figure) -> Found:
    """A figure for each attack and share."""
    shares = sorted({row["share"] for row in rows})
    return {f"{share:g}": by_attack([row for row in rows if row["share"] == share], figure) for share in shares}


def means(value: Found) -> Any:
    """Intervals without their ends.

    >>> means({"a": {"mean": 0.5, "low": None, "high": None, "seeds": 1}})
    {'a': 0.5}
    """
    return value["mean"] if "mean" in value else {name: means(each) for name, each in value.items()}
