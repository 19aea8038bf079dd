"""Calibration and ranking by slice: for whom do the figures of the whole not hold?"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from stats.clusters import auroc_of, offset_of
from stats.estimate import Estimate, Floats
from stats.metrics import bins_of, brier, sigmoid
from streams.record_fields import fields_of
from training.reward.audit import Result
from training.reward.groups import Groups
from training.reward.measure import Scored
from training.reward.noise import floor_of
from training.reward.thresholds import Thresholds

BINS = 5
"""Of a slice's ECE: it has fewer rows than the whole."""
DRAWS = 200


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of one group.

    Attributes:
        dimension: `language`, `policy`, ...; or `week`.
        value: Which; of pooled small ones `others (...)`.
        rows: That were scored.
        positives: Of them.
        rate: Of what came true, at the natural rate.
        said: Mean calibrated chance.
        ece_before: With the prior shift alone.
        ece_after: Calibrated; the interval is over users.
        ece_debiased: `ece_after` less what a perfect model would have.
        brier_before: Likewise.
        brier_after: Likewise.
        auroc: The same before and after, since calibration is strictly increasing.
        offset: What must be added to the logits for as many to come true as is said; above 0 the chances are too low.
    """

    dimension: str
    value: str
    rows: int
    positives: int
    rate: float
    said: float
    ece_before: float
    ece_after: Estimate
    ece_debiased: float
    brier_before: float
    brier_after: float
    auroc: Estimate
    offset: Estimate

    @property
    def times(self) -> str:
        """How often what was said came true, in words, with its interval."""
        return f"{self.odds} times the odds that are said come true"

    @property
    def odds(self) -> Estimate:
        """What comes true over what is said, as a ratio of odds."""
        return Estimate(*(float(each) for each in np.exp(self.offset)))

    def as_dict(self) -> dict[str, Any]:
        """Plain values; an interval as `NAME_ci`."""
        plain: dict[str, Any] = {}
        for name, value in fields_of(self).items():
            plain |= {name: value.value, f"{name}_ci": [value.low, value.high]} if isinstance(value, Estimate) else {
                name: value
            }  # fmt: skip
        return plain


def slice_of(scored: Scored, dimension: str, value: str, *, z: float = 1.96) -> Slice:
    """Figures of scored rows; NaN where they hold one kind alone."""
    targets, weights, users = scored.examples.labels, scored.weights, scored.users
    after, before, labels = scored.chances, sigmoid(scored.shifted), scored.examples.positives
    ece = _ece(targets, after, weights, users)
    trust = scored.examples.weights
    floor = floor_of(after, trust, weights, negatives_stand_for=scored.negatives_stand_for, bins=BINS)
    return Slice(
        dimension,
        value,
        rows=len(labels),
        positives=int(labels.sum()),
        rate=float(np.average(targets, weights=weights)),
        said=float(np.average(after, weights=weights)),
        ece_before=_ece(targets, before, weights, users).value,
        ece_after=ece,
        ece_debiased=floor.debiased(ece.value),
        brier_before=brier(targets, before, weights),
        brier_after=brier(targets, after, weights),
        auroc=auroc_of(labels, scored.logits, weights, users, z=z),
        offset=offset_of(targets, scored.logits, weights, users, z=z),
    )


def _ece(labels: Floats, chances: Floats, weights: Floats, users: Any) -> Estimate:
    """ECE and its bootstrap over users, all draws at once: a draw is how often it took each user."""
    _, owner = np.unique(users, return_inverse=True)
    count = int(owner.max()) + 1
    place = bins_of(chances, weights, BINS)
    gaps = np.bincount(owner * BINS + place, weights * (chances - labels), minlength=count * BINS).reshape(count, BINS)
    sums = np.bincount(owner, weights, minlength=count)
    times = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), DRAWS)
    drawn = np.abs(times @ gaps).sum(axis=1) / np.maximum(times @ sums, 1e-12)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(np.abs(gaps.sum(axis=0)).sum() / sums.sum()), float(low), float(high))


def slices_of(scored: Scored, groups: Groups, *, least: int) -> list[Slice]:
    """Every slice of every dimension that has more than one; small ones of a dimension are pooled.

    Args:
        scored: The test part.
        groups: Of its rows.
        least: Rows of the rarer kind that a slice needs.
    """
    parts = [(name, *part) for name, values in groups.items() for part in _parts(values, scored, least)]
    z = corrected(len(parts))
    return [slice_of(scored.take(rows), dimension, value, z=z) for dimension, value, rows in parts]


def _parts(values: npt.NDArray[np.str_], scored: Scored, least: int) -> list[tuple[str, npt.NDArray[np.int64]]]:
    labels, trusted = scored.examples.positives, scored.weights > 0
    large: list[tuple[str, npt.NDArray[np.int64]]] = []
    small: list[tuple[str, npt.NDArray[np.int64]]] = []
    for value in np.unique(values).tolist():
        rows = np.flatnonzero((values == value) & trusted)
        kept = large if rarer(labels[rows]) >= least else small
        kept.append((value, rows))
    if len(large) + len(small) < 2:
        return []
    if not small:
        return large
    rows = np.sort(np.concatenate([each for _, each in small]))
    names = ", ".join(value for value, _ in small[:3]) + (f" and {len(small) - 3:,} more" if len(small) > 3 else "")
    return [*large, (f"others ({names})", rows)] if len(rows) else large


def rarer(labels: Floats) -> int:
    """How many rows of the rarer kind."""
    return int(min(labels.sum(), len(labels) - labels.sum()))


def corrected(count: int) -> float:
    """Standard errors of a 95 % interval for so many looks together (Bonferroni).

    >>> round(corrected(1), 2), round(corrected(10), 2)
    (1.96, 2.81)
    """
    return NormalDist().inv_cdf(1 - 0.025 / max(count, 1))


def slices_result(found: Sequence[Slice], limits: Thresholds) -> Result:
    """Fails where a slice ranks the wrong way round, or its chances are off beyond `drift`; names it.

    Intervals hold for all slices together. Pooled ones that are still too small say nothing.
    """
    known = [each for each in found if not np.isnan(each.offset.low)]
    if not known:
        return Result("slices", "not measured", "no dimension has two slices that are large enough", blocks=False)
    wrong = [_told(each) for each in known if off(each.offset, limits.drift)]
    wrong += [f"{_named(each)}: AUROC {each.auroc}" for each in known if each.auroc.high < 0.5]
    if wrong:
        return Result("slices", "failed", "; ".join(wrong), blocks=False)
    worst = max(known, key=lambda each: abs(each.offset.value) / max(each.offset.high - each.offset.value, 1e-9))
    words = f"{len(known)} slices; the farthest from its chances is {_told(worst)}"
    return Result("slices", "passed", words, blocks=False)


def off(offset: Estimate, limit: float) -> bool:
    """An interval lies wholly beyond a limit, on either side."""
    return offset.low > limit or offset.high < -limit


def _named(each: Slice) -> str:
    return f"{each.dimension} {each.value} ({each.rows:,} rows, {each.positives:,} positives)"


def _told(each: Slice) -> str:
    return f"{_named(each)}: {each.times}"
