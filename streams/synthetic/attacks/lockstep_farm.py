"""Lockstep farm: groups of accounts that run the same script at the same time, campaign after campaign.

In the wild: click farms, where a few workers with racks of phones serve one client at a time; each phone holds several
accounts, all go out through the farm's own lines (the groups that SynchroTrap found at Facebook look like this). Costs
wages, phones and accounts that are used again for the next client. Target: one topic. How it differs from people: the
same prompts, word for word, within minutes of each other; shared phones and lines; short but human dwell.
"""

from typing import NamedTuple

import numpy as np

from streams.synthetic.attacks.acting import OWN_WORDS, Playback, Visits, own_devices
from streams.synthetic.attacks.base import Attack, Scene
from streams.synthetic.attacks.speech import Exchanges, examples_about, slots_about, target_topic
from streams.synthetic.config import WorldConfig
from streams.synthetic.people.day import Day, Ints
from streams.synthetic.people.life import DAY, HOUR
from streams.synthetic.people.population import NOTHING, draw_people
from streams.synthetic.shares import Name


class LockstepFarmDials(NamedTuple):
    """Sizes of the attack.

    Attributes:
        group: Fewest and most accounts of a group.
        loves: Loves of one account over all campaigns, about; sets how many groups there are.
        campaigns: Of one group, about.
        takes_part: Share of a group's accounts that run a campaign.
        love_share: Share of the answers that are loved.
        spread_ms: Standard deviation of an account's start about its campaign's.
        phone: Accounts on one phone.
        networks: Lines of one group.
        dwell_ms: Median time from response to love; lognormal with `dwell_sigma`.
        verbatim: Share of prompts pasted from the script; the others are worded freely.
    """

    group: tuple[int, int] = (15, 40)
    loves: int = 10
    campaigns: int = 4
    takes_part: float = 0.85
    love_share: float = 0.9
    spread_ms: int = 180_000
    phone: int = 4
    networks: int = 2
    dwell_ms: int = 2_500
    dwell_sigma: float = 0.5
    verbatim: float = 0.95


class LockstepFarm(Attack):
    """One script for each group and campaign: a few questions about the topic, in the same order."""

    name: Name = "lockstep_farm"

    def __init__(self, scene: Scene, dials: LockstepFarmDials | None = None) -> None:
        rng, self._dials, self._scene = scene.rng, dials or LockstepFarmDials(), scene
        self.topic = target_topic(scene.config, self.name)
        self.target = f"answers about {self.topic}, right or wrong"
        sizes = _groups(rng, max(2, scene.loves // self._dials.loves), self._dials.group)
        group = np.repeat(np.arange(len(sizes)), sizes)
        networks = scene.first_number + group * self._dials.networks
        networks = networks + rng.integers(0, self._dials.networks, size=len(group))
        people = draw_people(rng, len(group))._replace(tenure_days=rng.uniform(5, 90, size=len(group)))
        phones = scene.first_number + np.arange(len(group)) // self._dials.phone
        self.accounts = own_devices(scene, people, networks)._replace(
            devices=np.column_stack([phones, np.full(len(group), NOTHING)])
        )
        self._stage = Playback(scene, self.accounts)
        self._visits = self._plan(sizes)

    def during(self, honest: Day) -> Day | None:
        """The campaigns of the stretch: a glance at the answer, then the love."""
        visits = self._visits.during(honest)
        if not len(visits.user):
            return None
        day = self._stage.play(visits, honest)
        dwell = np.exp(self._scene.rng.normal(np.log(self._dials.dwell_ms), self._dials.dwell_sigma, len(day.user)))
        return self._stage.reacts(day, visits.love * 1, dwell.astype(np.int64))

    def _plan(self, sizes: Ints) -> Visits:
        """Each group gives its part of the budget, in campaigns spread over the days."""
        rng, scene = self._scene.rng, self._scene
        ends = np.round(np.cumsum(sizes) / sizes.sum() * scene.loves).astype(np.int64)
        parts = []
        first = 0
        for size, loves in zip(sizes.tolist(), np.diff(ends, prepend=0).tolist(), strict=True):
            if loves:
                parts.append(self._group(rng, np.arange(first, first + size), loves))
            first += size
        return Visits(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _group(self, rng: np.random.Generator, accounts: Ints, loves: int) -> Visits:
        """Campaigns of one group until the budget is spent; the last script ends where it is."""
        dials, scene = self._dials, self._scene
        asks = max(loves, round(loves / dials.love_share))
        campaign, member, turns = self._sittings(rng, len(accounts), asks)
        love = np.zeros(asks, bool)
        love[rng.permutation(asks)[:loves]] = True
        used = int(campaign[-1]) + 1
        asked, wording = self._scripts(rng, used, int(turns[0]))
        step = np.arange(asks) - np.repeat(np.cumsum(turns) - turns, turns)
        rows, free = np.repeat(campaign, turns), rng.random(asks) >= dials.verbatim
        starts = self._moments(rng, used)[campaign] + rng.normal(0, dials.spread_ms, size=len(turns)).astype(np.int64)
        who = accounts[member]
        return Visits.plan(
            scene.first_user + who,
            starts,
            turns=turns,
            asked=asked[rows, step],
            wording=np.where(free, OWN_WORDS, wording[rows, step]),
            love=love,
            device=self.accounts.devices[who, 0],
            network=self.accounts.networks[who, 0],
        )

    def _sittings(self, rng: np.random.Generator, accounts: int, asks: int) -> tuple[Ints, Ints, Ints]:
        """Campaign, member and length of each run of a script, int64[c] each; the lengths sum to `asks`."""
        dials = self._dials
        each = max(1.0, accounts * dials.takes_part)
        length = max(1, round(asks / (each * dials.campaigns)))
        count = int(np.ceil(asks / (each * length))) * 2 + 2
        campaign, member = np.nonzero(rng.random((count, accounts)) < dials.takes_part)
        kept = -(-asks // length)
        turns = np.full(kept, length, np.int64)
        turns[-1] -= kept * length - asks
        return campaign[:kept], member[:kept], turns

    def _scripts(self, rng: np.random.Generator, count: int, length: int) -> tuple[Ints, Ints]:
        """Slots and wordings of `count` scripts."""
        shape = (count, length)
        return rng.choice(slots_about(self.topic), size=shape), rng.integers(0, 2, size=shape)

    def _moments(self, rng: np.random.Generator, count: int) -> Ints:
        """When campaigns begin: one in each part of the world's days, in the farm's working hours (3 to 12 UTC)."""
        scene = self._scene
        day = ((np.arange(count) + rng.random(count)) * scene.config.days / count).astype(np.int64)
        return scene.begins + day * DAY + (rng.uniform(3, 12, size=count) * HOUR).astype(np.int64)


def _groups(rng: np.random.Generator, accounts: int, bounds: tuple[int, int]) -> Ints:
    """Sizes of groups that hold about so many accounts; a small farm is one group of the fewest."""
    groups = max(1, round(accounts / (sum(bounds) / 2)))
    if groups == 1:
        return np.array([min(max(accounts, bounds[0]), bounds[1])], np.int64)
    return rng.integers(bounds[0], bounds[1] + 1, size=groups)


def probe(config: WorldConfig, count: int, rng: np.random.Generator) -> Exchanges:
    """Exchanges about the topic."""
    return examples_about(rng, count, target_topic(config, LockstepFarm.name))
