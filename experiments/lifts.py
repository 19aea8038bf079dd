"""Relative lifts, estimated as logarithms of ratios: intervals are symmetric there, and end above -100 %."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from stats.intervals import Interval

_FARTHEST = 700.0
"""The largest logarithm whose exponential a double holds."""
NOTHING = Interval(-1.0, math.inf)
"""The interval of a lift of which nothing is known."""
LARGEST_ERROR = 1e6
"""Of a lift: with a larger standard error nothing was measured."""


def lift_interval(log_ratio: float, half: float) -> Interval:
    """`exp(log_ratio +- half) - 1`; open on a side that no double can hold, and everything where either is not known.

    >>> low, high = lift_interval(0.0, math.log(2))
    >>> round(low, 3), round(high, 3)
    (-0.5, 1.0)
    >>> lift_interval(0.2, math.inf) == NOTHING
    True
    """
    if math.isnan(log_ratio) or math.isnan(half):
        return NOTHING
    low, high = log_ratio - half, log_ratio + half
    return Interval(math.expm1(max(low, -_FARTHEST)), math.expm1(high) if high < _FARTHEST else math.inf)


def student_quantile(confidence: float, freedom: float) -> float:
    """Half width, in standard errors, of a two-sided interval by Student's t; infinite without a degree of freedom.

    >>> round(student_quantile(0.95, 1e9), 3), round(student_quantile(0.95, 4), 3)
    (1.96, 2.776)
    """
    return float(stdtrit(freedom, 0.5 + confidence / 2)) if freedom > 0 else math.inf


def span(lift: float | None, ci: Interval) -> str:
    """A lift and its interval in words.

    >>> span(0.123, Interval(0.01, 0.249)), span(None, NOTHING)
    ('+12.3% (+1.0% to +24.9%)', 'not known')
    >>> span(-1.0, Interval(-1.0, 0.2)), span(None, Interval(0.4, math.inf))
    ('-100.0% (-100.0% to +20.0%)', 'at least +40.0%')
    """
    if lift is None:
        return f"at least {ci.low:+.1%}" if ci.low > -1 else "not known"
    end = f"to {ci.high:+.1%}" if math.isfinite(ci.high) else "or more"
    return f"{lift:+.1%} ({ci.low:+.1%} {end})"


def known_errors(errors: ArrayLike) -> NDArray[np.bool_]:
    """Which standard errors of lifts say something: those above 0 and up to `LARGEST_ERROR`.

    >>> known_errors([0.1, 0.0, 1e9, math.nan]).tolist()
    [True, False, False, False]
    """
    seen = np.asarray(errors, np.float64)
    return np.asarray((seen > 0) & (seen <= LARGEST_ERROR))
