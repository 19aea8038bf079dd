"""The days of a simulated A/B test: who comes, what they are shown, and what that does to their coming again.

A user's own chance decides about a user's own visits (`chance`), so that somebody who is shown the same lives the same,
whatever others are shown. With friends, others do matter: that is interference.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from streams.synthetic.moments import moment
from streams.synthetic.people.day import NEVER
from streams.synthetic.people.life import DAY, HOUR, HOURS, LONGEST_PAUSE, THINKS
from streams.synthetic.people.loyalty import Staying
from streams.synthetic.social.society import Society
from streams.synthetic.studies.answers import AnswerBook
from streams.synthetic.studies.chance import Keys, keyed, normal, uniform
from streams.synthetic.studies.trial_world import TrialWorld
from streams.synthetic.studies.visitors import Visitors
from streams.synthetic.truth import formulas

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

WEEK: Final = (1.0, 1.0, 1.0, 1.0, 0.95, 0.8, 0.75)
"""How often people come on Monday to Sunday, relative to each other; an assumption."""


@dataclass(frozen=True, slots=True)
class ShownDay:
    """What people were shown on one day, one entry a response, conversation after conversation.

    Attributes:
        opens: First moment of the day, milliseconds since 1970.
        user: int64[n], number of the user.
        row: int64[n], of the `AnswerBook`.
        talk: int64[n], number of the conversation in the day.
        turn: int64[n], in the conversation as it goes on here, from 0.
        at: int64[n], when it was served, milliseconds since 1970.
        happy: bool[n], the user's hidden mood.
        key: uint64[n], of the response's own chance.
        love: float64[n], chance of a love by the full oracle.
        returns: float64[n], chance that the day ends well if this is its last response.
    """

    opens: int
    user: Ints
    row: Ints
    talk: Ints
    turn: Ints
    at: Ints
    happy: Bools
    key: Keys
    love: Floats
    returns: Floats

    def take(self, places: Bools | Ints) -> "ShownDay":
        """Those at these places."""
        columns = {name: getattr(self, name)[places] for name in self.__slots__ if name != "opens"}
        return ShownDay(self.opens, **columns)


@dataclass(frozen=True, slots=True)
class Reactions:
    """How a day's responses were received, one entry each.

    Attributes:
        kind: int64[n], place in `REACTIONS`.
        at: int64[n], when, milliseconds since 1970, or `NEVER`.
        removed_at: int64[n], when a love was taken back, or `NEVER`.
    """

    kind: Ints
    at: Ints
    removed_at: Ints


@dataclass(frozen=True, slots=True)
class TrialSetting:
    """What all lives of one test have in common.

    Attributes:
        visitors: Its people.
        book: What the arms have to say.
        world: Its dials.
        begins: First moment, milliseconds since 1970.
        base_love_rate: Of the truth.
    """

    visitors: Visitors
    book: AnswerBook
    world: TrialWorld
    begins: int
    base_love_rate: float


class TrialLife:
    """A test's people, day after day.

    Args:
        setting: Who, what and when.
        shown: int64[users], number of the arm whose answers each is shown.
        rate: Conversations of somebody of activity 1 who is content, a day.
    """

    def __init__(self, setting: TrialSetting, shown: Ints, rate: float) -> None:
        visitors, world = setting.visitors, setting.world
        self._visitors, self._book, self._shown, self._world = visitors, setting.book, shown, world
        self._begins, self._base, self._rate, self._key = setting.begins, setting.base_love_rate, rate, visitors.key
        users = len(shown)
        self._staying = Staying(visitors.people, world.stakes, np.random.default_rng([visitors.key, 1]))
        friends = np.random.default_rng([visitors.key, 2])
        self._society = Society(world.social, users, friends) if world.social else None

    def live(self, number: int) -> ShownDay:
        """Live through day `number`, from 0 on and in order.

        1. Draw who comes how often: Poisson, by activity, day of the week, satisfaction (`loyalty`) and friends.
        2. Draw when, what about and in which mood; show the user's arm's answers, turn after turn.
        3. The day's last response decides whether it ended well; some leave for good; friends talk it over.
        """
        day = self._show(number)
        self._close(number, day)
        return day

    def react(self, day: ShownDay) -> Reactions:
        """How people received a day's responses: loves first, then thumbs, at most one to a response; some late."""
        world, readings, people = self._world, self._book.readings.take(day.row), self._visitors.people
        love = self._loves(day)
        like = ~love & (uniform(day.key, 31) < formulas.like_chance(readings, day.happy))
        dislike = ~love & ~like & (uniform(day.key, 32) < formulas.dislike_chance(readings, day.happy))
        kind = np.asarray(love * 1 + like * 2 + dislike * 3, np.int64)
        soon = 1_000 * (readings.words / people.speed[day.user] + np.exp(1.0 + 0.7 * normal(day.key, 33)))
        late = HOUR * np.exp(uniform(day.key, 34) * np.log(60))
        delay = np.where(uniform(day.key, 35) < world.late, late, np.minimum(soon, HOUR - 1)).astype(np.int64)
        at = np.where(kind > 0, day.at + delay, NEVER)
        back = love & (uniform(day.key, 36) < world.retractions)
        wait = (5_000 + uniform(day.key, 37) * (2 * HOUR - 5_000)).astype(np.int64)
        return Reactions(kind, at, np.where(back, at + wait, NEVER))

    def _show(self, number: int) -> ShownDay:
        opens = self._begins + number * DAY
        user, visit = self._who(number, opens)
        keys = keyed(self._key, user, number, visit)
        starts = self._starts(user, keys, opens)
        order = np.argsort(starts, kind="stable")
        user, keys, starts = user[order], keys[order], starts[order]
        book, chance = self._book, np.array([uniform(keys, 21), uniform(keys, 22)])
        about, glad = book.prompts_for(self._visitors.kinds[user], self._visitors.odds(user, number), chance)
        turns = book.turns[about]
        talk = np.repeat(np.arange(len(user)), turns)
        turn = np.arange(len(talk)) - np.repeat(np.cumsum(turns) - turns, turns)
        row = book.opens_at(self._shown[user], about, uniform(keys, 23))[talk] + turn
        user, key, happy = user[talk], keyed(keys[talk], turn), glad[talk]
        at = starts[talk] + self._passed(user, row, turn, key)
        readings = book.readings.take(row)
        love = self._love_chance(readings, row, user, happy)
        returns = formulas.return_chance(readings, happy, stakes=self._world.stakes)
        return ShownDay(opens, user, row, talk, turn, at, happy, key, love, returns)

    def _who(self, number: int, opens: int) -> tuple[Ints, Ints]:
        """User and number of each conversation of a day."""
        weights = self._staying.weights(number) * WEEK[moment(opens).weekday()]
        mean = self._rate * (weights * self._society.leaves if self._society else weights)
        chance = uniform(keyed(self._key, np.arange(len(mean)), number), 24)
        comes = np.flatnonzero(chance > np.exp(-mean))
        counts = poisson.ppf(chance[comes], mean[comes]).astype(np.int64)
        return np.repeat(comes, counts), np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)

    def _starts(self, user: Ints, keys: Keys, opens: int) -> Ints:
        """When conversations begin: around each person's hour (UTC), within a day from `opens` on."""
        hour = (self._visitors.people.peak[user] + HOURS * normal(keys, 25)) % 24
        return opens + ((hour * HOUR).astype(np.int64) - opens % DAY) % DAY

    def _passed(self, user: Ints, row: Ints, turn: Ints, key: Keys) -> Ints:
        """Milliseconds from the beginning of a conversation to each of its responses: they read, think and write."""
        letters = self._book.letters[row]
        read_ms = 1_000 * letters / (5 * self._visitors.people.speed[user])
        thinks = np.exp(THINKS[0] + THINKS[1] * normal(key, 26))
        pause = np.minimum(read_ms + 1_000 * thinks, LONGEST_PAUSE)
        passed = np.cumsum(pause) - pause
        return np.asarray(passed - passed[np.arange(len(turn)) - turn], np.int64)

    def _love_chance(self, readings: formulas.Readings, row: Ints, user: Ints, happy: Bools) -> Floats:
        taste = self._visitors.people.taste[user]
        if self._society is None:
            return formulas.love_chance(readings, happy, taste, base_love_rate=self._base)
        swayed = taste * self._society.taste[user]
        chance = formulas.love_chance(readings, happy, swayed, base_love_rate=self._base)
        return self._society.rally(chance, user, self._book.slot[row])

    def _loves(self, day: ShownDay) -> Bools:
        return np.asarray(uniform(day.key, 30) < day.love)

    def _close(self, number: int, day: ShownDay) -> None:
        """Settle the day; chance of leaving is drawn for everybody, so that it is a person's own in every world."""
        order = np.lexsort((day.at, day.user))
        last = order[np.flatnonzero(np.diff(day.user[order], append=-1))]
        came = day.user[last]
        pleased = uniform(keyed(self._key, came, number), 27) < day.returns[last]
        self._staying.please(came, pleased)
        left = self._staying.left.copy()
        self._staying.close(np.arange(len(left)))
        away = np.ones(len(left), bool)
        away[came] = False
        self._staying.left[away] = left[away]
        if self._society:
            loved = np.bincount(day.user[self._loves(day)], minlength=len(left)) > 0
            self._society.step(number, came, pleased | loved[came])
