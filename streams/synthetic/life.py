"""A day in the life of the synthetic world: who comes, what is said, and how it is received."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.synthetic import truth
from streams.synthetic.config import WorldConfig
from streams.synthetic.lines import milliseconds
from streams.synthetic.people import People, draw_people
from streams.synthetic.talk import Talk, draw_talk, draw_turns
from streams.synthetic.truth import Readings

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

DAY: Final = 86_400_000
"""Milliseconds."""
HOUR: Final = 3_600_000
COMES_LESS: Final = 0.3
"""How much rarer a user comes whose last conversation did not please."""
LONGEST_PAUSE: Final = 300_000
"""Milliseconds between two turns at most; with the last hour of a day kept free, no conversation outlasts its day."""
NEVER: Final = -1
REACTIONS: Final = ("", "love", "like", "dislike")


class Day(NamedTuple):
    """What happened on one day, one entry a response.

    Attributes:
        first: Number of the day's first response among all.
        talk: What was said; `talk.owner` numbers the day's conversations.
        readings: What it really did.
        user: int64[n], number of the user.
        at: int64[n], when it was served, milliseconds since 1970.
        p_love: float64[n], chance of a heart by the full oracle (1 for bots); `p_observable`: by the observable one.
        reaction: int64[n], place in `REACTIONS`; 0 for none.
        reacted_at: int64[n], milliseconds since 1970, or `NEVER`; `removed_at` likewise.
    """

    first: int
    talk: Talk
    readings: Readings
    user: Ints
    at: Ints
    p_love: Floats
    p_observable: Floats
    reaction: Ints
    reacted_at: Ints
    removed_at: Ints


class Life:
    """The users of a world, and what changes from day to day: who was pleased."""

    def __init__(self, config: WorldConfig, rng: np.random.Generator) -> None:
        self._config = config
        people, self._visits, self._hearts = rng.spawn(3)
        self.people: People = draw_people(people, config.users, config.bots)
        self.begins = milliseconds(config.ends_at) - config.days * DAY
        self._pleased = np.ones(config.users, bool)
        self._bot_days = self._visits.integers(0, config.days, size=config.bots)
        honest = config.responses - config.bots * config.burst
        self._quotas = np.diff(np.linspace(0, honest, config.days + 1).astype(np.int64))
        self._lived = 0

    def live(self, number: int) -> Day:
        """Live through day `number`, from 0 on and in order."""
        bots = self._config.users + np.flatnonzero(self._bot_days == number)
        visits = self._visitors(int(self._quotas[number]))
        turns = np.concatenate([visits, np.ones(len(bots) * self._config.burst, np.int64)])
        visitors = np.concatenate([self._who(len(visits)), np.repeat(bots, self._config.burst)])
        talk = draw_talk(self._visits, turns)
        user = visitors[talk.owner]
        readings = truth.read(talk.conversations, talk.responses)
        at = self.begins + number * DAY + self._times(talk, user)
        day = self._receive(Day(self._lived, talk, readings, user, at, *_unheard(len(user))))
        self._lived += len(user)
        return day

    def _visitors(self, quota: int) -> Ints:
        """Turns of as many conversations as fill the day's quota of responses exactly."""
        turns = draw_turns(self._visits, quota)
        reached = np.cumsum(turns)
        count = int(np.searchsorted(reached, quota)) + 1 if quota else 0
        turns = turns[:count]
        if count:
            turns[-1] -= reached[count - 1] - quota
        return turns

    def _who(self, count: int) -> Ints:
        users = self._config.users
        weights = self.people.activity[:users] * np.where(self._pleased, 1.0, COMES_LESS**self._config.stakes)
        return self._visits.choice(users, size=count, p=weights / weights.sum())

    def _times(self, talk: Talk, user: Ints) -> Ints:
        """When each response is served, in milliseconds of the day; bots ask again within two seconds."""
        rng, people = self._visits, self.people
        count = len(talk.turn)
        is_bot = people.is_bot[user]
        read_ms = 1_000 * np.array([len(response) for response in talk.responses]) / (5 * people.speed[user])
        pause = np.minimum(read_ms + 1_000 * np.exp(rng.normal(np.log(9), 0.6, size=count)), LONGEST_PAUSE)
        pause[is_bot] = rng.uniform(900, 2_000, size=int(is_bot.sum()))
        hours = (people.peak[user] + rng.normal(0, 2.5, size=count)) % 23
        starts = (talk.turn == 0) & ~(is_bot & (np.diff(user, prepend=-1) == 0))
        first = np.flatnonzero(starts)[np.cumsum(starts) - 1]
        passed = np.cumsum(pause) - pause
        return np.asarray(hours[first] * HOUR + passed - passed[first], np.int64)

    def _receive(self, day: Day) -> Day:
        """Let the users react, by the truth; bots love everything before they could have read it."""
        rng, config, readings, happy = self._hearts, self._config, day.readings, day.talk.happy
        is_bot = self.people.is_bot[day.user]
        rate = config.base_love_rate
        p_love = truth.love_chance(readings, happy, self.people.taste[day.user], base_love_rate=rate)
        p_love = np.where(is_bot, 1.0, p_love)
        chance = rng.random((4, len(is_bot)))
        love = chance[0] < p_love
        like = ~love & (chance[1] < truth.like_chance(readings, happy))
        dislike = ~love & ~like & (chance[2] < truth.dislike_chance(readings, happy))
        reaction = love * 1 + like * 2 + dislike * 3
        self._remember(day, chance[3] < truth.return_chance(readings, happy, stakes=config.stakes))
        reacted_at = self._keep(reaction > 0, day.at + self._delays(day, is_bot))
        takes_back = love & ~is_bot & (rng.random(len(love)) < config.retractions) & (reacted_at != NEVER)
        removed_at = self._keep(takes_back, reacted_at + rng.integers(5_000, 2 * HOUR, size=len(love)))
        return day._replace(
            p_love=p_love,
            p_observable=truth.observable_love(day.talk.conversations, readings, base_love_rate=rate),
            reaction=np.where(reacted_at != NEVER, reaction, 0),
            reacted_at=reacted_at,
            removed_at=removed_at,
        )

    def _delays(self, day: Day, is_bot: Bools) -> Ints:
        """Milliseconds between a response and the reaction to it."""
        rng, count = self._hearts, len(is_bot)
        delay = 1_000 * (day.readings.words / self.people.speed[day.user] + np.exp(rng.normal(1.0, 0.7, size=count)))
        late = rng.random(count) < self._config.late
        delay = np.where(late, HOUR * np.exp(rng.uniform(0, np.log(60), size=count)), np.minimum(delay, HOUR - 1))
        return np.where(is_bot, rng.uniform(150, 700, size=count), delay).astype(np.int64)

    def _keep(self, happens: Bools, at: Ints) -> Ints:
        """Moments that happen before the world ends; the others are `NEVER`."""
        return np.where(happens & (at <= self.begins + self._config.days * DAY), at, NEVER)

    def please(self, users: Ints, pleased: Bools) -> None:
        """Settle how these users' day ended, each named once; who was not pleased comes less.

        `live` does it by the truth. Whoever calls it again intervenes: that is how the world's own causal effect of a
        good ending is measured (`retention.effect_of_pleasing`).
        """
        self._pleased[users] = pleased

    def _remember(self, day: Day, pleased: Bools) -> None:
        """The last response that a user saw settles the day."""
        people = np.flatnonzero(~self.people.is_bot[day.user])[::-1]
        came, last = np.unique(day.user[people], return_index=True)
        self.please(came, pleased[people[last]])


def _unheard(count: int) -> tuple[Floats, Floats, Ints, Ints, Ints]:
    never = np.full(count, NEVER, np.int64)
    return np.zeros(count), np.zeros(count), np.zeros(count, np.int64), never, never
