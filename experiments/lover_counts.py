"""How many first lovers a test needs that is looked at after each of them."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from experiments.boundaries import planned_drift
from experiments.walk import stopping_law
from stats import limits

_EXACT = 1000
"""Lovers up to which a plan is computed on the walk itself; beyond it Brownian motion is as good (within 1 %)."""
_OVERSHOOT = 0.583
"""How far, in steps, a walk is beyond a boundary when it is seen to be (Siegmund 1985): it moves the boundary out."""


def planned_lovers(lift: float, *, treatment_share: float = 0.5, power: float = 0.8, alpha: float = 0.05) -> int:
    """First lovers at which a plan ends that shows this lift with this power, looked at after each of them.

    >>> planned_lovers(0.28), round(planned_lovers(0.097), -2)
    (697, 4900)

    Raises:
        ValueError: A lift of nothing or at most -1, a share outside (0, 1), power outside (alpha, 1), or alpha outside
            (0, 0.5).
    """
    share = limits.level("treatment_share", treatment_share, "0.5 for half of the users")
    near = lovers_about(_effect(lift), treatment_share=share, power=power, alpha=alpha)
    guess = math.ceil(float(near))
    if guess > _EXACT:
        return guess

    def reaches(planned: int) -> bool:
        law = stopping_law(planned, share, lift, alpha)
        shown = law.more if lift > 0 else law.fewer
        return bool(shown[planned - 1] >= power)

    return _least(reaches, guess)


def lovers_about(
    lift: ArrayLike, *, treatment_share: float = 0.5, power: float = 0.8, alpha: float = 0.05
) -> NDArray[np.float64]:
    """As `planned_lovers` for many lifts at once, by Brownian motion: within 1 % of it, and no whole numbers.

    The signed root of twice the log likelihood ratio is about normal. With `d` its planned drift, `g` its growth and
    `sigma` its spread a first lover, `((d + (sigma - 1) z_power)^2 / g + 2 x 0.583 / sqrt(g))`, the last for the steps
    by which a walk passes a boundary.

    >>> lovers_about([0.28, 0.097]).round().tolist()
    [698.0, 4896.0]

    Args:
        lift: Relative, of users who love, each above -1 and not 0; shape [...].
        treatment_share: Of the users in the test.
        power: Chance of showing the lift.
        alpha: Of a false alarm at any look.

    Raises:
        ValueError: Power or alpha as in `boundaries.planned_drift`.
    """
    seen = np.asarray(lift, np.float64)
    odds, share = np.log1p(seen), treatment_share
    up = share * (1 + seen) / (1 + share * seen)
    growth = 2 * (up * odds - np.log1p(share * seen))
    spread = np.sqrt(up * (1 - up) / growth) * np.abs(odds)
    drift = planned_drift(power, alpha) + (spread - 1) * float(ndtri(power))
    return np.asarray(drift**2 / growth + 2 * _OVERSHOOT / np.sqrt(growth))


def _least(reaches: Callable[[int], bool], guess: int) -> int:
    """The least number that reaches something, near a guess, by halving."""
    low, high = 0, max(guess, 1)
    while not reaches(high):
        low, high = high, high + high // 8 + 1
    low = low or high * 7 // 8 - 1  # powers rise in teeth, not evenly: the least near the guess will do
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high


def _effect(lift: float) -> float:
    if limits.lift("lift", lift) == 0:
        raise ValueError("lift == 0, must not be: no plan is long enough to show nothing; name the least that matters")
    return lift
