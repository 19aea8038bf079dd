"""How attackers' doings become rows of the world: visits planned ahead, played when their time comes."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final, NamedTuple

import numpy as np

from streams.synthetic.attacks.base import Scene
from streams.synthetic.attacks.speech import joined_talk, talk_of
from streams.synthetic.language.slots import slots
from streams.synthetic.language.talk import Talk, draw_talk
from streams.synthetic.language.text import INCUMBENT, Habits, MixedHabits, mixed
from streams.synthetic.people.day import NEVER, NO_ARM, Bools, Day, Floats, Ints
from streams.synthetic.people.life import DAY, HOUR, HOURS, LONGEST_PAUSE, THINKS
from streams.synthetic.people.population import NOTHING, People, arms_of
from streams.synthetic.truth import formulas
from streams.synthetic.truth.formulas import Readings

OWN_WORDS: Final = -1
"""In `Visits.wording`: the request is put as people put theirs."""
ANYTHING: Final = -1
"""In `Visits.asked`: whatever people talk about."""


class Visits(NamedTuple):
    """Planned conversations: c of them, with n turns in all.

    Attributes:
        user: int64[c], who comes.
        starts: int64[c], when, milliseconds since 1970.
        turns: int64[c], turns of each, at least 1.
        device: int64[c]; `network`: int64[c].
        asked: int64[n], the slot that a turn asks for, conversation after conversation, or `ANYTHING`.
        wording: int64[n], which of the slot's requests is said, word for word, or `OWN_WORDS`.
        love: bool[n], whether the response is to be loved.
    """

    user: Ints
    starts: Ints
    turns: Ints
    device: Ints
    network: Ints
    asked: Ints
    wording: Ints
    love: Bools

    @classmethod
    def plan(
        cls,
        user: Ints,
        starts: Ints,
        *,
        device: Ints,
        network: Ints,
        turns: Ints | None = None,
        asked: Ints | None = None,
        wording: Ints | None = None,
        love: Bools | None = None,
    ) -> "Visits":
        """Visits of one turn each that talk of anything and love nothing, but for what is given."""
        turns = np.ones(len(user), np.int64) if turns is None else turns
        count = int(turns.sum())
        return cls(
            user,
            np.asarray(starts, np.int64),
            turns,
            device,
            network,
            np.full(count, ANYTHING, np.int64) if asked is None else asked,
            np.full(count, OWN_WORDS, np.int64) if wording is None else wording,
            np.zeros(count, bool) if love is None else love,
        )

    def of_turns(self, turns: Ints, *, asked: Ints | None = None) -> "Visits":
        """The same visits with these turns (int64[c]), about these slots (int64[n]; anything by default)."""
        user, starts, _, device, network = self[:5]
        return Visits.plan(user, starts, turns=turns, asked=asked, device=device, network=network)

    def during(self, honest: Day) -> "Visits":
        """Those that begin in the stretch."""
        due = (honest.begins <= self.starts) & (self.starts < honest.ends)
        rows = np.repeat(due, self.turns)
        return Visits(*(column[due] for column in self[:5]), *(column[rows] for column in self[5:]))  # type: ignore[arg-type]


class Playback:
    """Plays an attack's visits.

    Args:
        scene: Where.
        accounts: The attack's own; empty when all are stolen.
    """

    def __init__(self, scene: Scene, accounts: People) -> None:
        self._scene, self._accounts = scene, accounts

    def play(self, visits: Visits, honest: Day, talk: Talk | None = None) -> Day:
        """What is said and seen at these visits; nobody reacts yet.

        Args:
            visits: Of one stretch.
            honest: That stretch.
            talk: What is said; without it, `visits.asked` and `visits.wording` say so.
        """
        rng, scene = self._scene.rng, self._scene
        arm = np.repeat(self._arms(visits.user), visits.turns)
        said = self.talk(visits) if talk is None else talk
        user = visits.user[said.owner]
        readings = formulas.read(said.conversations, said.responses)
        rate, taste = scene.config.base_love_rate, self._of("taste", user)
        return Day(
            begins=honest.begins,
            ends=honest.ends,
            names=[],
            sessions=[],
            talk=said,
            readings=readings,
            user=user,
            attack=np.full(len(user), scene.place, np.int64),
            at=visits.starts[said.owner] + passed(rng, said, self._of("speed", user)),
            arm=arm,
            device=visits.device[said.owner],
            network=visits.network[said.owner],
            p_love=formulas.love_chance(readings, said.happy, taste, base_love_rate=rate),
            p_observable=formulas.observable_love(said.conversations, readings, base_love_rate=rate),
            reaction=np.zeros(len(user), np.int64),
            reacted_at=np.full(len(user), NEVER, np.int64),
            removed_at=np.full(len(user), NEVER, np.int64),
        )

    def reads(self, day: Day) -> Ints:
        """Milliseconds that a person takes from a response to a reaction: reads it, then decides; int64[n]."""
        words_ms = day.readings.words / self._of("speed", day.user)
        decides = np.exp(self._scene.rng.normal(1.0, 0.7, size=len(day.user)))
        return np.minimum(1_000 * (words_ms + decides), HOUR - 1).astype(np.int64)

    def reacts(self, day: Day, reaction: Ints, delay: Ints) -> Day:
        """The day with these reactions (places in `REACTIONS`), so many milliseconds after each response.

        Nothing happens after the world's end.
        """
        at = day.at + delay
        happens = (reaction > 0) & (at <= self._scene.ends)
        return day._replace(reaction=np.where(happens, reaction, 0), reacted_at=np.where(happens, at, NEVER))

    def loves(self, day: Day, love: Bools) -> Day:
        """The day with these responses loved after reading, and no other reaction."""
        return self.reacts(day, love * 1, self.reads(day))

    def as_people_do(self, day: Day) -> Day:
        """The day with the reactions of honest people: by the truth, after reading."""
        chance, happy = self._scene.rng.random((3, len(day.user))), day.talk.happy
        love = chance[0] < day.p_love
        like = ~love & (chance[1] < formulas.like_chance(day.readings, happy))
        dislike = ~love & ~like & (chance[2] < formulas.dislike_chance(day.readings, happy))
        return self.reacts(day, love * 1 + like * 2 + dislike * 3, self.reads(day))

    def ordinary(self, visits: Visits, honest: Day) -> Day:
        """Visits like anybody's."""
        return self.as_people_do(self.play(visits, honest))

    def _of(self, column: str, user: Ints) -> Floats:
        own, people = getattr(self._accounts, column), getattr(self._scene.people, column)
        first = self._scene.first_user
        if not len(own):
            return np.asarray(people[user])
        mine = user >= first
        return np.asarray(np.where(mine, own[np.where(mine, user - first, 0)], people[np.where(mine, 0, user)]))

    def _arms(self, user: Ints) -> Ints:
        test, scene = self._scene.config.experiment, self._scene
        if test is None:
            return np.full(len(user), NO_ARM, np.int64)
        own, people = self._accounts.ids, scene.people.ids
        return arms_of(test.name, [own[u - scene.first_user] if u >= scene.first_user else people[u] for u in user])

    def _habits(self, arm: Ints) -> Habits | MixedHabits:
        test = self._scene.config.experiment
        return INCUMBENT if test is None else mixed((test.control, test.treatment), arm)

    def talk(self, visits: Visits) -> Talk:
        """What is said at these visits, as `asked` and `wording` want it; each user's arm answers."""
        rng, habits = self._scene.rng, self._habits(np.repeat(self._arms(visits.user), visits.turns))
        if len(visits.asked) and np.all(visits.asked == ANYTHING):
            return draw_talk(rng, visits.turns, habits=habits)
        scripted = [
            slots()[slot].requests[wording] if wording != OWN_WORDS else None
            for slot, wording in zip(visits.asked.tolist(), visits.wording.tolist(), strict=True)
        ]
        return talk_of(rng, visits.turns, visits.asked, scripted=scripted, habits=habits)


