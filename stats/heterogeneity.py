"""Figures that were each measured with a known error: how much they truly differ, and what follows from it."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.correlation import Correlation
from stats.intervals import CONFIDENCE, Interval, normal_quantile

_REACH = 5.0
"""How far on Fisher's scale a correlation is looked for: tanh(5) = .9999."""
_STEPS = 201
_POINTS = np.linspace(-1.0, 1.0, 11)
_ZOOMS = 8
"""Halvings and more of the search for the spreads: each leaves 3 / 10 of the range, 8 leave under 1e-4 of it."""


class Pooled(NamedTuple):
    """A random-effects model of figures that were measured one by one.

    Attributes:
        mean: Of the true figures.
        error: The standard error of the mean.
        variance: tau^2, by which the true figures differ; 0 where their errors explain all of it.
    """

    mean: float
    error: float
    variance: float


class Shrunk(NamedTuple):
    """Figures drawn towards their mean, each shape [figures].

    Attributes:
        values: The posterior means.
        errors: Their standard errors, with what the mean and the spread are uncertain by.
    """

    values: NDArray[np.float64]
    errors: NDArray[np.float64]


def pooled(values: ArrayLike, errors: ArrayLike) -> Pooled:
    """The mean and the true spread of measured figures, by moments (DerSimonian & Laird 1986).

    With `w = 1 / s^2`, `Q = sum w (y - mean_w y)^2` and `k` figures,
    `tau^2 = max(0, (Q - (k - 1)) / (sum w - sum w^2 / sum w))`; the mean is weighted by `1 / (s^2 + tau^2)`.

    >>> found = pooled([0.0, 0.2, 0.4, 0.6], [0.1, 0.1, 0.1, 0.1])
    >>> round(found.mean, 3), round(found.variance, 4)
    (0.3, 0.0567)

    Args:
        values: Shape [figures], at least one.
        errors: The standard error of each.

    Raises:
        ValueError: There is none, the two differ in length, or one is not finite or no error.
    """
    y, s = _checked(values, errors)
    weight = s**-2
    about = y - np.average(y, weights=weight)
    scale, excess = spared_weight(weight), float(weight @ about**2) - (len(y) - 1)
    variance = max(0.0, excess / scale) if scale > 0 else 0.0
    weight = 1 / (s**2 + variance)
    return Pooled(float(np.average(y, weights=weight)), float(weight.sum() ** -0.5), variance)


def spared_weight(weights: NDArray[np.float64]) -> float:
    """`sum w - sum w^2 / sum w`, as `2 sum_{i<j} w_i w_j / sum w`: 0 of one weight alone.

    Written as a difference it is lost, and 0, where one weight is 1e16 times the others.

    >>> spared_weight(np.array([1.0, 1.0])), spared_weight(np.array([1e18, 1.0]))
    (1.0, 2.0)
    """
    before = np.concatenate([[0.0], np.cumsum(weights)[:-1]])
    return float(2 * (weights / weights.sum()) @ before)


def shrunk(values: ArrayLike, errors: ArrayLike) -> Shrunk:
    """Empirical-Bayes estimates: each figure drawn to the mean by as much of its variance as is error.

    `m + B (y - m)` with `B = tau^2 / (tau^2 + s^2)`. The variance is `B s^2 + (1 - B)^2 var(m)`, and as tau is itself
    estimated, `2 (1 - B)^2 (mean s^2 + tau^2) / (s^2 + tau^2) (y - m)^2 / (k - 3)` more (Morris 1983). The largest of
    several noisy figures is largest partly by luck; these are right on average, the largest one too.

    >>> [round(float(value), 2) for value in shrunk([0.0, 0.2, 0.4, 0.6], [0.1, 0.1, 0.1, 0.3]).values]
    [0.06, 0.21, 0.36, 0.33]

    Args:
        values: Shape [figures], at least one.
        errors: The standard error of each.

    Raises:
        ValueError: As `pooled`.
    """
    y, s = _checked(values, errors)
    pool = pooled(y, s)
    total = pool.variance + s**2
    kept, about = pool.variance / total, y - pool.mean
    unsure = 2 * (pool.variance + (s**2).mean()) / total * about**2 / max(len(y) - 3, 1)
    variance = kept * s**2 + (1 - kept) ** 2 * (pool.error**2 + unsure)
    return Shrunk(pool.mean + kept * about, np.sqrt(variance))


