"""Figures with intervals: whole users or tests are drawn with replacement, the same ones for all that is compared."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stats.estimate import Estimate, Floats

Rows = npt.NDArray[np.int64]
Measure = Callable[[Rows], float]


def estimates(
    measures: Mapping[str, Measure],
    clusters: npt.NDArray[Any],
    *,
    less: Sequence[tuple[str, str]] = (),
    draws: int = 300,
    seed: int = 7,
) -> dict[str, Estimate]:
    """Each figure with its 95 % percentile interval, and differences of some, paired over the same draws.

    Args:
        measures: From row positions (repeated ones allowed) to the figure, by name.
        clusters: What is drawn: each row's user or test, [rows].
        less: Names of two figures, of which the second is taken off the first; told as `one_less_other`.
        draws: Resamples; NaN in one is left out.
        seed: Of the drawing.

    >>> rows = np.array([1.0, 2, 3, 4])
    >>> found = estimates({"mean": lambda at: float(rows[at].mean())}, np.arange(4), draws=50)
    >>> found["mean"].value, found["mean"].low < 2.5 < found["mean"].high
    (2.5, True)
    """
    _, owner = np.unique(clusters, return_inverse=True)
    order = np.argsort(owner, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(owner))[:-1])
    random = np.random.default_rng(seed)
    drawn = [np.concatenate([parts[at] for at in random.integers(0, len(parts), len(parts))]) for _ in range(draws)]
    whole = {name: measure(np.arange(len(owner))) for name, measure in measures.items()}
    seen = {name: np.array([measure(rows) for rows in drawn]) for name, measure in measures.items()}
    for one, other in less:
        whole[f"{one}_less_{other}"] = whole[one] - whole[other]
        seen[f"{one}_less_{other}"] = seen[one] - seen[other]
    return {name: Estimate(value, *_interval(seen[name])) for name, value in whole.items()}


def _interval(values: Floats) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
    return float(low), float(high)


def won(better: Floats, worse: Floats) -> float:
    """Share of pairs in which the better one has the higher score; a tie is half.

    >>> won(np.array([2.0, 1, 1]), np.array([1.0, 2, 1]))
    0.5
    """
    return float(np.mean((better > worse) + 0.5 * (better == worse)))


def alike(scores: Sequence[Floats]) -> Floats:
    """The mean of scores which have each been brought to spread 1."""
    return np.asarray(np.mean([each / (each.std() or 1.0) for each in scores], axis=0), dtype=np.float64)


def told(found: Mapping[str, Estimate]) -> dict[str, dict[str, float]]:
    """For JSON."""
    return {name: {key: round(value, 4) for key, value in each._asdict().items()} for name, each in found.items()}
