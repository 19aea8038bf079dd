"""Bootstrap intervals: rows, or whole users with all their rows, are drawn with replacement.

Two rows of one user are not independent, so users are drawn as wholes wherever they are known (docs/method.md, 8).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stats.estimate import Estimate

RESAMPLES = 2000


def times_drawn(units: int, resamples: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """How often each of so many units is drawn with replacement, int64 [units], one array a resample.

    >>> [times.tolist() for times in times_drawn(3, 2, seed=1)]
    [[0, 2, 1], [2, 0, 1]]
    """
    chance = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(chance.integers(0, units, units), minlength=units)


def resampled(
    values: np.ndarray, seed: int, resamples: int = RESAMPLES, *, clusters: Sequence[Any] | np.ndarray | None = None
) -> np.ndarray:
    """Means over rows drawn with replacement; values with one seed are drawn alike, so differences are paired.

    Several prompts of one user are not independent. With `clusters` whole users are drawn, and a mean is the ratio of
    sums, `sum_u t_u s_u / sum_u t_u n_u`, with `t_u` how often user u was drawn, `s_u` the sum of the user's n_u rows
    (Field and Welsh 2007).

    >>> users = np.repeat(np.arange(100), 10)
    >>> moods = np.random.default_rng(1).normal(size=100)[users]
    >>> by_prompt, by_user = resampled(moods, 1).std(), resampled(moods, 1, clusters=users).std()
    >>> round(by_user / by_prompt)
    3

    Args:
        values: [prompts, ...], one number or several for each prompt.
        seed: Which prompts are drawn.
        resamples: How often.
        clusters: Whose each prompt is, [prompts]; None takes each for itself.

    Returns:
        [resamples, ...].

    Raises:
        ValueError: Not one owner for each prompt.
    """
    flat = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    sizes = np.ones(len(values))
    if clusters is not None:
        _, owner = np.unique(np.asarray(clusters), return_inverse=True)
        if len(owner) != len(values):
            raise ValueError(f"{len(owner):,} users for {len(values):,} prompts, must be one for each")
        sizes = np.bincount(owner).astype(np.float64)
        flat = np.column_stack([np.bincount(owner, column, len(sizes)) for column in flat.T])
    # sums weighted by how often each user was drawn: the rows are never copied
    means = [times @ flat / (times @ sizes) for times in times_drawn(len(sizes), resamples, seed)]
    return np.stack(means).reshape(resamples, *values.shape[1:])


def interval(value: float, draws: np.ndarray) -> Estimate:
    """The value with the 2.5 % and 97.5 % quantiles of its draws; all NaN when a draw is undefined.

    >>> interval(2.0, np.array([1.0, 2.0, 3.0]))
    Estimate(value=2.0, low=1.05, high=2.95)
    """
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(float(value), float(low), float(high))


def bootstrap_over_users(
    measure: Callable[[npt.NDArray[np.int64]], float], users: npt.NDArray[np.str_], *, draws: int = 200, seed: int = 0
) -> Estimate:
    """A figure with its percentile interval when whole users are drawn with replacement.

    Args:
        measure: From row positions (repeated rows allowed) to the figure.
        users: Each row's user, shape [rows].
        draws: Resamples; one in which the figure is NaN (a class is absent) is left out.
        seed: Of the resampling.
    """
    names, owner = np.unique(users, return_inverse=True)
    rows = np.arange(len(users))
    values = [measure(np.repeat(rows, times[owner])) for times in times_drawn(len(names), draws, seed)]
    kept = [value for value in values if not np.isnan(value)]
    return interval(measure(rows), np.array(kept or [np.nan]))
