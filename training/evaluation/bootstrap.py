"""Intervals over prompts: prompts are drawn again with replacement, all policies on the same ones."""

from typing import NamedTuple

import numpy as np

RESAMPLES = 2000


class Interval(NamedTuple):
    """A value and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def resampled(values: np.ndarray, seed: int, resamples: int = RESAMPLES) -> np.ndarray:
    """Means over prompts drawn with replacement; rows with one seed are drawn alike, so differences are paired.

    Args:
        values: [prompts, ...], one number or several for each prompt.
        seed: Which prompts are drawn.
        resamples: How often.

    Returns:
        [resamples, ...].
    """
    count = len(values)
    flat = values.reshape(count, -1)
    chance = np.random.default_rng(seed)
    drawn = (np.bincount(chance.integers(0, count, count), minlength=count) for _ in range(resamples))
    means = [times @ flat / count for times in drawn]  # how often each was drawn: no copy of the rows
    return np.stack(means).reshape(resamples, *values.shape[1:])


def interval(value: float, draws: np.ndarray) -> Interval:
    """The value with the 2.5 % and 97.5 % quantiles of its draws; all NaN when a draw is undefined.

    >>> interval(2.0, np.array([1.0, 2.0, 3.0]))
    Interval(value=2.0, low=1.05, high=2.95)
    """
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))
