"""Two policies on the same prompts: differences prompt by prompt, which is far sharper than two separate means."""

import math
from typing import Any, NamedTuple

from numpy.typing import NDArray

from experiments.intervals import CONFIDENCE, Interval, normal_quantile


class Estimate(NamedTuple):
    """A value and its interval."""

    value: float
    ci: Interval


def delta(candidate: NDArray[Any], base: NDArray[Any], confidence: float = CONFIDENCE) -> Estimate:
    """Mean of `candidate - base` over prompts, with a normal interval.

    >>> import numpy as np
    >>> delta(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0]))
    Estimate(value=1.0, ci=Interval(low=1.0, high=1.0))

    Args:
        candidate: One score a prompt, shape (prompts,); the mean of its samples where a prompt was answered repeatedly.
        base: The same prompts in the same order.
        confidence: Of the interval.

    Raises:
        ValueError: Different lengths, or fewer than two prompts.
    """
    apart = _paired(candidate, base)
    half = normal_quantile(confidence) * float(apart.std(ddof=1)) / math.sqrt(len(apart))
    value = float(apart.mean())
    return Estimate(value, Interval(value - half, value + half))


def lift(candidate: NDArray[Any], base: NDArray[Any], confidence: float = CONFIDENCE) -> Estimate:
    """`mean(candidate) / mean(base) - 1` over prompts, by the delta method on the log scale.

    `var(log ratio) = var(c_i / mean(c) - b_i / mean(b)) / n`.

    >>> import numpy as np
    >>> round(lift(np.array([2.0, 4.0]), np.array([1.0, 2.0])).value, 3)
    1.0

    Args:
        candidate: One positive score a prompt, shape (prompts,).
        base: The same prompts in the same order.
        confidence: Of the interval.

    Raises:
        ValueError: Different lengths, fewer than two prompts, or a mean that is not positive.
    """
    _paired(candidate, base)
    over, under = float(candidate.mean()), float(base.mean())
    if over <= 0 or under <= 0:
        raise ValueError(f"means {over:g} and {under:g}, a relative lift needs both positive")
    shares = candidate / over - base / under
    half = normal_quantile(confidence) * float(shares.std(ddof=1)) / math.sqrt(len(shares))
    centre = math.log(over / under)
    return Estimate(math.expm1(centre), Interval(math.expm1(centre - half), math.expm1(centre + half)))


def _paired(candidate: NDArray[Any], base: NDArray[Any]) -> NDArray[Any]:
    if candidate.shape != base.shape or candidate.ndim != 1 or len(base) < 2:
        raise ValueError(f"shapes {candidate.shape} and {base.shape}, must be the same prompts, at least two")
    apart: NDArray[Any] = candidate - base
    return apart
