"""The honest life of the synthetic world: who comes, what is said, and how it is received."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from streams.synthetic.config import WorldConfig
from streams.synthetic.language.talk import Talk, draw_talk, draw_turns
from streams.synthetic.language.text import INCUMBENT, Habits, MixedHabits, mixed
from streams.synthetic.moments import milliseconds, names_of
from streams.synthetic.people.day import HONEST, NEVER, NO_ARM, REACTIONS, Bools, Day, Floats, Ints
from streams.synthetic.people.loyalty import Staying
from streams.synthetic.people.population import NOTHING, People, arms_of, draw_people
from streams.synthetic.social import Society
from streams.synthetic.truth import formulas

__all__ = ["DAY", "HONEST", "HOUR", "NEVER", "REACTIONS", "Day", "Life"]

DAY: Final = 86_400_000
"""Milliseconds."""
HOUR: Final = 3_600_000
LONGEST_PAUSE: Final = 600_000
"""Milliseconds between two turns at most; with the last hour of a day kept free, no conversation outlasts its day."""
THINKS: Final = (np.log(14), 1.25)
"""Mean and standard deviation of the ln of the seconds between reading an answer and writing again."""
HOURS: Final = 4.0
"""Standard deviation of the hour of a visit around the person's own."""
STRETCH: Final = 8_192
"""Responses that are lived at once, about: what memory holds of a world, however large."""
AT_HOME: Final = 0.65
"""Share of conversations on the network at home; `USUAL_DEVICE`: on the usual device, of those who have two."""
USUAL_DEVICE: Final = 0.75


class _DayVisits(NamedTuple):
    """A day's conversations in the order in which they begin: who, how many turns, when (milliseconds of the day)."""

    user: Ints
    turns: Ints
    starts: Ints

    def cut(self, first: int, last: int) -> "_DayVisits":
        return _DayVisits(*(column[first:last] for column in self))


