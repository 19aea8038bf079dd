"""What a past window of traffic says of days to come: users, exposures, lovers, and how much users repeat themselves.

The window is taken for the test that it could have been: everybody in it is met for the first time on the day that they
were first seen, and days go on as they went.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments import effect

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """A past window of all traffic, as `window` checks and counts it; what is asked often is counted once.

    Attributes:
        loves: Of each user, shape [users].
        exposures: Of each user, shape [users].
        arrivals: Users first seen on each day of the window, shape [days].
        base_rate: Loves per exposure.
        design_effect: The rate's variance over users, over that of independent exposures; at least 1.
        shown: Exposures of all users.
        often: The numbers of loves that users have, without 0, shape [numbers].
        lovers: How many users have each of them.
    """

    loves: Floats
    exposures: Floats
    arrivals: Floats
    base_rate: float
    design_effect: float
    shown: float
    often: Floats
    lovers: Floats

    @property
    def days(self) -> int:
        """How long the window is."""
        return len(self.arrivals)

    @property
    def lovers_per_love(self) -> float:
        """Users who love over loves: 1 where nobody loves twice."""
        return float(self.lovers.sum() / (self.often @ self.lovers))

    def capped(self, most: float) -> "Traffic":
        """The same traffic with a user's loves counted up to a cap.

        >>> window([9, 1, 0], [9, 5, 5], [3]).capped(2).loves.tolist()
        [2.0, 1.0, 0.0]
        """
        return _counted(np.minimum(self.loves, most), self.exposures, self.arrivals)


def window(loves: ArrayLike, exposures: ArrayLike, arrivals: ArrayLike) -> Traffic:
    """A past window, checked.

    >>> window([1, 0, 0], [10, 5, 5], [2, 1]).base_rate
    0.05

    Args:
        loves: Of each user in the window, whole numbers, shape [users].
        exposures: Of each user, at least the loves.
        arrivals: Users first seen in the window on each of its days, shape [days]; together all users.

    Raises:
        ValueError: Arrays that do not fit, a count that cannot be, nothing exposed, or no love: nothing can be planned.
    """
    x, y, new = (
        _counts(name, each) for name, each in (("loves", loves), ("exposures", exposures), ("arrivals", arrivals))
    )
    if x.shape != y.shape:
        raise ValueError(f"{len(x):,} users have loves and {len(y):,} exposures, must be one row for each user in both")
    if (x > y).any():
        first = int(np.flatnonzero(x > y)[0])
        raise ValueError(
            f"user {first + 1:,} has {x[first]:g} loves of {y[first]:g} exposures, must be at most as many"
        )
    if new.sum() != len(x):
        raise ValueError(
            f"{new.sum():,.0f} users arrived and {len(x):,} are in the window, must be the same: count each user once, "
            "on the day of their first exposure in the window"
        )
    if not y.sum() or not x.sum():
        none = "love" if y.sum() else "exposure"
        raise ValueError(f"no {none} in the window, must be some: take a longer window, or one in which people react")
    return _counted(x, y, new)


def _counted(loves: Floats, exposures: Floats, arrivals: Floats) -> Traffic:
    often, lovers = np.unique(loves[loves > 0], return_counts=True)
    arm = effect.sums(loves, exposures)
    return Traffic(
        loves=loves,
        exposures=exposures,
        arrivals=arrivals,
        base_rate=arm.rate,
        design_effect=max(1.0, effect.design_effect(arm)),
        shown=float(arm.exposures),
        often=often,
        lovers=lovers.astype(np.float64),
    )


def users_by(traffic: Traffic, day: Floats) -> Floats:
    """Users seen until a day: as they arrived; after the window by a power of time (Heaps 1978), `U (day / days)^b`.

    `b` is what the window's own second half added, `log2(U / U_half)`: 1 where everybody is new, near 0 where the same
    users come again and again.
    """
    seen = np.concatenate([[0.0], np.cumsum(traffic.arrivals)])
    within: Floats = np.interp(day, np.arange(len(seen)), seen)
    half = max(float(np.interp(traffic.days / 2, np.arange(len(seen)), seen)), seen[-1] / 2)
    return within * np.maximum(day / traffic.days, 1.0) ** math.log2(seen[-1] / half)


def exposures_by(traffic: Traffic, day: Floats) -> Floats:
    """Exposures until a day, as many each day."""
    return np.asarray(traffic.shown * day / traffic.days)


def lovers_by(traffic: Traffic, day: Floats, factor: float = 1.0) -> Floats:
    """Users who have loved until a day, if everybody loved `factor` times as often.

    Within the window each love falls at random on its days: of a user with `x` loves there is one by share `t` with
    chance `1 - (1 - t)^x` (rarefaction, Hurlbert 1971). Beyond it as many users as will have come, each with their
    longer time, lovers rising from those with one love towards an unseen rest (see `_accumulated`). To love twice as
    often, or to stay twice as long, is the same to a Poisson count, so `factor` stretches the time.
    """
    share = day / traffic.days
    grown = np.where(share > 1, users_by(traffic, day) / len(traffic.loves), 1.0)
    return grown * _accumulated(traffic, factor * share / grown)


def repeats_by(traffic: Traffic, day: Floats) -> Floats:
    """How the excess of the design effect grows: exposures per user until a day, over those of the whole window.

    The excess is about `rate CV^2(taste) sum y^2 / sum y`, and `sum y^2 / sum y` is in proportion to how often the same
    users come.
    """
    share = users_by(traffic, day) / len(traffic.loves)
    return np.divide(day / traffic.days, share, out=np.ones_like(share), where=share > 0)


def estimated_variance_left(
    loves: ArrayLike, exposures: ArrayLike, past_loves: ArrayLike, past_exposures: ArrayLike
) -> float:
    """What of a rate's variance over users their history leaves: `1 - R^2` of a regression (Deng et al. 2013).

    The influence of each user, `x - R y`, on past loves, past exposures and past influence, and on whether there is any
    past; `R^2` adjusted for their number. Split a window in halves: what this says is for a test as long as one half.

    >>> x, y = np.array([9, 0, 8, 1] * 4), np.full(16, 20)
    >>> estimated_variance_left(x, y, x, y), estimated_variance_left(x, y, np.zeros(16), np.zeros(16))
    (0.0625, 1.0)

    Args:
        loves: Of each user in the second half, shape [users].
        exposures: The same.
        past_loves: Of the same users in the first half; 0 for who was not there.
        past_exposures: The same.

    Raises:
        ValueError: Arrays of several lengths, or with what is no count.
    """
    names = ("loves", "exposures", "past_loves", "past_exposures")
    x, y, x0, y0 = (np.asarray(each, dtype=np.float64) for each in (loves, exposures, past_loves, past_exposures))
    for name, values in zip(names, (x, y, x0, y0), strict=True):
        if values.shape != x.shape or values.ndim != 1 or not ((values >= 0) & np.isfinite(values)).all():
            raise ValueError(f"{name} has shape {values.shape}, must be a count from 0 for each of the users")
    left = x - x.sum() / max(y.sum(), 1.0) * y
    total = float(left @ left)
    if len(x) < 10 or not total:
        return 1.0
    about = np.column_stack([np.ones(len(x)), x0, y0, x0 - x0.sum() / max(y0.sum(), 1.0) * y0, y0 > 0])
    coefficients, _, rank, _ = np.linalg.lstsq(about, left, rcond=None)
    rest = left - about @ coefficients
    share = float(rest @ rest) / total * (len(x) - 1) / max(len(x) - int(rank), 1)
    return min(1.0, max(share, 1 / len(x)))  # of so many users no less can be told


def _accumulated(traffic: Traffic, time: Floats) -> Floats:
    """Lovers by a share of the window, or a multiple of it (Chao & Jost 2012).

    With `f1` users of one love and `f2` of two, `f0 = f1^2 / 2 f2` more would love in the end (Chao 1984; without any
    of two `f1 (f1 - 1) / 2`), and never more than there are. After the window `L + f0 (1 - exp(-(time - 1) f1 / f0))`.
    """
    often, count = traffic.often, traffic.lovers
    within = np.minimum(time, 1.0)[..., None]
    seen = ((1 - (1 - within) ** often) * count).sum(axis=-1)
    once, twice = (float(count[often == each].sum()) for each in (1, 2))
    unseen = once**2 / (2 * twice) if twice else once * (once - 1) / 2
    unseen = min(unseen, len(traffic.loves) - float(count.sum()))
    if unseen <= 0:
        return np.asarray(seen)
    return np.asarray(seen + unseen * -np.expm1(-np.maximum(time - 1, 0.0) * once / unseen))


def _counts(name: str, values: ArrayLike) -> Floats:
    found: NDArray[Any] = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not len(found):
        raise ValueError(f"{name} has shape {found.shape}, must be one number for each, and at least one")
    wrong = np.flatnonzero(~((found >= 0) & np.isfinite(found) & (found == np.floor(found))))
    if len(wrong):
        raise ValueError(f"{name} holds {found[wrong[0]]:g} (row {wrong[0] + 1:,}), must be whole numbers from 0")
    return found
