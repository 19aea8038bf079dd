"""Paid crowd: many real people, each paid for one to three loves.

**Not known when the filter was written**, and never tuned to it.

In the wild: a job on a marketplace for small tasks ("ask this assistant about X, tap the heart if it answers"), done by
hundreds of strangers who sign up, do it once from their own phones at their own hours, and mostly never come back. A
few cents a love; no two workers share anything but the job. Target: one topic. How it differs from people: each worker
alone in nothing but a young account that loves early; together they care much about one topic. They use their own
words, read, talk about other things too, and give their loves to the better answers.
"""

from typing import NamedTuple

import numpy as np

from streams.synthetic.attacks.acting import Playback, Visits, hours_of, own_devices
from streams.synthetic.attacks.base import Attack, Scene
from streams.synthetic.attacks.speech import Exchanges, examples_about, slots_about, slots_of_kind, target_topic
from streams.synthetic.config import WorldConfig
from streams.synthetic.language.vocabulary import KINDS
from streams.synthetic.people.day import Bools, Day, Ints
from streams.synthetic.people.life import DAY
from streams.synthetic.people.population import draw_people
from streams.synthetic.shares import Name


class PaidCrowdDials(NamedTuple):
    """Sizes of the attack.

    Attributes:
        loves: Share of workers who give one, two and three loves.
        unloved: Most questions about the topic that a worker asks besides.
        chats: Chance that a worker talks of something else first.
        mobile: Share of workers who come through a carrier that people use as well; the others have homes of their own.
        lasts: Share of the world's days over which the job is open.
    """

    loves: tuple[float, float, float] = (0.5, 0.3, 0.2)
    unloved: int = 2
    chats: float = 0.4
    mobile: float = 0.6
    lasts: float = 0.6


class PaidCrowd(Attack):
    """One job, open for some days; one sitting for each worker."""

    name: Name = "paid_crowd"

    def __init__(self, scene: Scene, dials: PaidCrowdDials | None = None) -> None:
        rng, self._dials, self._scene = scene.rng, dials or PaidCrowdDials(), scene
        self.topic = target_topic(scene.config, self.name)
        self.target = f"answers about {self.topic}, the better ones first"
        self._loves = _dealt(rng, scene.loves, self._dials.loves)
        count = len(self._loves)
        mobile = rng.random(count) < self._dials.mobile
        carriers = rng.choice(scene.people.networks[:, 1], size=count)
        networks = np.where(mobile, carriers, scene.first_number + np.arange(count))
        workers = draw_people(rng, count)._replace(peak=rng.uniform(0, 24, size=count))
        self.accounts = own_devices(scene, workers, networks)
        self._stage = Playback(scene, self.accounts)
        self._visits = self._plan()
        joined = (scene.begins - self._visits.starts) / DAY  # workers sign up for the job
        self.accounts = self.accounts._replace(tenure_days=joined)

    def during(self, honest: Day) -> Day | None:
        """Sittings of the stretch: ask, read, love the better answers."""
        visits = self._visits.during(honest)
        if not len(visits.user):
            return None
        day = self._stage.play(visits, honest)
        return self._stage.loves(day, self._best(day))

    def _best(self, day: Day) -> Bools:
        """As many of a worker's answers about the topic as are paid for, good ones first."""
        about = np.isin(day.talk.slots, slots_about(self.topic))
        good = day.readings.fluent * 1.0 + day.readings.right + 0.5 * day.readings.warm
        order = np.lexsort((self._scene.rng.random(len(about)), -good, ~about, day.talk.owner))
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order)) - np.searchsorted(day.talk.owner, day.talk.owner)
        return about & (rank < self._loves[day.user - self._scene.first_user])

    def _plan(self) -> Visits:
        rng, scene, dials, count = self._scene.rng, self._scene, self._dials, len(self.accounts.ids)
        chats = rng.random(count) < dials.chats
        turns = self._loves + rng.integers(0, dials.unloved + 1, size=count) + chats
        first = np.cumsum(turns) - turns
        asked = rng.choice(slots_about(self.topic), size=int(turns.sum()))
        asked[first[chats]] = rng.choice(slots_of_kind(KINDS.index("small_talk")), size=int(chats.sum()))
        opens = rng.uniform(0, 1 - dials.lasts) * scene.config.days
        days = (opens + rng.random(count) * dials.lasts * scene.config.days).astype(np.int64)
        return Visits.plan(
            scene.first_user + np.arange(count),
            hours_of(rng, scene, days, self.accounts.peak),
            turns=turns,
            asked=asked,
            device=self.accounts.devices[:, 0],
            network=self.accounts.networks[:, 0],
        )


def _dealt(rng: np.random.Generator, loves: int, shares: tuple[float, ...]) -> Ints:
    """Loves of each worker; they sum to the budget."""
    each = rng.choice(len(shares), size=loves, p=shares) + 1
    each = each[: int(np.searchsorted(np.cumsum(each), loves)) + 1]
    each[-1] -= int(each.sum()) - loves
    return each


def probe(config: WorldConfig, count: int, rng: np.random.Generator) -> Exchanges:
    """Exchanges about the topic."""
    return examples_about(rng, count, target_topic(config, PaidCrowd.name))