class Life:
    """The people of a world, and what changes from day to day: who was pleased."""

    def __init__(self, config: WorldConfig, rng: np.random.Generator) -> None:
        self._config = config
        people, self._visits, self._hearts, self._names, self._ties, staying = rng.spawn(6)
        self.people: People = draw_people(people, config.users, days=config.days)
        self.begins = milliseconds(config.ends_at) - config.days * DAY
        self.staying = Staying(self.people, config.stakes, staying)
        self._quotas = np.diff(np.linspace(0, config.responses, config.days + 1).astype(np.int64))
        test = config.experiment
        self.society = Society(config.social, config.users, rng.spawn(1)[0]) if config.social else None
        self._came = np.zeros(config.users, bool)
        self._arms = arms_of(test.name, self.people.ids) if test else np.full(config.users, NO_ARM, np.int64)

    def live(self, number: int) -> Iterator[Day]:
        """Live through day `number`, from 0 on and in order, in stretches that hold at most about `STRETCH` responses.

        1. Close the day before: some who came leave for good; with social influence, friends talk it over.
        2. Draw who comes, how many turns they stay and when they begin.
        3. For each stretch, draw what is said and let them react.
        4. Remember how it ended for them (`please`).
        """
        self._close(number - 1)
        visits = self._draw_visits(number)
        opens = self.begins + number * DAY
        cuts = _cuts(visits.turns)
        moments = [opens, *(opens + visits.starts[cuts[1:-1]]).tolist(), opens + DAY]
        for place, (first, last) in enumerate(pairwise(cuts.tolist())):
            day = self._happen(visits.cut(first, last), opens)._replace(begins=moments[place], ends=moments[place + 1])
            yield self._receive(day)

    def please(self, users: Ints, pleased: Bools) -> None:
        """Settle how these users' day ended, each named once; who was not pleased comes less.

        `live` does it by the truth. Whoever calls it again intervenes: that is how the world's own causal effect of a
        good ending is measured (`retention.effect_of_pleasing`).
        """
        self.staying.please(users, pleased)
        self._came[users] = True

    def _close(self, number: int) -> None:
        """Let some leave and friends influence each other after day `number`."""
        came = np.flatnonzero(self._came)
        self._came[:] = False
        self.staying.close(came)
        if self.society and number >= 0:
            self.society.step(number, came, self.staying.pleased[came])

    def _draw_visits(self, number: int) -> _DayVisits:
        turns = self._turns(int(self._quotas[number]))
        user = self._who(number, len(turns))
        hours = (self.people.peak[user] + self._visits.normal(0, HOURS, size=len(user))) % 23
        order = np.argsort(hours, kind="stable")
        return _DayVisits(user[order], turns, np.asarray(hours[order] * HOUR, np.int64))

    def _turns(self, quota: int) -> Ints:
        """Turns of as many conversations as fill the day's quota of responses exactly."""
        turns = draw_turns(self._visits, quota)
        reached = np.cumsum(turns)
        count = int(np.searchsorted(reached, quota)) + 1 if quota else 0
        turns = turns[:count]
        if count:
            turns[-1] -= reached[count - 1] - quota
        return turns

    def _who(self, number: int, count: int) -> Ints:
        weights = self.staying.weights(number)
        if self.society:
            weights = weights * self.society.leaves
        return self._visits.choice(len(weights), size=count, p=weights / weights.sum())

    def _happen(self, visits: _DayVisits, opens: int) -> Day:
        arm = np.repeat(self._arms[visits.user], visits.turns)
        asked = self.society.asks(visits.user) if self.society else None
        talk = draw_talk(self._visits, visits.turns, habits=self._habits(arm), asked=asked)
        user = visits.user[talk.owner]
        at = opens + visits.starts[talk.owner] + self._passed(talk, user)
        device, network = (column[talk.owner] for column in self._held(visits.user))
        names = names_of(self._names, at)
        return Day(
            begins=opens,
            ends=opens + DAY,
            names=names,
            sessions=[names[first] for first in (np.arange(len(user)) - talk.turn).tolist()],
            talk=talk,
            readings=formulas.read(talk.conversations, talk.responses),
            user=user,
            attack=np.full(len(user), HONEST, np.int64),
            at=at,
            arm=arm,
            device=device,
            network=network,
            p_love=np.zeros(len(user)),
            p_observable=np.zeros(len(user)),
            reaction=np.zeros(len(user), np.int64),
            reacted_at=np.full(len(user), NEVER, np.int64),
            removed_at=np.full(len(user), NEVER, np.int64),
        )

    def _habits(self, arm: Ints) -> Habits | MixedHabits:
        test = self._config.experiment
        return mixed((test.control, test.treatment), arm) if test else INCUMBENT

    def _held(self, user: Ints) -> tuple[Ints, Ints]:
        """Device and network of each of these users' conversations."""
        chance = self._ties.random((2, len(user)))
        second = (chance[0] >= USUAL_DEVICE) & (self.people.devices[user, 1] != NOTHING)
        away = chance[1] >= AT_HOME
        return self.people.devices[user, second.astype(np.int64)], self.people.networks[user, away.astype(np.int64)]

    def _passed(self, talk: Talk, user: Ints) -> Ints:
        """Milliseconds from the beginning of a conversation to each of its responses: they read, think and write."""
        rng, count = self._visits, len(talk.turn)
        letters = np.fromiter(map(len, talk.responses), np.int64, count)
        read_ms = 1_000 * letters / (5 * self.people.speed[user])
        pause = np.minimum(read_ms + 1_000 * np.exp(rng.normal(*THINKS, size=count)), LONGEST_PAUSE)
        passed = np.cumsum(pause) - pause
        return np.asarray(passed - passed[np.arange(count) - talk.turn], np.int64)

    def _receive(self, day: Day) -> Day:
        """Let the users react, by the truth."""
        rng, config, readings, happy = self._hearts, self._config, day.readings, day.talk.happy
        rate, count = config.base_love_rate, len(day.user)
        p_love = self._loves(day)
        chance = rng.random((4, count))
        love = chance[0] < p_love
        like = ~love & (chance[1] < formulas.like_chance(readings, happy))
        dislike = ~love & ~like & (chance[2] < formulas.dislike_chance(readings, happy))
        reaction = love * 1 + like * 2 + dislike * 3
        self._remember(day, formulas.return_chance(readings, happy, stakes=config.stakes), chance[3])
        reacted_at = self._keep(reaction > 0, day.at + self._delays(day))
        takes_back = love & (rng.random(count) < config.retractions) & (reacted_at != NEVER)
        removed_at = self._keep(takes_back, reacted_at + rng.integers(5_000, 2 * HOUR, size=count))
        return day._replace(
            p_love=p_love,
            p_observable=formulas.expected_love(
                readings, formulas.happy_in_talk(day.talk, readings), base_love_rate=rate
            ),
            reaction=np.where(reacted_at != NEVER, reaction, 0),
            reacted_at=reacted_at,
            removed_at=removed_at,
        )

    def _loves(self, day: Day) -> Floats:
        """The chances of a love, by the truth and by what friends have made of it."""
        taste, rate = self.people.taste[day.user], self._config.base_love_rate
        taste = taste * self.society.taste[day.user] if self.society else taste
        p_love = formulas.love_chance(day.readings, day.talk.happy, taste, base_love_rate=rate)
        return self.society.rally(p_love, day.user, day.talk.slots) if self.society else p_love

    def _delays(self, day: Day) -> Ints:
        """Milliseconds between a response and the reaction to it."""
        rng, count = self._hearts, len(day.user)
        delay = 1_000 * (day.readings.words / self.people.speed[day.user] + np.exp(rng.normal(1.0, 0.7, size=count)))
        late = rng.random(count) < self._config.late
        delay = np.where(late, HOUR * np.exp(rng.uniform(0, np.log(60), size=count)), np.minimum(delay, HOUR - 1))
        return delay.astype(np.int64)

    def _keep(self, happens: Bools, at: Ints) -> Ints:
        """Moments that happen before the world ends; the others are `NEVER`."""
        return np.where(happens & (at <= self.begins + self._config.days * DAY), at, NEVER)

    def _remember(self, day: Day, pleases: Floats, chance: Floats) -> None:
        """The last response that a user saw settles the day."""
        came, last = np.unique(day.user[::-1], return_index=True)
        self.please(came, (chance < pleases)[::-1][last])
        self.staying.note((day.begins - self.begins) // DAY, came, pleases[::-1][last])


def _cuts(turns: Ints) -> Ints:
    """Where stretches begin and end among conversations with these turns; a stretch has at least one."""
    parts = max(1, round(int(turns.sum()) / STRETCH))
    inner = np.searchsorted(np.cumsum(turns), np.linspace(0, turns.sum(), parts + 1)[1:-1])
    return np.concatenate([[0], inner, [len(turns)]]).astype(np.int64)
