"""The 95 % interval of an arm's rate, for people: what trips an arm is the evidence, which may be looked at always."""

from math import sqrt

_QUANTILE = 1.959964
"""Of the normal distribution, for 95 %."""


def wilson(events: int, served: int, *, design_effect: float = 1.0) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927), for so many independent responses as the served ones are worth.

    >>> tuple(round(end, 4) for end in wilson(10, 1000)), tuple(round(end, 4) for end in wilson(0, 0))
    ((0.0054, 0.0183), (0.0, 1.0))
    >>> wilson(20, 2000, design_effect=2) == wilson(10, 1000)
    True

    Args:
        events: At most as many as served.
        served: Responses.
        design_effect: Variance of the rate over that of independent responses, 1 or more.
    """
    n = served / design_effect
    if n <= 0:
        return 0.0, 1.0
    share, square = events / served, _QUANTILE**2
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = _QUANTILE / (1 + square / n) * sqrt(share * (1 - share) / n + square / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
