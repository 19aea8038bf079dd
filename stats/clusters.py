"""Figures with standard errors over users, without resampling: what slices, weeks and audits are read by.

Two responses of one user are not independent, so each row's influence on a figure is added up by user, and the standard
error is the root of the summed squares (the cluster-robust or sandwich estimator; for AUROC: Obuchowski, *Nonparametric
analysis of clustered ROC curve data*, 1997). It costs one pass where a bootstrap costs hundreds.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from stats.estimate import Estimate, Floats
from stats.logistic import maximum
from stats.metrics import auroc, sigmoid

Users = npt.NDArray[Any]
NAN = float("nan")
FEWEST = 10
"""With fewer users (a few annotators, say) rows are the units: intervals over so few, as wholes, are too narrow."""
_SETTLED = 1e-3
"""A last step of Newton's method beyond this was one on the way to infinity: scores tell the label without error."""


def units(users: Users) -> Users:
    """What is drawn alone: users, or where there are fewer than `FEWEST` of them each row.

    >>> units(np.array(["ann", "ann"])).tolist()
    [0, 1]
    """
    return users if len(np.unique(users)) >= FEWEST else np.arange(len(users))


def ratio(values: Floats, weights: Floats, users: Users) -> tuple[float, float]:
    """A weighted mean and its standard error over users.

    >>> ratio(np.array([1.0, 3.0, 5.0]), np.ones(3), np.array(["a", "b", "c"]))
    (3.0, 1.1547005383792515)
    """
    total = float(weights.sum())
    if total <= 0:
        return NAN, NAN
    mean = float(weights @ values / total)
    return mean, error(weights * (values - mean) / total, users)


def error(influence: Floats, users: Users) -> float:
    """Standard error of a figure from its rows' influence; NaN with one user, who says nothing about others."""
    _, owner = np.unique(users, return_inverse=True)
    sums = np.bincount(owner, influence)
    count = len(sums)
    return float(np.sqrt((sums**2).sum() * count / (count - 1))) if count > 1 else NAN


def mean(values: Floats, weights: Floats, users: Users, *, z: float = 1.96) -> Estimate:
    """A weighted mean with its interval over users."""
    value, spread = ratio(values, weights, users)
    return Estimate(value, value - z * spread, value + z * spread)


def auroc_of(labels: Floats, scores: Floats, weights: Floats, users: Users, *, z: float = 1.96) -> Estimate:
    """AUROC with its interval over users, taken on the logit scale so that it stays within [0, 1].

    A row's influence is its placement among the other class, less the mean. NaN where a class is absent; no interval
    with one user or a perfect order.
    """
    value = auroc(labels, scores, weights)
    if np.isnan(value):
        return Estimate(NAN, NAN, NAN)
    _, place = np.unique(scores, return_inverse=True)
    up, down = np.bincount(place, weights * labels), np.bincount(place, weights * (1 - labels))
    beaten = ((np.cumsum(down) - down / 2) / down.sum())[place]
    beating = (1 - (np.cumsum(up) - up / 2) / up.sum())[place]
    influence = weights * np.where(labels > 0, (beaten - value) / up.sum(), (beating - value) / down.sum())
    spread = error(influence, users)
    if not 0 < value < 1 or np.isnan(spread):
        return Estimate(value, NAN, NAN)
    middle, reach = np.log(value / (1 - value)), z * spread / (value * (1 - value))
    low, high = sigmoid(np.array([middle - reach, middle + reach]))
    return Estimate(value, float(low), float(high))


def line_of(labels: Floats, logits: Floats, weights: Floats, users: Users) -> tuple[Estimate, Estimate]:
    """Calibration intercept and slope: of a logistic regression of labels on logits (Cox, 1958), over users.

    Of chances that come true as often as they say the slope is 1 and the intercept 0. The intercept is that at the mean
    logit with slope 1 (calibration in the large): above 0 more came true than was said. A slope below 1 is
    overconfidence.
    """
    centre = float(np.average(logits, weights=weights))
    design = np.stack([np.ones_like(logits), logits - centre], axis=1)
    slope = _fitted(labels, np.zeros_like(logits), design, weights, users)
    return offset_of(labels, logits, weights, users), slope[1]


def offset_of(labels: Floats, logits: Floats, weights: Floats, users: Users, *, z: float = 1.96) -> Estimate:
    """What must be added to every logit for as many to come true as is said, with its interval over users."""
    return _fitted(labels, logits, np.ones((len(logits), 1)), weights, users, z=z)[0]


def _fitted(
    labels: Floats, fixed: Floats, design: Floats, weights: Floats, users: Users, *, z: float = 1.96
) -> list[Estimate]:
    """Coefficients of a weighted logistic regression beside a fixed part; NaN where there is no maximum."""
    nothing = [Estimate(NAN, NAN, NAN)] * design.shape[1]
    if not 0 < float(weights @ labels) < float(weights.sum()):
        return nothing
    try:
        found = maximum(design, labels, weights=weights, offset=fixed)
    except ValueError:
        return nothing
    if found.step > _SETTLED:
        return nothing
    chance = sigmoid(fixed + design @ found.coefficients)
    influence = (design * (weights * (labels - chance))[:, None]) @ np.linalg.inv(found.information)
    spreads = [error(column, users) for column in influence.T]
    return [
        Estimate(float(t), float(t - z * s), float(t + z * s)) for t, s in zip(found.coefficients, spreads, strict=True)
    ]
