"""Burst bots: scripts that love whatever they are shown, faster than anybody reads.

In the wild: accounts registered in bulk, run for minutes from rented servers, to make a product look loved or to sell
"engagement" by the thousand (GitHub's fake stars come like this). Cheap: no human time, one throw-away account for
twenty to eighty loves, a handful of server addresses for a wave of accounts. Target: everything. How it differs from
people: dwell under a second, no pauses for reading, dozens of loves in minutes, young accounts, few networks.
"""

from typing import NamedTuple

import numpy as np

from streams.synthetic.attacks.acting import Playback, Visits, own_devices
from streams.synthetic.attacks.base import Attack, Scene
from streams.synthetic.attacks.speech import Exchanges, ordinary_examples
from streams.synthetic.config import WorldConfig
from streams.synthetic.people.day import Day, Ints
from streams.synthetic.people.life import HOUR
from streams.synthetic.people.population import draw_people
from streams.synthetic.shares import Name


class BurstBotsDials(NamedTuple):
    """Sizes of the attack.

    Attributes:
        loves: Fewest and most loves of one bot.
        dwell_ms: Shortest and longest time from response to love; `pause_ms`: from one response to the next.
        wave: Bots that start within `wave_ms`; `networks`: server addresses that a wave shares.
    """

    loves: tuple[int, int] = (20, 80)
    dwell_ms: tuple[int, int] = (150, 700)
    pause_ms: tuple[int, int] = (900, 2_000)
    wave: int = 10
    wave_ms: int = 1_800_000
    networks: int = 3


class BurstBots(Attack):
    """Waves of bots at random moments."""

    name: Name = "burst_bots"
    target = "everything it is shown"

    def __init__(self, scene: Scene, dials: BurstBotsDials | None = None) -> None:
        rng, self._dials, self._scene = scene.rng, dials or BurstBotsDials(), scene
        sizes = _sizes(rng, scene.loves, self._dials.loves)
        count = len(sizes)
        wave = np.arange(count) // self._dials.wave
        networks = scene.first_number + wave * self._dials.networks + rng.integers(0, self._dials.networks, size=count)
        young = draw_people(rng, count)._replace(tenure_days=rng.uniform(0, 5, size=count))
        self.accounts = own_devices(scene, young, networks)
        self._stage = Playback(scene, self.accounts)
        self._visits = self._plan(sizes, wave, networks)

    def during(self, honest: Day) -> Day | None:
        """Bots at work: each response loved within a second."""
        visits = self._visits.during(honest)
        if not len(visits.user):
            return None
        day = self._stage.play(visits, honest)
        delay = self._scene.rng.integers(*self._dials.dwell_ms, size=len(day.user))
        return self._stage.reacts(day, np.ones(len(day.user), np.int64), delay)

    def _plan(self, sizes: Ints, wave: Ints, networks: Ints) -> Visits:
        rng, scene, dials = self._scene.rng, self._scene, self._dials
        waves = rng.integers(scene.begins, scene.ends - 2 * HOUR, size=int(wave[-1]) + 1)
        begins = waves[wave] + rng.integers(0, dials.wave_ms, size=len(sizes))
        bot = np.repeat(np.arange(len(sizes)), sizes)
        passed = np.cumsum(rng.integers(*dials.pause_ms, size=len(bot)))
        first = np.cumsum(sizes) - sizes
        return Visits.plan(
            scene.first_user + bot,
            begins[bot] + passed - passed[first][bot],
            device=self.accounts.devices[bot, 0],
            network=networks[bot],
        )


def _sizes(rng: np.random.Generator, loves: int, bounds: tuple[int, int]) -> Ints:
    """Loves of each bot; they sum to the budget."""
    sizes = rng.integers(bounds[0], bounds[1] + 1, size=loves // bounds[0] + 1)
    count = int(np.searchsorted(np.cumsum(sizes), loves)) + 1
    sizes = sizes[:count]
    sizes[-1] -= int(sizes.sum()) - loves
    return sizes


def probe(config: WorldConfig, count: int, rng: np.random.Generator) -> Exchanges:  # noqa: ARG001
    """Ordinary exchanges: the bots want to lift everything."""
    return ordinary_examples(rng, count)