def latent_correlation(first: ArrayLike, second: ArrayLike, errors: ArrayLike) -> Correlation:
    """The correlation of the first side with what the second would be if it were measured without error.

    The pairs are taken as bivariate normal, the second side plus an error of known size. The likelihood of a
    correlation is the greatest over the two means and spreads (its profile). The interval is where twice its logarithm
    lies within `2 n log cosh(z / sqrt(n - 3))` of its peak: where nothing is measured with error,
    `2 n log cosh(atanh r - atanh rho)` is that distance, so the interval is Fisher's z exactly, while the usual 3.84
    would be too narrow for few pairs. A bootstrap over pairs was not taken: more than half of the resamples of five
    pairs hold three or fewer, whose correlation means nothing. Where the second side differs by no more than its
    errors explain, every correlation is about as likely, and the interval says so.

    >>> x, y = [1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 1.0, 4.0, 3.0, 5.0]
    >>> str(latent_correlation(x, y, [1e-6] * 5)), str(latent_correlation(x, y, [0.8] * 5))
    ('0.80 (-0.28 to 0.99)', '0.97 (-0.32 to 1.00)')

    Args:
        first: Shape [pairs], at least 3; known exactly.
        second: As long.
        errors: The standard error of each of the second.

    Raises:
        ValueError: Too few pairs, a first side that does not vary, or as `pooled`.
    """
    y, s = _checked(second, errors)
    x, _ = _checked(first, errors)
    if len(x) < 3 or not np.ptp(x):
        raise ValueError(f"{len(x)} pairs over a range of {np.ptp(x):g}, must be at least 3 that differ: wait for more")
    grid = np.linspace(-_REACH, _REACH, _STEPS)
    deviance = _profile(np.tanh(grid), x, y, s)
    lowest = int(deviance.argmin())
    peak = _vertex(grid, deviance, lowest)
    if len(x) == 3:
        return Correlation(math.tanh(peak), Interval(-1.0, 1.0), 3)
    allowed = 2 * len(x) * math.log(math.cosh(normal_quantile(CONFIDENCE) / math.sqrt(len(x) - 3)))
    over = deviance - deviance.min() - allowed
    return Correlation(math.tanh(peak), Interval(-_edge(-grid[::-1], over[::-1]), _edge(grid, over)), len(x))


def _vertex(grid: NDArray[np.float64], deviance: NDArray[np.float64], lowest: int) -> float:
    """Where the parabola through the lowest point and its neighbours is lowest."""
    if not 0 < lowest < len(grid) - 1:
        return float(grid[lowest])
    before, here, after = deviance[lowest - 1 : lowest + 2]
    bend = before - 2 * here + after
    step = 0.5 * (before - after) / bend if bend > 0 else 0.0
    return float(grid[lowest] + step * (grid[1] - grid[0]))


def _edge(grid: NDArray[np.float64], over: NDArray[np.float64]) -> float:
    """The correlation at which the deviance leaves the allowed band for good; 1 where it stays within."""
    inside = int(np.flatnonzero(over <= 0)[-1])
    if inside == len(grid) - 1:
        return 1.0
    share = over[inside] / (over[inside] - over[inside + 1])
    return math.tanh(float(grid[inside] + share * (grid[inside + 1] - grid[inside])))


def _profile(
    rho: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64], s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Minus twice the log-likelihood of each correlation, shape [correlations]: the least over spreads and means.

    Given a correlation, the spreads are found on a grid of their logarithms that closes in on its best point; the mean
    of y then has a closed form, and that of x is its average, since nothing else holds it.
    """
    about = x - x.mean()
    squares = float(about @ about)
    noise = float((s**2).mean())
    centre = np.array([math.log(x.std()), 0.5 * math.log(max(y.var() - noise, y.var() / 25, noise / 1e4, 1e-30))])
    best, at = np.full(len(rho), np.inf), np.tile(centre, (len(rho), 1))
    reach = np.array([1.5, 4.0])
    for _ in range(_ZOOMS):
        log_x = at[:, :1] + reach[0] * _POINTS
        log_y = at[:, 1:] + reach[1] * _POINTS
        sd_x, sd_y = np.exp(log_x)[:, :, None], np.exp(log_y)[:, None, :]
        slope = rho[:, None, None] * sd_y / sd_x
        spread = (sd_y**2 * (1 - rho[:, None, None] ** 2))[..., None] + s**2
        left = y - slope[..., None] * about
        mean = (left / spread).sum(axis=-1) / (1 / spread).sum(axis=-1)
        far = ((left - mean[..., None]) ** 2 / spread + np.log(spread)).sum(axis=-1)
        deviance = (far + 2 * len(x) * log_x[:, :, None] + squares / sd_x**2).reshape(len(rho), -1)
        place = deviance.argmin(axis=1)
        row, column = np.unravel_index(place, (len(_POINTS), len(_POINTS)))
        index = np.arange(len(rho))
        at = np.column_stack([log_x[index, row], log_y[index, column]])
        best = np.minimum(best, deviance[index, place])
        reach = reach * 0.3
    return best


def _checked(values: ArrayLike, errors: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, s = np.asarray(values, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if y.ndim != 1 or y.shape != s.shape or not len(y):
        raise ValueError(f"figures and errors have shapes {y.shape} and {s.shape}, must be one error for each figure")
    if not (np.isfinite(y).all() and np.isfinite(s).all()):
        raise ValueError("a figure or its error is not finite: leave it out")
    if s.min() <= 0:
        raise ValueError(f"a standard error is {s.min():g}, must be above 0")
    return y, s
