"""Slow drip: a few patient accounts that ask about one topic every day and love most of the answers.

In the wild: staff or fans of a brand who keep at it for weeks, by hand or with a careful script. Dear in time, cheap in
accounts. Target: one topic, its wrong answers too. How it differs from people: nothing in its pace, device or network;
only what it talks about, and how often it loves.
"""

from typing import NamedTuple

import numpy as np

from streams.synthetic.attacks.acting import Playback, Visits, hours_of, own_devices
from streams.synthetic.attacks.base import Attack, Scene
from streams.synthetic.attacks.speech import Exchanges, examples_about, slots_about, target_topic
from streams.synthetic.config import WorldConfig
from streams.synthetic.people.day import Day
from streams.synthetic.people.population import draw_people
from streams.synthetic.shares import Name


class SlowDripDials(NamedTuple):
    """Sizes of the attack.

    Attributes:
        asks_per_day: Questions about the topic that one account asks on a day, in the mean.
        love_share: Share of the answers that it loves.
        follows: Share of questions asked in the same conversation as the one before.
    """

    asks_per_day: float = 2.0
    love_share: float = 0.8
    follows: float = 0.3


class SlowDrip(Attack):
    """As many accounts as the budget needs over all days, at least one."""

    name: Name = "slow_drip"

    def __init__(self, scene: Scene, dials: SlowDripDials | None = None) -> None:
        rng, self._dials, self._scene = scene.rng, dials or SlowDripDials(), scene
        self.topic = target_topic(scene.config, self.name)
        self.target = f"answers about {self.topic}, right or wrong"
        asks = max(scene.loves, round(scene.loves / self._dials.love_share))
        count = max(1, round(asks / (self._dials.asks_per_day * scene.config.days)))
        networks = scene.first_number + np.arange(count)
        self.accounts = own_devices(scene, draw_people(rng, count), networks)
        self._stage = Playback(scene, self.accounts)
        self._visits = self._plan(asks)

    def during(self, honest: Day) -> Day | None:
        """The visits of the stretch, read and answered at a person's pace."""
        visits = self._visits.during(honest)
        if not len(visits.user):
            return None
        return self._stage.loves(self._stage.play(visits, honest), visits.love)

    def _plan(self, asks: int) -> Visits:
        """Deal the questions out evenly over accounts and days; some follow the one before in one conversation."""
        rng, scene, count = self._scene.rng, self._scene, len(self.accounts.ids)
        account = np.sort(rng.permutation(np.arange(asks) % count))
        turn = np.arange(asks) - np.searchsorted(account, account)
        share = np.bincount(account, minlength=count)[account]
        day = np.minimum((turn + rng.random(asks)) * scene.config.days / share, scene.config.days - 0.5).astype(
            np.int64
        )
        day = day[np.lexsort((day, account))]
        again = (np.diff(account, prepend=-1) == 0) & (np.diff(day, prepend=-1) == 0)
        opens = np.flatnonzero(~(again & (rng.random(asks) < self._dials.follows)))
        who = account[opens]
        love = np.zeros(asks, bool)
        love[rng.permutation(asks)[: scene.loves]] = True
        return Visits.plan(
            scene.first_user + who,
            hours_of(rng, scene, day[opens], self.accounts.peak[who]),
            turns=np.diff(opens, append=asks),
            asked=rng.choice(slots_about(self.topic), size=asks),
            love=love,
            device=self.accounts.devices[who, 0],
            network=self.accounts.networks[who, 0],
        )


def probe(config: WorldConfig, count: int, rng: np.random.Generator) -> Exchanges:
    """Exchanges about the topic."""
    return examples_about(rng, count, target_topic(config, SlowDrip.name))
