"""Four worlds of users who come back and love unlike each other, walked through exposure by exposure.

A user has an activity and a taste, both lognormal. Exposures fall to users in proportion to activity, so that those
who come most are seen first and again and again. An exposure is loved with chance
`rate x taste x (1 + lift, if treated)`, at most one half. Arms are dealt by user.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_LOVED: Final = 0.5
"""No exposure is loved by a greater chance."""


@dataclass(frozen=True, slots=True)
class World:
    """How users differ.

    Attributes:
        exposures_per_user: On average; 1 where everybody is exposed once.
        activity: Standard deviation of its logarithm.
        taste: Standard deviation of its logarithm.
        fans: Share of users who love a lot whatever the rate is.
        fan_rate: Their chance.
    """

    exposures_per_user: float
    activity: float = 0.0
    taste: float = 0.0
    fans: float = 0.0
    fan_rate: float = 0.0


WORLDS: Final = {
    "one-each": World(1),
    "demo-like": World(5, activity=1.2, taste=0.6),
    "heavy": World(50, activity=1.5, taste=1.5),
    "superfans": World(50, activity=1.5, taste=1.0, fans=0.0005, fan_rate=0.3),
}


@dataclass(frozen=True, slots=True)
class Walk:
    """One test, as its sums stood at every look.

    Attributes:
        every: Exposures of both arms between two looks.
        users: Seen so far; this and what follows float64[looks, arms], the control first.
        events: Loves.
        exposures: Of the users seen.
        events_squared: Sum over users of their loves squared.
        exposures_squared: Sum over users of their exposures squared.
        events_exposures: Sum over users of loves times exposures.
        lovers: Users who loved at least once.
        first_arms: The arm of each user who loved, by the order of their first loves, int8[lovers].
        first_looks: The look at which each of these was seen, int64[lovers].
    """

    every: int
    users: Floats
    events: Floats
    exposures: Floats
    events_squared: Floats
    exposures_squared: Floats
    events_exposures: Floats
    lovers: Floats
    first_arms: NDArray[np.int8]
    first_looks: NDArray[np.int64]

    def at(self, look: int) -> dict[str, tuple[float, float]]:
        """The sums at a look: (control, treatment) by name."""
        names = ("users", "events", "exposures", "events_squared", "exposures_squared", "events_exposures")
        return {name: (float(getattr(self, name)[look, 0]), float(getattr(self, name)[look, 1])) for name in names}


class _Users(NamedTuple):
    """Who there is: arm int8[users], chance of a love float64[users], exposures int64[users]."""

    arms: NDArray[np.int8]
    chance: Floats
    counts: NDArray[np.int64]


class Course(NamedTuple):
    """What a test is and how long it runs.

    Attributes:
        rate: The control's loves per exposure, about (superfans take a part of it).
        lift: Of the treated users' chances.
        exposures: Of both arms together, to the end; a rest that fills no look is left out.
        every: Exposures between two looks.
    """

    rate: float
    lift: float
    exposures: int
    every: int


def walk(world: World, course: Course, rng: np.random.Generator, share: float = 0.5) -> Walk:
    """Walk through one test.

    Args:
        world: Who the users are.
        course: What they go through.
        rng: Source of chance.
        share: Of the users, in the treatment.
    """
    looks = course.exposures // course.every
    if world.exposures_per_user == 1:
        return _once(course, looks, rng, share)
    exposures = looks * course.every
    return _again(_users(world, course, rng, share), exposures, course.every, rng)


def _users(world: World, course: Course, rng: np.random.Generator, share: float) -> _Users:
    exposures, rate = course.exposures - course.exposures % course.every, course.rate
    count = max(50, int(exposures / world.exposures_per_user))
    activity = np.exp(world.activity * rng.standard_normal(count))
    arms = (rng.random(count) < share).astype(np.int8)
    base = max(rate - world.fans * world.fan_rate, rate * 0.1)  # fans come on top: the overall rate stays near
    chance = base * np.exp(world.taste * rng.standard_normal(count) - world.taste**2 / 2)
    chance[rng.random(count) < world.fans] = world.fan_rate
    chance = np.minimum(chance * (1 + course.lift * arms), MOST_LOVED)
    return _Users(arms, chance, rng.multinomial(exposures, activity / activity.sum()))


def _again(users: _Users, exposures: int, every: int, rng: np.random.Generator) -> Walk:
    """Users who come back: exposures are dealt to seats in time, then counted user by user in the order of seats."""
    owner = np.repeat(np.arange(len(users.counts)), users.counts)
    # One sort of one number is several times faster than a sort by user, then by seat.
    seats = np.sort(owner * exposures + rng.choice(exposures, exposures, replace=False)) - owner * exposures
    loved = rng.random(exposures) < np.repeat(users.chance, users.counts)
    start = np.cumsum(users.counts) - users.counts
    seen_before = np.arange(exposures) - np.repeat(start, users.counts)
    loves = np.concatenate([[0], np.cumsum(loved)])
    loved_before = loves[:-1] - np.repeat(loves[start], users.counts)
    looks = seats // every
    places = 2 * looks + np.repeat(users.arms, users.counts)
    size = 2 * (exposures // every)

    def total(where: Any, weights: Any = None) -> Floats:
        chosen = None if weights is None else weights[where]
        sums = np.bincount(places[where], chosen, minlength=size).astype(np.float64)
        return np.cumsum(sums.reshape(-1, 2), axis=0)

    everything, now, fond = slice(None), np.flatnonzero(loved), np.flatnonzero(loved_before)
    first = now[loved_before[now] == 0]
    order = first[np.argsort(seats[first])]
    return Walk(
        every=every,
        users=total(np.flatnonzero(seen_before == 0)),
        events=total(now),
        exposures=total(everything),
        events_squared=total(now, 2 * loved_before + 1),
        exposures_squared=total(everything, 2 * seen_before + 1),
        events_exposures=total(fond, loved_before) + total(now, seen_before + 1),
        lovers=total(first),
        first_arms=(places[order] % 2).astype(np.int8),
        first_looks=looks[order],
    )


def _once(course: Course, looks: int, rng: np.random.Generator, share: float) -> Walk:
    """Every exposure is a new user's: all that is needed are the counts between two looks."""
    treated = rng.binomial(course.every, share, looks)
    exposures = np.stack([course.every - treated, treated], axis=1)
    chances = np.minimum([course.rate, course.rate * (1 + course.lift)], MOST_LOVED)
    loves = rng.binomial(exposures, chances)
    where = np.repeat(np.arange(2 * looks), loves.ravel())
    order = np.argsort(where // 2 + rng.random(len(where)))  # within a look they come in any order
    arms = (where % 2).astype(np.int8)
    seen, loved = (np.cumsum(each, axis=0).astype(np.float64) for each in (exposures, loves))
    return Walk(
        course.every, seen, loved, seen, loved, seen, loved, loved, arms[order], where[order] // 2
    )  # fmt: skip
