"""What an account does, as figures that fit any product: how much, of what, when, and how it compares with the others.

Nothing here knows labels. `of_counts` reads tallies by kind of action; `of_actions` reads single actions (who, on what,
when, with which value: a rating, a reaction, or none). Figures that cannot be told are NaN.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HOUR: Final = 3_600.0
DAY: Final = 86_400.0
ROUNDS: Final = 20
"""Rounds of `fairness`; what it finds changes by under .001 from the tenth on."""
PRIOR: Final = 3.0
"""Typical actions that stand in for what an account or an object has not shown yet."""


class Features(NamedTuple):
    """Figures of n accounts: their d names, and float64[n, d] (NaN where a figure cannot be told)."""

    names: tuple[str, ...]
    values: Floats

    def beside(self, other: "Features") -> "Features":
        """Both, side by side; the accounts must be the same in the same order."""
        return Features(self.names + other.names, np.hstack([self.values, other.values]))


class Actions(NamedTuple):
    """m actions.

    Attributes:
        user: int64[m], who acted, 0 to n - 1.
        target: int64[m], on what.
        at: float64[m], seconds.
        value: float64[m], what was given (a rating, 1 for a love and -1 for a dislike); None where nothing is.
    """

    user: Ints
    target: Ints
    at: Floats
    value: Floats | None = None

    def received(self) -> "Actions":
        """The same seen from the other side: what was done to an account, when and by whom, without the values."""
        return Actions(self.target, self.user, self.at)


def of_counts(counts: Floats, kinds: tuple[str, ...]) -> Features:
    """Figures of accounts of which only tallies by kind are known.

    Counts as logarithms and as shares, how many in all, how many kinds, how evenly (entropy), and how many accounts are
    alike: the same tallies, and the same up to a factor of two. Accounts run by one script look alike.

    Args:
        counts: float64[n, k], not negative.
        kinds: Their k names.
    """
    total = counts.sum(axis=1)
    shares = counts / np.maximum(total, 1)[:, None]
    some = counts > 0
    columns = {
        **{f"log {kind}": np.log1p(counts[:, place]) for place, kind in enumerate(kinds)},
        **{f"share {kind}": shares[:, place] for place, kind in enumerate(kinds)},
        "log actions": np.log1p(total),
        "kinds": some.sum(axis=1),
        "entropy": -np.sum(shares * np.log(np.where(some, shares, 1)), axis=1),
        "largest share": shares.max(axis=1),
        "alike": np.log(_alike(counts)),
        "roughly alike": np.log(_alike(np.rint(np.log2(1 + counts)))),
    }
    return _features(columns)


def of_actions(actions: Actions, users: int) -> Features:
    """Figures of `users` accounts from their single actions; an account without any has count 0 and NaN elsewhere.

    Amount and span; regularity (gaps, days, the fullest day); company (others on the same object within the hour and
    the day, how early one comes to an object, how busy the objects are); and where values are given: their level,
    spread and evenness, and the disagreement with the others on the same object, each judged without one's own.

    Raises:
        ValueError: There is no action, or one by an account outside 0 to `users` - 1.
    """
    if not len(actions.user) or not 0 <= actions.user.min() <= actions.user.max() < users:
        raise ValueError(f"{len(actions.user)} actions of {users} accounts: at least one, by accounts 0 to {users - 1}")
    order = np.lexsort((actions.at, actions.user))
    sorted_ = Actions(*(None if column is None else column[order] for column in actions))  # type: ignore[arg-type]
    groups = _Groups(sorted_.user, users)
    columns = {**_rhythm(sorted_, groups), **_company(sorted_, groups)}
    if sorted_.value is not None:
        columns |= _values(sorted_, sorted_.value, groups)
    return _features(columns)


def fairness(actions: Actions, users: int) -> Floats:
    """How far an account's values agree with those of fair accounts on the same objects; float64[users], about 0 to 1.

    An object's worth is the mean of its values, weighted by the fairness of who gave them; an account's fairness is 1
    less the mean distance (in ranges) of its values from that worth *without its own value*. Both are shrunk towards
    the mean of all by `PRIOR` actions, so that one action proves little. The idea of mutual recursion with smoothing is
    REV2's (Kumar et al., WSDM 2018); leaving the judged account out of the worth that it is judged by is not.

    Raises:
        ValueError: The actions have no values.
    """
    if actions.value is None:
        raise ValueError("the actions have no values: fairness compares values on the same object")
    target = np.unique(actions.target, return_inverse=True)[1]
    spread = max(float(np.ptp(actions.value)), 1e-9)
    middle, fair = float(actions.value.mean()), np.ones(users)
    given = np.bincount(actions.user, minlength=users)
    for _ in range(ROUNDS):
        weight = fair[actions.user]
        sums, weights = np.bincount(target, weight * actions.value), np.bincount(target, weight)
        others = weights[target] - weight + PRIOR
        worth = (sums[target] - weight * actions.value + PRIOR * middle) / others
        apart = np.abs(actions.value - worth) / spread
        typical = float(apart.mean())
        fair = 1 - (np.bincount(actions.user, apart, minlength=users) + PRIOR * typical) / (given + PRIOR)
    return fair


class _Groups:
    """Runs of equal users in sorted actions, and sums over them."""

    def __init__(self, user: Ints, users: int) -> None:
        self.user = user
        self.users = users
        self.count = np.bincount(user, minlength=users).astype(np.float64)
        self.first = np.cumsum(self.count).astype(np.int64) - self.count.astype(np.int64)

    def mean(self, values: Floats) -> Floats:
        """Mean by user of what is known."""
        known = ~np.isnan(values)
        sums = np.asarray(np.bincount(self.user[known], values[known], minlength=self.users), np.float64)
        return _divided(sums, np.asarray(np.bincount(self.user[known], minlength=self.users), np.float64))

    def spread(self, values: Floats) -> Floats:
        """Standard deviation by user."""
        mean = self.mean(values)
        return np.sqrt(self.mean((values - mean[self.user]) ** 2))

    def quantile(self, values: Floats, share: float) -> Floats:
        """A quantile by user (the lower of two neighbours) of what is known."""
        known = ~np.isnan(values)
        user, kept = self.user[known], values[known]
        ordered = kept[np.lexsort((kept, user))]
        count = np.bincount(user, minlength=self.users)
        first = np.cumsum(count) - count
        found = np.full(self.users, np.nan)
        some = count > 0
        found[some] = ordered[(first + (count - 1) * share).astype(np.int64)[some]]
        return found


def _rhythm(actions: Actions, groups: _Groups) -> dict[str, Floats]:
    begins, ends = float(actions.at.min()), float(actions.at.max())
    gap = np.diff(actions.at, prepend=np.nan)
    gap[groups.first[groups.count > 0]] = np.nan
    first, last = groups.quantile(actions.at, 0.0), groups.quantile(actions.at, 1.0)
    days = actions.user * 1e6 + actions.at // DAY
    _, where, on_day = np.unique(days, return_inverse=True, return_counts=True)
    return {
        "log actions": np.log1p(groups.count),
        "first": (first - begins) / max(ends - begins, 1),
        "last": (last - begins) / max(ends - begins, 1),
        "log span": np.log1p((last - first) / DAY),
        "log median gap": np.log1p(groups.quantile(gap, 0.5)),
        "log shortest gap": np.log1p(groups.quantile(gap, 0.0)),
        "regularity": _divided(groups.spread(gap), groups.mean(gap) + 1),
        "log days": np.log1p(groups.mean(1 / on_day[where]) * groups.count),
        "fullest day": _divided(groups.quantile(on_day[where].astype(np.float64), 1.0), groups.count),
        "actions a day": _divided(groups.count, 1 + (last - first) / DAY),
    }


def _company(actions: Actions, groups: _Groups) -> dict[str, Floats]:
    target = np.unique(actions.target, return_inverse=True)[1]
    order = np.lexsort((actions.at, target))
    line = target[order] * (2 * float(np.ptp(actions.at)) + 4 * DAY) + (actions.at[order] - actions.at.min())
    busy = np.bincount(target)[target].astype(np.float64)
    place = np.empty(len(line))
    place[order] = np.arange(len(line)) - (np.cumsum(np.bincount(target)) - np.bincount(target))[target[order]]
    opened = np.full(target.max() + 1, np.inf)
    np.minimum.at(opened, target, actions.at)
    within = {}
    for name, width in (("hour", HOUR), ("day", DAY)):
        near = np.empty(len(line))
        near[order] = np.searchsorted(line, line + width, "right") - np.searchsorted(line, line - width, "left") - 1
        within[name] = near
    return {
        "company within the hour": groups.mean((within["hour"] > 0).astype(np.float64)),
        "company within the day": groups.mean((within["day"] > 0).astype(np.float64)),
        "log company": groups.mean(np.log1p(within["day"])),
        "log busyness": groups.mean(np.log(busy)),
        "place in the queue": groups.mean(place / busy),
        "log age of the object": groups.mean(np.log1p((actions.at - opened[target]) / DAY)),
    }


def _values(actions: Actions, value: Floats, groups: _Groups) -> dict[str, Floats]:
    target = np.unique(actions.target, return_inverse=True)[1]
    sums, counts = np.bincount(target, value), np.bincount(target)
    others = _divided(sums[target] - value, (counts[target] - 1).astype(np.float64))
    apart = (value - others) / max(float(value.std()), 1e-9)
    low, high = float(value.min()), float(value.max())
    pairs = groups.user * 1e6 + np.unique(value, return_inverse=True)[1]
    _, where, same = np.unique(pairs, return_inverse=True, return_counts=True)
    return {
        "mean value": groups.mean(value),
        "spread of values": groups.spread(value),
        "lowest value": groups.quantile(value, 0.0),
        "highest value": groups.quantile(value, 1.0),
        "share lowest": groups.mean((value == low).astype(np.float64)),
        "share highest": groups.mean((value == high).astype(np.float64)),
        "share negative": groups.mean((value < 0).astype(np.float64)),
        "entropy of values": -groups.mean(np.log(same[where] / groups.count[groups.user])),
        "alone": groups.mean(np.isnan(apart).astype(np.float64)),
        "disagreement": groups.mean(np.abs(apart)),
        "above the others": groups.mean(apart),
        "far above": groups.mean((apart > 1).astype(np.float64)),
        "far below": groups.mean((apart < -1).astype(np.float64)),
        "fairness": fairness(actions, groups.users),
    }


def _divided(values: Floats, by: Floats) -> Floats:
    """Quotients; NaN where the divisor is 0."""
    return np.asarray(np.divide(values, by, out=np.full(len(values), np.nan), where=by != 0))


def _alike(rows: Floats) -> Floats:
    _, where, count = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(count[where.reshape(-1)], np.float64)


def _features(columns: Mapping[str, NDArray[Any]]) -> Features:
    return Features(tuple(columns), np.column_stack([np.asarray(each, np.float64) for each in columns.values()]))
