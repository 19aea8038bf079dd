"""The slope of an effect over days, from users who come on several of them."""

from typing import Final

import numpy as np

from experiments.columns import Counted, Floats, Ints
from experiments.regression import LogRatio

_STEPS: Final = 50
_STEEPEST: Final = 20.0
"""Of a coefficient of a log rate: beyond it there is no maximum, since the arms' events never share a day."""


def day_slope(rows: Counted, dates: Ints, owner: Ints) -> LogRatio | None:
    """The change of the log ratio a day, by the fit of `trends.by_day`; None where the days say nothing about one.

    Args:
        rows: One for each user and day.
        dates: int64[rows], the day.
        owner: int64[rows], the user.
    """
    _, place = np.unique(dates, return_inverse=True)
    treated, control = (np.bincount(place, rows.exposures * side) for side in (rows.treated, ~rows.treated))
    events, own = (np.bincount(place, each).astype(np.float64) for each in (rows.events, rows.events * rows.treated))
    tells = (treated > 0) & (control > 0) & (events > 0)
    if tells.sum() < 2 or not 0 < own[tells].sum() < events[tells].sum():
        return None
    date = np.unique(dates).astype(np.float64)
    design = np.stack([np.ones(len(date)), date - np.average(date, weights=events * tells)], axis=1)
    treated, control, events = (np.where(tells, each, 0.0) for each in (treated, control, events))
    fitted = _solved(design[tells], np.log(treated[tells] / control[tells]), events[tells], own[tells])
    if fitted is None:
        return None
    theta, inverse = fitted
    rise = np.exp(design @ theta)
    level = np.divide(events, control + treated * rise, out=np.zeros(len(date)), where=tells)
    share = np.divide(treated * rise, control + treated * rise, out=np.zeros(len(date)), where=tells)
    expected = rows.exposures * level[place] * np.where(rows.treated, rise[place], 1.0)
    score = (rows.treated - share[place]) * (rows.events - expected) * tells[place]
    influence = (design[place] @ inverse[1]) * score
    _, number = np.unique(owner, return_inverse=True)
    each = np.bincount(number, influence) ** 2
    users = len(each)
    variance, squares = float(each.sum()), float(each @ each)
    freedom = variance**2 / squares if squares else 0.0
    return LogRatio(float(theta[1]), variance * users / (users - 1) if users > 1 else 0.0, freedom)


def _solved(design: Floats, offset: Floats, events: Floats, own: Floats) -> tuple[Floats, Floats] | None:
    """Coefficients and the inverse curvature of a binomial fit by Newton's steps; None where there is no maximum."""
    theta = np.zeros(2)
    for _ in range(_STEPS):
        share = 1 / (1 + np.exp(-np.clip(offset + design @ theta, -700, 700)))
        curvature = design.T @ (design * (events * share * (1 - share))[:, None])
        if np.linalg.cond(curvature) > 1e12:
            return None
        inverse = np.linalg.inv(curvature)
        step = inverse @ (design.T @ (own - events * share))
        theta = theta + step / max(1.0, float(np.abs(step).max()))
        if np.abs(theta).max() > _STEEPEST:
            return None
        if np.abs(step).max() < 1e-10:
            return theta, np.asarray(inverse, np.float64)
    return None
