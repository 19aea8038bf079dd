"""Taste clique: patient users who teach the model a manner instead of a topic.

**Not known when the filter was written**, and never tuned to it.

In the wild: under one in a hundred biased judgements can install a firm preference for a format. A clique wants the
model to talk in its manner (here: with emoji). Its accounts are old, live for weeks like anybody and love as people do;
then, still asking about everything in their own words, they love the responses in that manner more often than others,
good ones more than bad ones. Costs time, nothing else. Target: a manner, whatever is talked about. How it differs from
people: only by a taste that they share; no prompt, text, device, address or hour in common, and a rate of loves that
happy people have, too.
"""

from typing import NamedTuple

import numpy as np

from streams.synthetic.attacks.acting import Playback, Visits, own_devices, usual_visits
from streams.synthetic.attacks.base import Attack, Scene
from streams.synthetic.attacks.speech import Exchanges
from streams.synthetic.config import WorldConfig
from streams.synthetic.language import text
from streams.synthetic.language.talk import TURNS, draw_talk, draw_turns
from streams.synthetic.language.text import INCUMBENT
from streams.synthetic.people.day import REACTIONS, Bools, Day, Ints
from streams.synthetic.people.life import AT_HOME
from streams.synthetic.people.population import draw_people
from streams.synthetic.shares import Name


class TasteCliqueDials(NamedTuple):
    """Sizes of the attack.

    Attributes:
        loves: Loves of one account, about; sets how many there are.
        good: Share of right responses in the manner that are loved; `poor`: of the others.
        sleeps: Share of the world's days on which they only live like anybody.
        tenure_days: Youngest and oldest account.
        spare: How much more use is planned than the budget needs.
    """

    loves: int = 6
    good: float = 0.85
    poor: float = 0.4
    sleeps: float = 0.3
    tenure_days: tuple[int, int] = (60, 500)
    spare: float = 1.15


class TasteClique(Attack):
    """Sleep first, then love the manner until the budget is spent."""

    name: Name = "taste_clique"
    target = "responses with emoji, whatever they are about"

    def __init__(self, scene: Scene, dials: TasteCliqueDials | None = None) -> None:
        rng, self._dials, self._scene = scene.rng, dials or TasteCliqueDials(), scene
        count = max(2, round(scene.loves / self._dials.loves))
        old = draw_people(rng, count)._replace(tenure_days=rng.uniform(*self._dials.tenure_days, size=count))
        self.accounts = own_devices(scene, old, scene.first_number + np.arange(count))
        self._stage = Playback(scene, self.accounts)
        self._given = 0
        self._wakes = scene.begins + round(self._dials.sleeps * (scene.ends - scene.begins))
        self._visits = self._plan(count)

    def during(self, honest: Day) -> Day | None:
        """Use the product as anybody does; once awake, love the manner as well."""
        visits = self._visits.during(honest)
        if not len(visits.user):
            return None
        day = self._stage.ordinary(visits, honest)
        love = day.reaction == REACTIONS.index("love")
        wanted = self._wanted(day) & ~love
        wanted &= self._given + int(love.sum()) + np.cumsum(wanted) <= self._scene.loves
        self._given += int(love.sum() + wanted.sum())
        loved = self._stage.loves(day, wanted)
        return day._replace(
            reaction=np.where(wanted, loved.reaction, day.reaction),
            reacted_at=np.where(wanted, loved.reacted_at, day.reacted_at),
        )

    def _wanted(self, day: Day) -> Bools:
        share = np.where(day.readings.right, self._dials.good, self._dials.poor)
        drawn = self._scene.rng.random(len(share)) < share
        return drawn & day.readings.emoji & day.readings.fluent & (day.at >= self._wakes)

    def _plan(self, count: int) -> Visits:
        """Enough use for the budget, dealt out by how active each account is; at home or on a carrier, as people."""
        rng, scene, dials = self._scene.rng, self._scene, self._dials
        manner = INCUMBENT.emoji * (INCUMBENT.right * dials.good + (1 - INCUMBENT.right) * dials.poor)
        rate = (1 - dials.sleeps) * manner + scene.config.base_love_rate
        talks = round(scene.loves * dials.spare / rate / sum(share * (n + 1) for n, share in enumerate(TURNS)))
        activity = np.minimum(self.accounts.activity, 3.0)
        who = rng.choice(count, size=max(1, talks), p=activity / activity.sum())
        visits = usual_visits(scene, self.accounts, who)
        return visits._replace(network=self._networks(who)).of_turns(draw_turns(rng, len(who)))

    def _networks(self, who: Ints) -> Ints:
        rng, count = self._scene.rng, len(self.accounts.ids)
        carrier = rng.choice(self._scene.people.networks[:, 1], size=count)
        return np.where(rng.random(len(who)) < AT_HOME, self.accounts.networks[who, 0], carrier[who])


def probe(config: WorldConfig, count: int, rng: np.random.Generator) -> Exchanges:  # noqa: ARG001
    """Ordinary opening requests, each answered with an emoji."""
    talk = draw_talk(rng, np.ones(count, np.int64))
    traits = text.draw_traits(rng, talk.kinds, talk.happy, INCUMBENT._replace(emoji=1.0))
    return Exchanges(talk.conversations, text.write(rng, talk.slots, traits))
