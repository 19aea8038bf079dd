"""Correlations of few pairs, each with its interval: of predictions with what experiments measured, of policies.

Of many weighted rows, as of scores and lengths, `stats.metrics.rank_correlation` takes Spearman's rho.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, stdtrit
from scipy.stats import rankdata

from stats.intervals import CONFIDENCE, Interval, fisher_z, normal_quantile


class Correlation(NamedTuple):
    """A correlation coefficient with its 95 % interval, (-1, 1) where the pairs are too few for one."""

    r: float
    ci: Interval
    pairs: int

    def __str__(self) -> str:
        return self.ci.behind(self.r)


class Slope(NamedTuple):
    """The line of least squares, with the 95 % interval of its slope; open where there are only two pairs."""

    value: float
    ci: Interval
    intercept: float

    def __str__(self) -> str:
        return self.ci.behind(self.value)


def pearson(first: ArrayLike, second: ArrayLike) -> Correlation | None:
    """Pearson r with the interval of Fisher's z; None where it is not defined: one side does not vary, or one pair.

    >>> str(pearson([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]))
    '0.80 (-0.28 to 0.99)'

    Args:
        first: Shape [pairs].
        second: As long.

    Raises:
        ValueError: The sides differ in length, or hold a value that is not finite.
    """
    x, y = _checked(first, second)
    r = _r(x, y)
    return None if r is None else Correlation(r, fisher_z(r, len(x)), len(x))


def spearman(first: ArrayLike, second: ArrayLike) -> Correlation | None:
    """Spearman's rho, Pearson's r of mean ranks, with the interval of Bonett and Wright (2000).

    `tanh(atanh(rho) +- z sqrt((1 + rho^2 / 2) / (n - 3)))`. Few pairs are often in perfect order by chance, where
    that interval would have no width: the limit is then the one of the nearest order, two neighbours changed.

    >>> str(spearman([1, 2, 3, 4, 5], [1, 2, 3, 4, 50]))
    '1.00 (-0.22 to 1.00)'

    Args:
        first: Shape [pairs].
        second: As long.

    Raises:
        ValueError: As `pearson`.
    """
    x, y = _checked(first, second)
    rho, pairs = _r(rankdata(x), rankdata(y)), len(x)
    if rho is None:
        return None
    if pairs <= 3:
        return Correlation(rho, Interval(-1.0, 1.0), pairs)
    nearest = 1 - 12 / (pairs * (pairs**2 - 1))
    centre = math.atanh(max(-nearest, min(nearest, rho)))
    half = normal_quantile(CONFIDENCE) * math.sqrt((1 + rho * rho / 2) / (pairs - 3))
    limits = Interval(math.tanh(centre - half), math.tanh(centre + half))
    return Correlation(rho, Interval(min(limits.low, rho), max(limits.high, rho)), pairs)


def slope(first: ArrayLike, second: ArrayLike) -> Slope | None:
    """The least-squares line of the second on the first, `b +- t sqrt(s^2 / sum (x - mean x)^2)`; None as `pearson`.

    1 means that differences come out as large as they were foretold, 0.5 half as large. Errors of the second side widen
    the interval and bend nothing; errors of the first pull the slope towards 0.

    >>> str(slope([1, 2, 3, 4], [1, 1.5, 2, 2.5])), slope([1, 2, 3], [2, 2, 2]).value
    ('0.50 (0.50 to 0.50)', 0.0)

    Args:
        first: Shape [pairs].
        second: As long.

    Raises:
        ValueError: As `pearson`.
    """
    x, y = _checked(first, second)
    if len(x) < 2 or not np.ptp(x):
        return None
    about = x - x.mean()
    spread = float(about @ about)
    value = float(about @ y) / spread
    intercept = float(y.mean() - value * x.mean())
    free = len(x) - 2
    if not free:
        return Slope(value, Interval(-math.inf, math.inf), intercept)
    left = y - intercept - value * x
    half = float(stdtrit(free, 0.5 + CONFIDENCE / 2)) * math.sqrt(float(left @ left) / free / spread)
    return Slope(value, Interval(value - half, value + half), intercept)


def reliability(values: ArrayLike, errors: ArrayLike) -> float | None:
    """The share of the measured values' variance that is not their own error: `1 - mean(error^2) / var(values)`.

    None where the values do not differ beyond their errors (Cochran's Q at 5 %): the share would rest on chance.

    >>> round(reliability([0.0, 0.2, 0.4, 0.6], [0.05, 0.05, 0.05, 0.05]), 3)
    0.963
    >>> reliability([0.0, 0.2, 0.4, 0.6], [0.5, 0.5, 0.5, 0.5]) is None
    True

    Args:
        values: Shape [pairs].
        errors: The standard error of each.

    Raises:
        ValueError: As `pearson`; or an error that is not above 0.
    """
    measured, known = _checked(values, errors)
    if known.min(initial=math.inf) <= 0:
        raise ValueError(f"a standard error is {known.min():g}, must be above 0")
    if len(measured) < 2:
        return None
    weight = known**-2
    heterogeneity = float(weight @ (measured - np.average(measured, weights=weight)) ** 2)
    share = 1 - float((known**2).mean() / measured.var(ddof=1))
    by_chance = chdtrc(len(measured) - 1, heterogeneity) > 1 - CONFIDENCE
    return None if by_chance or share <= 0 else share


def corrected(seen: Correlation, share: float) -> Correlation:
    """A correlation as it were if the second side had no error of measurement: `r / sqrt(reliability)`.

    Spearman (1904). The limits are divided alike, the reliability taken as known (Hunter and Schmidt 2004, 3); what
    leaves [-1, 1] is cut. With few pairs the reliability is itself uncertain: this describes, and decides nothing.

    >>> str(corrected(pearson([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]), 0.8))
    '0.89 (-0.31 to 1.00)'

    Args:
        seen: Of the values as they were measured.
        share: See `reliability`.
    """
    r, low, high = (max(-1.0, min(1.0, value / math.sqrt(share))) for value in (seen.r, *seen.ci))
    return Correlation(r, Interval(low, high), seen.pairs)


def _r(x: NDArray[np.float64], y: NDArray[np.float64]) -> float | None:
    """Rounded to 12 places, so that points on a line have exactly 1."""
    if len(x) < 2 or not np.ptp(x) or not np.ptp(y):
        return None
    return round(float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1)), 12)


def _checked(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"the sides have shapes {x.shape} and {y.shape}, must be one number for each pair on both")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a value is not finite: leave its pair out")
    return x, y
