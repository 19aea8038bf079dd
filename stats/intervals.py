"""Intervals for shares and for correlations, each by the formula named in its docstring."""

import math
from statistics import NormalDist
from typing import NamedTuple

from stats import limits

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A closed interval; `-inf` and `inf` mean "no limit on this side"."""

    low: float
    high: float

    def above(self, value: float) -> bool:
        """The whole interval lies above the value."""
        return self.low > value

    def below(self, value: float) -> bool:
        """The whole interval lies below the value."""
        return self.high < value

    def behind(self, value: float) -> str:
        """The value with this interval behind it.

        >>> Interval(-0.28, 0.99).behind(0.8)
        '0.80 (-0.28 to 0.99)'
        """
        return f"{value:.2f} ({self.low:.2f} to {self.high:.2f})"


def normal_quantile(confidence: float) -> float:
    """Half width, in standard errors, of a two-sided normal interval.

    >>> round(normal_quantile(0.95), 3)
    1.96

    Raises:
        ValueError: The confidence is not inside (0, 1).
    """
    return NormalDist().inv_cdf(0.5 + limits.level("confidence", confidence, "0.95 for a 95 % interval") / 2)


def wilson(successes: int, trials: int, confidence: float = CONFIDENCE, *, design_effect: float = 1.0) -> Interval:
    """The score interval of a share (Wilson 1927): sound near 0, where the textbook interval is not.

    `(p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)`

    >>> low, high = wilson(3, 1000)
    >>> round(low, 5), round(high, 5)
    (0.00102, 0.00878)
    >>> wilson(20, 2000, design_effect=2) == wilson(10, 1000)
    True

    Args:
        successes: At most as many as trials.
        trials: Without one the interval is (0, 1).
        confidence: Of the interval.
        design_effect: Variance of the share over that of independent trials: n is the trials over it.

    Raises:
        ValueError: More successes than trials, or a negative count.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials, must be between 0 and the trials")
    if trials == 0:
        return Interval(0.0, 1.0)
    z, n = normal_quantile(confidence), trials / design_effect
    share = successes / trials
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return Interval(max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale))


def fisher_z(correlation: float, pairs: int) -> Interval:
    """The interval of a Pearson correlation (Fisher 1921): `tanh(atanh(r) +- z / sqrt(n - 3))`.

    The published r = 0.95 over 10 policies, for instance:

    >>> low, high = fisher_z(0.95, 10)
    >>> round(low, 2), round(high, 2)
    (0.8, 0.99)

    Up to 3 pairs say nothing, and the interval is then (-1, 1).

    Raises:
        ValueError: The correlation is not inside [-1, 1].
    """
    if not -1 <= correlation <= 1:
        raise ValueError(f"correlation == {correlation}, must be in [-1, 1]")
    if pairs <= 3:
        return Interval(-1.0, 1.0)
    if abs(correlation) == 1:
        return Interval(correlation, correlation)
    half = normal_quantile(CONFIDENCE) / math.sqrt(pairs - 3)
    centre = math.atanh(correlation)
    return Interval(math.tanh(centre - half), math.tanh(centre + half))
