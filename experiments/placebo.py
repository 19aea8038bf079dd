"""A/A tests on one's own users: how often does a check raise an alarm where there is nothing to be found?

Users are dealt anew many times, as by a fresh salt each time; what they did stays as it was. No deal has an effect, so
every alarm is a false one, with these users' own heavy tails, repeats and days in it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stats import limits
from stats.buckets import BUCKETS, ends
from stats.intervals import Interval, wilson

Arms = npt.NDArray[np.int8]

_TOO_WIDE = 2.0
"""An interval that reaches above so many times the level does not tell a check that holds it from one that does not."""


@dataclass(frozen=True, slots=True)
class Placebo:
    """What a check did on users among whom there is nothing to be found.

    Attributes:
        deals: How often the users were dealt anew.
        alarms: Deals in which the check raised one.
        rate: Their share, the check's chance of a false alarm.
        interval: Of the rate, 95 % (Wilson 1927).
        alpha: What the check promises.
        within: The rate is in keeping with alpha; None where there were too few deals to tell.
        words: The same in a sentence.
    """

    deals: int
    alarms: int
    rate: float
    interval: Interval
    alpha: float
    within: bool | None
    words: str


def run(
    check: Callable[[Arms], bool],
    *,
    users: int,
    shares: Mapping[str, float],
    alpha: float,
    deals: int = 1_000,
    seed: int = 0,
) -> Placebo:
    """Deal the users anew many times and count the alarms of a check.

    A check that takes loves for independent, on users of whom one in 20 loves each of the ten responses that
    everybody is shown:

    >>> loves = np.where(np.arange(2_000) % 20 == 0, 10, 0)
    >>> def z_test(arm):
    ...     rates = np.array([loves[arm == number].sum() / (10 * (arm == number).sum()) for number in (0, 1)])
    ...     return bool(abs(rates[1] - rates[0]) > 1.96 * np.sqrt(4 * 0.05 * 0.95 / 20_000))
    >>> run(z_test, users=2_000, shares={"control": 0.5, "treatment": 0.5}, alpha=0.05, deals=400).within
    False

    Args:
        check: From the number of each user's arm, int8[users], as `deal` gives it, to True for an alarm: the whole of
            what one would do with a test, all its looks in it. The array is the check's own.
        users: How many there are; who they are the check knows.
        shares: Of the users by arm, as they would be assigned.
        alpha: Chance of a false alarm that the check promises.
        deals: 1,000 tell 5 % to about 1.4 points.
        seed: Of the deals.

    Raises:
        ValueError: No user, no deal, shares that are no whole, a level outside (0, 1), or a check that gives something
            else than True or False.
    """
    limits.level("alpha", alpha, "0.05 for one false alarm in 20 tests")
    if deals < 1:
        raise ValueError(f"deals == {deals}, must be 1 or more: 1,000 tell 5 % to about 1.4 points")
    alarms = sum(_alarm(check, deal(users, shares, seed=seed, number=number)) for number in range(deals))
    interval = wilson(alarms, deals)
    within = None if interval.low <= alpha and interval.high > _TOO_WIDE * alpha else interval.low <= alpha
    words = f"{alarms:,} false alarms in {deals:,} deals without an effect, {alarms / deals:.2%} {_range(interval)}"
    return Placebo(
        deals, alarms, alarms / deals, interval, alpha, within, f"{words}: {_verdict(within, interval, alpha)}"
    )


def deal(users: int, shares: Mapping[str, float], *, seed: int, number: int) -> Arms:
    """The arm of each user in one deal, int8[users]: 0 for the first of the shares, 1 for the second, and so on.

    Each user's arm is drawn alone, as a hash with a fresh salt would: the arms' sizes vary from deal to deal as they do
    in a test, which a permutation of arms in fixed numbers would hide from a check of the sample ratio.

    >>> deal(8, {"control": 0.5, "treatment": 0.5}, seed=0, number=3).tolist()
    [1, 1, 0, 0, 0, 1, 0, 1]

    Args:
        users: How many.
        shares: Of the users by arm.
        seed: Of all deals.
        number: Of the deal, from 0: a deal that raised an alarm can be had again.

    Raises:
        ValueError: No user, shares that are no whole, or more than 127 arms.
    """
    if users < 1:
        raise ValueError(f"users == {users}, must be 1 or more: there is nobody to deal")
    if len(shares) > np.iinfo(np.int8).max:
        raise ValueError(f"{len(shares)} arms, must be at most {np.iinfo(np.int8).max}: their numbers are int8")
    borders = np.array([*ends(shares).values()][:-1]) / BUCKETS
    drawn = np.random.default_rng([seed, number]).random(users)
    arms = np.zeros(users, np.int8)
    for border in borders:
        arms += drawn >= border
    return arms


def _alarm(check: Callable[[Arms], bool], arms: Arms) -> bool:
    found = check(arms)
    if not isinstance(found, bool | np.bool_):
        raise ValueError(
            f"the check gave {found!r}, must give True for an alarm and False for none: compare its p first"
        )
    return bool(found)


def _range(interval: Interval) -> str:
    return f"[{interval.low:.2%}, {interval.high:.2%}]"


def _verdict(within: bool | None, interval: Interval, alpha: float) -> str:
    if within is None:
        return f"too few deals to tell whether the promised {alpha:.2%} hold"
    if not within:
        return f"more than the promised {alpha:.2%}, so do not believe this check on these users"
    if interval.high < alpha:
        return f"fewer than the promised {alpha:.2%}, so it is safe on these users and could find more"
    return f"in keeping with the promised {alpha:.2%}"
