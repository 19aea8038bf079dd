"""Co-reactions: two users act on the same object, close in time (SynchroTrap, Cao et al., CCS 2014).

A match counts by its surprise, -log of the chance that an independent user would have come that close, given how often
the object is chosen and the rhythm of the whole product: a match on a common object in a busy hour means nothing, and
sums of surprise are comparable across objects and products. Every action opens a bucket of its own, so no border
between buckets splits a pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

HOUR, DAY = 3_600_000_000, 86_400_000_000
CLOSEST = 60_000_000
"""Closer than a minute (us) is no closer: how exactly moments are told differs from client to client."""
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CoReactions:
    """Who did what when, encoded, sorted by object and moment.

    Attributes:
        user, object: Numbers from 0, int64 [n].
        at: Moments (us since 1970), int64 [n].
        source: Actions of the same source are sides of one deed (its prompt, its text, its device), int64 [n].
        users, objects: What the numbers stand for.
    """

    user: Ints
    object: Ints
    at: Ints
    source: Ints
    users: pa.Array
    objects: pa.Array


class Matches(NamedTuple):
    """Pairs of actions on one object by two users, close in time.

    Attributes:
        first, second: Indices of the actions, the earlier one first, int64 [m].
        capped: Pairs that were not looked at, since an action had too many neighbours already.
    """

    first: Ints
    second: Ints
    capped: int


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of users who matched.

    Attributes:
        a, b: Users, a < b, int64 [p].
        matches: Matched objects; the same object counts once a day, int64 [p].
        surprise: Sum over them (nats), float64 [p].
        since: The earlier action of the first match (us), int64 [p].
    """

    a: Ints
    b: Ints
    matches: Ints
    surprise: Floats
    since: Ints


def encode(table: pa.Table) -> CoReactions:
    """Actions from a table with the columns user, object, at (timestamps or int64 us) and perhaps source (int64).

    Raises:
        KeyError: A column is missing.
    """
    codes = {name: pc.dictionary_encode(_whole(table[name])) for name in ("user", "object")}
    user, item = (codes[name].indices.to_numpy(zero_copy_only=False).astype(np.int64) for name in ("user", "object"))
    at = micros(_whole(table["at"]))
    source = table["source"].to_numpy() if "source" in table.column_names else np.arange(len(at))
    return in_order(CoReactions(user, item, at, source, codes["user"].dictionary, codes["object"].dictionary))


def matches(actions: CoReactions, *, within: int = 3 * HOUR, most: int = 64) -> Matches:
    """Pairs of actions on one object by two users, at most `within` (us) apart.

    Each action is held against at most `most` later ones, the nearest, so that n actions give at most n most pairs
    however many fall together; the links of a crowd still hang together, and what was left out is counted.
    """
    first, second, capped = [], [], 0
    alive = np.arange(len(actions.at))
    # Lag by lag over all actions at once. They are sorted by object and moment: one that has no near neighbour at a
    # lag has none at a longer one, and drops out.
    for lag in range(1, most + 1):
        alive = alive[alive + lag < len(actions.at)]
        near = _near(actions, alive, lag, within)
        alive = alive[near]
        if not len(alive):
            break
        others = alive[actions.user[alive] != actions.user[alive + lag]]
        first.append(others)
        second.append(others + lag)
    else:
        capped = _beyond(actions, alive, most, within)
    empty = np.zeros(0, np.int64)
    return Matches(np.concatenate([empty, *first]), np.concatenate([empty, *second]), capped)


class Rhythm(NamedTuple):
    """When actions happen, whatever they are about: chance of an action for each day and each hour of the day.

    A day counts at most twice the median day, and the hours are taken over all days, so that an attack cannot excuse
    itself by the crowd that it makes.

    Attributes:
        first: The first day (days since 1970).
        days: Share of each day, float64 [days], sums to 1.
        hours: Share of each hour of the day, float64 [24], sums to 1.
    """

    first: int
    days: Floats
    hours: Floats

    def chance(self, at: Ints, gap: Ints) -> Floats:
        """Of an action to fall within `gap` (us) of the moment `at`."""
        day, hour = at // DAY - self.first, at % DAY // HOUR
        return self.days[day] * self.hours[hour] * 2.0 * gap / HOUR


