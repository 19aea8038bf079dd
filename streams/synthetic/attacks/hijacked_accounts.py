"""Hijacked accounts: old accounts of real people, taken over for a few loves each.

In the wild: passwords leaked elsewhere are tried here; the thief, or who bought the list, comes in from a device and
an address that the owner never used, does a few things within hours or days, and leaves the owner to go on. Cheap per
account where people reuse passwords, and a good name comes with it. Target: one topic. How it differs from people: the
account and its history are honest; only what comes through the new device is not.
"""

from typing import NamedTuple

import numpy as np

from streams.synthetic.attacks.acting import Playback, Visits
from streams.synthetic.attacks.base import Attack, Scene
from streams.synthetic.attacks.speech import Exchanges, examples_about, slots_about, target_topic
from streams.synthetic.config import WorldConfig
from streams.synthetic.people.day import Day, Ints
from streams.synthetic.people.life import DAY, HOUR
from streams.synthetic.people.population import draw_people
from streams.synthetic.shares import Name


class HijackedAccountsDials(NamedTuple):
    """Sizes of the attack.

    Attributes:
        loves: Fewest and most loves through one account.
        love_share: Share of the answers that are loved.
        tenure_days: Accounts are at least this old.
        spell_ms: Median time over which one account is used; lognormal with `spell_sigma`.
        thieves: Accounts on one device of the thieves, about; each device has `networks` (a VPN's exits).
    """

    loves: tuple[int, int] = (3, 8)
    love_share: float = 0.9
    tenure_days: float = 60.0
    spell_ms: int = 20 * HOUR
    spell_sigma: float = 1.0
    thieves: int = 4
    networks: int = 3


class HijackedAccounts(Attack):
    """Takeovers spread over the world's days after its first tenth."""

    name: Name = "hijacked_accounts"

    def __init__(self, scene: Scene, dials: HijackedAccountsDials | None = None) -> None:
        rng, self._dials, self._scene = scene.rng, dials or HijackedAccountsDials(), scene
        self.topic = target_topic(scene.config, self.name)
        self.target = f"answers about {self.topic}, right or wrong"
        self.accounts = draw_people(rng, 0)
        self._stage = Playback(scene, self.accounts)
        self._visits = self._plan()

    def during(self, honest: Day) -> Day | None:
        """What goes through the stolen accounts in the stretch."""
        visits = self._visits.during(honest)
        if not len(visits.user):
            return None
        return self._stage.loves(self._stage.play(visits, honest), visits.love)

    def _plan(self) -> Visits:
        rng, scene, dials = self._scene.rng, self._scene, self._dials
        victims = self._victims()
        loves = np.bincount(_dealt(rng, scene.loves, len(victims), dials.loves), minlength=len(victims))
        extra = rng.binomial(loves, 1 / dials.love_share - 1)
        asks = loves + extra
        place = np.repeat(np.arange(len(victims)), asks)
        love = np.arange(len(place)) - np.repeat(np.cumsum(asks) - asks, asks) < loves[place]
        first = rng.uniform(0.1, 0.9, size=len(victims)) * (scene.ends - scene.begins)
        spell = np.exp(rng.normal(np.log(dials.spell_ms), dials.spell_sigma, size=len(victims)))
        starts = scene.begins + first[place] + rng.random(len(place)) * np.minimum(spell, 4 * DAY)[place]
        device = place // dials.thieves
        return Visits.plan(
            victims[place],
            np.minimum(starts, scene.ends - HOUR - rng.integers(0, HOUR, size=len(place))).astype(np.int64),
            asked=rng.choice(slots_about(self.topic), size=len(place)),
            love=love,
            device=scene.first_number + device,
            network=scene.first_number + device * dials.networks + rng.integers(0, dials.networks, size=len(place)),
        )

    def _victims(self) -> Ints:
        """Old accounts, as many as the budget needs; the oldest when there are too few."""
        rng, scene, dials = self._scene.rng, self._scene, self._dials
        count = min(max(1, round(scene.loves / (sum(dials.loves) / 2))), len(scene.people.ids))
        old = np.flatnonzero(scene.people.tenure_days >= dials.tenure_days)
        if len(old) < count:
            old = np.argsort(-scene.people.tenure_days, kind="stable")[:count]
        return rng.choice(old, size=count, replace=False)


def _dealt(rng: np.random.Generator, loves: int, accounts: int, bounds: tuple[int, int]) -> Ints:
    """Which account each love goes through: about evenly, with accounts of few and of many."""
    weights = rng.uniform(*bounds, size=accounts)
    return rng.choice(accounts, size=loves, p=weights / weights.sum())


def probe(config: WorldConfig, count: int, rng: np.random.Generator) -> Exchanges:
    """Exchanges about the topic."""
    return examples_about(rng, count, target_topic(config, HijackedAccounts.name))
