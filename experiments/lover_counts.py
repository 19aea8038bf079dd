"""How many first lovers a test needs: planned for every look, or for a single one."""

import math
from collections.abc import Callable

from scipy.special import ndtri

from experiments.boundaries import planned_drift
from experiments.walk import chance, stopping_law
from stats import limits
from stats.intervals import normal_quantile

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
    share, odds = (
        limits.level("treatment_share", treatment_share, "0.5 for half of the users"),
        math.log1p(_effect(lift)),
    )
    up = chance(lift, share)
    # The signed root of twice the log likelihood ratio is about normal; here its growth and spread a first lover.
    growth = 2 * (up * odds - math.log1p(share * lift))
    spread = math.sqrt(up * (1 - up) / growth) * abs(odds)
    wanted = float(ndtri(power))
    drift = planned_drift(power, alpha) + (spread - 1) * wanted
    guess = math.ceil(drift**2 / growth + 2 * _OVERSHOOT / math.sqrt(growth))
    if guess > _EXACT:
        return guess

    def reaches(planned: int) -> bool:
        law = stopping_law(planned, share, lift, alpha)
        shown = law.more if lift > 0 else law.fewer
        return bool(shown[planned - 1] >= power)

    return _least(reaches, guess)


def one_look_lovers(lift: float, *, treatment_share: float = 0.5, power: float = 0.8, alpha: float = 0.05) -> int:
    """First lovers that a single look, and no other, needs: independent of how rare loves are.

    `((z_alpha sqrt(s (1 - s)) + z_power sqrt(p (1 - p))) / (p - s))^2`, `s` the share and `p` the chance of a first
    lover to come from the treatment.

    >>> one_look_lovers(0.28), one_look_lovers(0.097)
    (519, 3666)

    Raises:
        ValueError: As `planned_lovers`.
    """
    share = limits.level("treatment_share", treatment_share, "0.5 for half of the users")
    up = chance(_effect(lift), share)
    once = normal_quantile(1 - limits.level("alpha", alpha, "0.05 for 5 %")) * math.sqrt(share * (1 - share))
    beyond = float(ndtri(limits.level("power", power, "0.8 for 80 %"))) * math.sqrt(up * (1 - up))
    return math.ceil(((once + beyond) / (up - share)) ** 2)


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
