"""How well scores rank, and how far probabilities may be believed.

Rows carry weights, so that a test set with sub-sampled negatives still estimates figures at the natural rate. Intervals
come from `stats.bootstrap` or `stats.clusters`, over whole users.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stats.estimate import Floats

BINS = 10
"""Of a calibration error and of a reliability curve."""


def sigmoid(logits: Floats) -> Floats:
    """Probabilities of logits, without overflow.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.asarray(np.where(logits >= 0, 1.0, np.exp(-np.abs(logits))) / (1.0 + np.exp(-np.abs(logits))))


def auroc(labels: Floats, scores: Floats, weights: Floats | None = None) -> float:
    """Chance that a positive outscores a negative; ties count half. NaN when a class is absent.

    >>> auroc(np.array([1.0, 0, 1, 0]), np.array([3.0, 2, 2, 1]))
    0.875
    """
    weight = np.ones_like(scores) if weights is None else weights
    _, place = np.unique(scores, return_inverse=True)
    positive = np.bincount(place, weight * labels)
    negative = np.bincount(place, weight * (1 - labels))
    pairs = positive.sum() * negative.sum()
    below = np.cumsum(negative) - negative
    return float(positive @ (below + negative / 2) / pairs) if pairs > 0 else float("nan")


def auroc_within(labels: Floats, scores: Floats, weights: Floats, groups: npt.NDArray[np.int64]) -> float:
    """Chance that a positive outscores a negative of its own group, every pair counting alike.

    >>> labels, scores = np.array([1.0, 0, 1, 0]), np.array([0.2, 0.1, 0.9, 0.8])
    >>> groups = np.array([0, 0, 1, 1])
    >>> auroc_within(labels, scores, np.ones(4), groups), auroc(labels, scores)
    (1.0, 0.75)

    Args:
        labels: 1 or 0, shape [rows].
        scores: Shape [rows].
        weights: Shape [rows].
        groups: The group of each row, shape [rows].

    Returns:
        NaN when no group has both classes.
    """
    parts = [groups == group for group in np.unique(groups)]
    pairs = np.array([weights[part] @ labels[part] * (weights[part] @ (1 - labels[part])) for part in parts])
    kept = pairs > 0
    if not kept.any():
        return float("nan")
    found = [auroc(labels[part], scores[part], weights[part]) for part, used in zip(parts, kept, strict=True) if used]
    return float(np.average(found, weights=pairs[kept]))


def average_precision(labels: Floats, scores: Floats, weights: Floats | None = None) -> float:
    """Area under the precision-recall curve as a sum of steps; a coin reaches the base rate. NaN without a positive.

    >>> round(average_precision(np.array([1.0, 0, 1, 0]), np.array([4.0, 3, 2, 1])), 4)
    0.8333
    """
    weight = np.ones_like(scores) if weights is None else weights
    _, place = np.unique(-scores, return_inverse=True)
    hits = np.bincount(place, weight * labels)
    found, seen = np.cumsum(hits), np.cumsum(np.bincount(place, weight))
    return float((hits * found / np.maximum(seen, 1e-12)).sum() / found[-1]) if found[-1] > 0 else float("nan")


def brier(labels: Floats, chances: Floats, weights: Floats | None = None) -> float:
    """Mean squared error of probabilities."""
    return float(np.average((chances - labels) ** 2, weights=weights))


def log_loss(labels: Floats, logits: Floats) -> Floats:
    """Cross-entropy of each row, `log(1 + e^z) - y z` in nats, shape [rows].

    >>> log_loss(np.array([1.0, 0.5]), np.array([0.0, 0.0])).round(3).tolist()
    [0.693, 0.693]
    """
    return np.asarray(np.logaddexp(0.0, logits) - labels * logits)


def calibration_error(labels: Floats, chances: Floats, weights: Floats | None = None) -> float:
    """ECE: mean distance between chance and rate over bins of equal weight (rare labels make equal widths useless).

    >>> round(calibration_error(np.array([0.0, 1.0]), np.array([0.1, 0.7])), 3)
    0.2
    """
    weight = np.ones_like(chances) if weights is None else weights
    gap = np.bincount(bins_of(chances, weight, BINS), weight * (chances - labels), minlength=BINS)
    return float(np.abs(gap).sum() / weight.sum())


class ReliabilityBin(NamedTuple):
    """A bin of a reliability curve."""

    chance: float
    """Mean predicted probability."""
    positives: int
    rows: int


def reliability(labels: Floats, chances: Floats, weights: Floats | None = None) -> list[ReliabilityBin]:
    """Predicted chance against what came true, in bins of equal weight; counts are rounded, empty bins left out.

    >>> reliability(np.array([0.0, 1.0]), np.array([0.1, 0.7]))
    [ReliabilityBin(chance=0.1, positives=0, rows=1), ReliabilityBin(chance=0.7, positives=1, rows=1)]
    """
    weight = np.ones_like(chances) if weights is None else weights
    place = bins_of(chances, weight, BINS)
    rows, hits, sums = (
        np.bincount(place, part, minlength=BINS) for part in (weight, weight * labels, weight * chances)
    )
    return [
        ReliabilityBin(float(sums[k] / rows[k]), round(hits[k]), round(rows[k]))
        for k in range(BINS)
        if round(rows[k]) > 0
    ]


def bins_of(chances: Floats, weight: Floats, bins: int) -> npt.NDArray[np.int64]:
    """The bin of each row, in order of its chance, bins holding equal weight, shape [rows]."""
    order = np.argsort(chances, kind="stable")
    share = np.cumsum(weight[order]) - weight[order] / 2
    place = np.empty(len(chances), dtype=np.int64)
    place[order] = np.minimum((share / weight.sum() * bins).astype(np.int64), bins - 1)
    return place


def rank_correlation(first: Floats, second: Floats, weights: Floats | None = None) -> float:
    """Spearman's rho: the correlation of ranks, ties sharing their mean rank; 0 when one side does not vary.

    >>> round(rank_correlation(np.array([1.0, 2, 3]), np.array([2.0, 4, 100])), 3)
    1.0
    """
    weight = np.ones_like(first) if weights is None else weights
    x, y = (rank - np.average(rank, weights=weight) for rank in (mean_ranks(first), mean_ranks(second)))
    spread = float(np.sqrt((weight @ x**2) * (weight @ y**2)))
    return float(weight @ (x * y)) / spread if spread > 0 else 0.0


def mean_ranks(values: Floats) -> Floats:
    """Ranks from 1, ties sharing their mean.

    >>> mean_ranks(np.array([5.0, 1.0, 5.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place], dtype=np.float64)