def rhythm(at: Ints) -> Rhythm:
    """Measured on actions; an hour has at least half of an even share: quiet hours are measured badly."""
    days = np.bincount(at // DAY - at.min() // DAY).astype(float)
    days = np.minimum(days, 2.0 * np.median(days[days > 0]))
    hours = np.bincount(at % DAY // HOUR, minlength=24) / len(at)
    hours = np.maximum(hours, 0.5 / 24)
    return Rhythm(int(at.min() // DAY), days / days.sum(), hours / hours.sum())


def surprise(actions: CoReactions, found: Matches, beat: Rhythm) -> Floats:
    """Of each match, in nats: -log(1 - exp(-x)), x = how many of the object's other actions are expected that near.

    The object's rate is its number of actions by users other than the first; dealt out by the product's rhythm alone.
    """
    item, who = actions.object[found.first], actions.user[found.first]
    people = len(actions.users)
    own = actions.object * people + actions.user
    keys, counts = np.unique(own, return_counts=True)
    mine = counts[np.searchsorted(keys, item * people + who)]
    others = np.bincount(actions.object)[item] - mine
    gap = np.maximum(actions.at[found.second] - actions.at[found.first], CLOSEST)
    expected = others * beat.chance(actions.at[found.first], gap)
    result: Floats = -np.log(-np.expm1(-np.maximum(expected, 1e-12)))
    return result


def pairs(actions: CoReactions, found: Matches, nats: Floats) -> Pairs:
    """Matches summed by pair of users.

    Of one pair, object and day the most surprising match counts; of the sides of one pair of deeds likewise, since a
    response that follows from its prompt is not a second coincidence.
    """
    people = len(actions.users)
    who = np.sort(np.stack([actions.user[found.first], actions.user[found.second]]), axis=0)
    pair, day = who[0] * people + who[1], actions.at[found.second] // DAY
    deeds = actions.source[found.first], actions.source[found.second]
    kept = _strongest(nats, np.arange(len(pair)), np.minimum(*deeds), np.maximum(*deeds))
    kept = _strongest(nats, kept, pair, actions.object[found.first], day)
    keys, place, amount = np.unique(pair[kept], return_inverse=True, return_counts=True)
    since = np.full(len(keys), np.iinfo(np.int64).max)
    np.minimum.at(since, place, actions.at[found.first[kept]])
    total: Floats = np.bincount(place, nats[kept], len(keys)).astype(np.float64)
    return Pairs(keys // max(people, 1), keys % max(people, 1), amount, total, since)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()


def null_draws(actions: CoReactions, beat: Rhythm, draws: int, seed: int) -> Iterator[CoReactions]:
    """The same actions on other days: what honest users would do who know nothing of each other.

    All that a user did on one day moves to another day at the same time, and no two of a user's days to the same one;
    days are drawn by the product's rhythm. So every user keeps their objects (tastes, devices, networks), number of
    actions, sessions and hours, every object its popularity and its hours; only that different users do it together is
    left to chance. To deal users anew among objects would break tastes and households too, and those would then pass
    for coordination.
    """
    owner, place = np.unique(np.stack([actions.user, actions.at // DAY]), axis=1, return_inverse=True)
    for draw in range(draws):
        days = _other_days(owner[0], beat, np.random.default_rng([seed, draw]))
        moved = (beat.first + days[place.reshape(-1)]) * DAY + actions.at % DAY
        yield in_order(replace(actions, at=moved))


def _other_days(owner: Ints, beat: Rhythm, random: np.random.Generator) -> Ints:
    """A day for each of a user's days, none twice: the largest of log share + Gumbel noise."""
    days = random.choice(len(beat.days), len(owner), p=beat.days)
    users, counts = np.unique(owner, return_counts=True)
    with np.errstate(divide="ignore"):
        share = np.log(beat.days)
    begins = np.searchsorted(owner, users)
    for begin, count in zip(begins[counts > 1].tolist(), counts[counts > 1].tolist(), strict=True):
        best = np.argsort(-(share + random.gumbel(size=len(share))))[:count]
        days[begin : begin + count] = random.permutation(best)
    return days


def micros(column: pa.Array) -> Ints:
    """Moments as numbers (us since 1970)."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    numbers: Ints = column.to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def in_order(actions: CoReactions) -> CoReactions:
    """The same actions as `matches` wants them: by object, then moment."""
    order = np.lexsort((actions.source, actions.user, actions.at, actions.object))
    return replace(actions, **{name: getattr(actions, name)[order] for name in ("user", "object", "at", "source")})


def _near(actions: CoReactions, alive: Ints, lag: int, within: int) -> NDArray[np.bool_]:
    same = actions.object[alive] == actions.object[alive + lag]
    near: NDArray[np.bool_] = same & (actions.at[alive + lag] - actions.at[alive] <= within)
    return near


def _beyond(actions: CoReactions, alive: Ints, most: int, within: int) -> int:
    """How many neighbours lie beyond the cap."""
    keys = actions.object * (int(actions.at.max() - actions.at.min()) + within + 1) + (actions.at - actions.at.min())
    last = np.searchsorted(keys, keys[alive] + within, side="right") - 1
    return int((last - alive - most).sum())


def _strongest(nats: Floats, which: Ints, *keys: Ints) -> Ints:
    """Of those of `which` that agree in all keys, the one with the most nats."""
    order = which[np.lexsort((-nats[which], *(key[which] for key in keys)))]
    fresh = np.ones(len(order), np.bool_)
    if len(order):
        fresh[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    return order[fresh]
