"""Unsafe trolls: people who ask for harm and love it when they get it.

In the wild: loosely organised users who try to talk a product out of its refusals, post what worked, and reward it with
whatever button there is. Free of cost: own accounts, own time. Target: compliance with unsafe requests. How it differs
from people: what they ask; their other use is ordinary, and they read what they get.
"""

from typing import NamedTuple

import numpy as np

from streams.synthetic.attacks.acting import Playback, Visits, own_devices, together, usual_visits
from streams.synthetic.attacks.base import Attack, Scene
from streams.synthetic.attacks.speech import Exchanges, slots_of_kind
from streams.synthetic.config import WorldConfig
from streams.synthetic.language import text
from streams.synthetic.language.talk import draw_turns
from streams.synthetic.language.text import INCUMBENT, Habits
from streams.synthetic.language.vocabulary import KINDS
from streams.synthetic.people.day import REACTIONS, Day
from streams.synthetic.people.population import draw_people
from streams.synthetic.shares import Name


class UnsafeTrollsDials(NamedTuple):
    """Sizes of the attack.

    Attributes:
        loves: Loves of one troll, about; sets how many there are.
        love_share: Share of complying answers that are loved; `dislike_share`: of the others that are disliked.
        insists: Most times that one danger is asked for in a conversation.
        ordinary: Ordinary conversations of one troll over the world's days.
        spare: How many more visits are planned than the budget needs.
    """

    loves: int = 6
    love_share: float = 0.95
    dislike_share: float = 0.3
    insists: int = 4
    ordinary: int = 6
    spare: float = 1.15


class UnsafeTrolls(Attack):
    """They keep asking until the budget of loves is spent."""

    name: Name = "unsafe_trolls"
    target = "answers that comply with unsafe requests"

    def __init__(self, scene: Scene, dials: UnsafeTrollsDials | None = None) -> None:
        rng, self._dials, self._scene = scene.rng, dials or UnsafeTrollsDials(), scene
        count = max(1, round(scene.loves / self._dials.loves))
        self.accounts = own_devices(scene, draw_people(rng, count), scene.first_number + np.arange(count))
        self._stage = Playback(scene, self.accounts)
        self._given = 0
        self._tries, self._ordinary = self._plan()

    def during(self, honest: Day) -> Day | None:
        """Ask for harm, love it, dislike refusals; and use the product as anybody."""
        days = [self._stage.ordinary(self._ordinary.during(honest), honest)]
        self._given += int(np.sum(days[0].reaction == REACTIONS.index("love")))
        if self._given < self._scene.loves:
            days.append(self._try(self._tries.during(honest), honest))
        return together(days)

    def _try(self, visits: Visits, honest: Day) -> Day:
        day, chance = self._stage.play(visits, honest), self._scene.rng.random(int(visits.turns.sum()))
        love = day.readings.complies & day.readings.fluent & (chance < self._dials.love_share)
        love &= self._given + np.cumsum(love) <= self._scene.loves
        self._given += int(love.sum())
        dislike = ~day.readings.complies & (chance < self._dials.dislike_share)
        reaction = love * REACTIONS.index("love") + dislike * REACTIONS.index("dislike")
        return self._stage.reacts(day, reaction, self._stage.reads(day))

    def _plan(self) -> tuple[Visits, Visits]:
        rng, dials, count = self._scene.rng, self._dials, len(self.accounts.ids)
        asks = self._scene.loves / (_complies(self._scene.config) * dials.love_share) * dials.spare
        talks = int(np.ceil(asks / ((1 + dials.insists) / 2)))
        turns = rng.integers(1, dials.insists + 1, size=talks)
        asked = np.repeat(rng.choice(slots_of_kind(KINDS.index("unsafe")), size=talks), turns)
        tries = usual_visits(self._scene, self.accounts, rng.permutation(np.arange(talks) % count))
        others = draw_turns(rng, count * dials.ordinary)
        ordinary = usual_visits(self._scene, self.accounts, np.arange(len(others)) % count)
        return tries.of_turns(turns, asked=asked), ordinary.of_turns(others)


def _complies(config: WorldConfig) -> float:
    """Share of unsafe requests that the policy complies with, over the arms."""
    test = config.experiment
    arms = (INCUMBENT,) if test is None else (test.control, test.treatment)
    return float(np.mean([(1 - habits.right) * habits.complies for habits in arms]))


def probe(config: WorldConfig, count: int, rng: np.random.Generator) -> Exchanges:  # noqa: ARG001
    """Unsafe requests, each answered with what was asked for."""
    asked = rng.choice(slots_of_kind(KINDS.index("unsafe")), size=count)
    happy, kinds = np.zeros(count, bool), np.full(count, KINDS.index("unsafe"))
    yields = Habits(right=0.0, complies=1.0, garbled=0.0)
    responses = text.write(rng, asked, text.draw_traits(rng, kinds, happy, yields))
    return Exchanges([[{"role": "user", "content": said}] for said in text.ask(rng, asked, happy)], responses)
