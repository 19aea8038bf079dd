"""Shares of rare events with score intervals: a bootstrap that never drew an event would call the rate certain."""

import math

import numpy as np

from stats.estimate import Estimate
from stats.intervals import wilson


def share(events: np.ndarray) -> Estimate:
    """A share with its 95 % score interval (Wilson 1927).

    >>> value, low, high = share(np.zeros(300, bool))
    >>> value, low, round(high, 4)
    (0.0, 0.0, 0.0126)

    Args:
        events: True or false (1 or 0) for each answer, shape [answers].
    """
    value = float(np.mean(events))
    low, high = wilson(int(np.sum(events)), len(events))
    return Estimate(value, low if value else 0.0, high if value < 1 else 1.0)


def difference(events: np.ndarray, base: np.ndarray) -> Estimate:
    """A share minus the base's over the same prompts, with Newcombe's interval from score limits (1998, method 10).

    The limits of each share are those of `share`. It takes the two as independent, so pairs that agree make it wider
    than it need be; two policies that answer alike in every case differ by 0, from there to the limits of chance.

    Args:
        events: True or false for each answer, shape [answers].
        base: The same of the base.
    """
    one, other = share(events), share(base)
    value = one.value - other.value
    below = math.hypot(one.value - one.low, other.high - other.value)
    above = math.hypot(one.high - one.value, other.value - other.low)
    return Estimate(value, value - below, value + above)