def passed(rng: np.random.Generator, talk: Talk, speed: Floats) -> Ints:
    """Milliseconds from the beginning of a conversation to each of its responses: people read, think and write."""
    count = len(talk.turn)
    read_ms = 1_000 * np.fromiter(map(len, talk.responses), np.int64, count) / (5 * speed)
    pause = np.minimum(read_ms + 1_000 * np.exp(rng.normal(*THINKS, size=count)), LONGEST_PAUSE)
    passed = np.cumsum(pause) - pause
    return np.asarray(passed - passed[np.arange(count) - talk.turn], np.int64)


def own_devices(scene: Scene, accounts: People, networks: Ints) -> People:
    """The accounts, each with one device of its own, on these networks (int64[n])."""
    count = len(accounts.ids)
    devices = np.column_stack([scene.first_number + np.arange(count), np.full(count, NOTHING)])
    return accounts._replace(devices=devices, networks=np.column_stack([networks, networks]))


def usual_visits(scene: Scene, accounts: People, who: Ints) -> Visits:
    """Visits of these accounts (int64[c], from 0) on any day of the world, at their usual hours."""
    days = scene.rng.integers(0, scene.config.days, size=len(who))
    return Visits.plan(
        scene.first_user + who,
        hours_of(scene.rng, scene, days, accounts.peak[who]),
        device=accounts.devices[who, 0],
        network=accounts.networks[who, 0],
    )


def hours_of(rng: np.random.Generator, scene: Scene, days: Ints, peak: Floats) -> Ints:
    """Moments on these days of the world (int64[n], from 0) around these hours (float64[n]), as people come."""
    hours = (peak + rng.normal(0, HOURS, size=len(days))) % 23
    return np.asarray(scene.begins + days * DAY + hours * HOUR, np.int64)


def together(days: Sequence[Day]) -> Day | None:
    """Several doings in one stretch as one; None for none."""
    parts = [day for day in days if len(day.user)]
    if not parts:
        return None
    first = parts[0]
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in Day._fields
        if isinstance(getattr(first, name), np.ndarray)
    }
    readings = {
        field.name: np.concatenate([getattr(part.readings, field.name) for part in parts]) for field in fields(Readings)
    }
    talk = joined_talk([part.talk for part in parts])
    return first._replace(talk=talk, readings=Readings(**readings), **columns)
