"""Camouflaged farm: small groups of aged accounts that live like people and now and then love what they are paid for.

In the wild: reputation agencies with "warm" accounts: bought or raised over months, used through residential proxies,
told to act hours apart and to like popular things too, so that nothing but the target is odd (the case FRAUDAR's bound
is about). Dear: weeks of upkeep for a few loves an account. Target: one topic. How it differs from people: a group's
members ask about the same thing within an hour or two, a few times; half of their loves go to it, the others to what
honest people love most; most of their use is ordinary.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np

from streams.synthetic.attacks.acting import Playback, Visits, own_devices, together, usual_visits
from streams.synthetic.attacks.base import Attack, Scene
from streams.synthetic.attacks.speech import Exchanges, examples_about, slots_about, target_topic
from streams.synthetic.config import WorldConfig
from streams.synthetic.language.talk import TURNS, draw_turns
from streams.synthetic.people.day import REACTIONS, Day, Floats, Ints
from streams.synthetic.people.life import DAY, HOUR
from streams.synthetic.people.population import draw_people
from streams.synthetic.shares import Name


class CamouflagedFarmDials(NamedTuple):
    """Sizes of the attack.

    Attributes:
        loves: Loves of one account, about; sets how many there are.
        group: Accounts of a group, about.
        target_share: Share of loves that go to the target; the others go to popular responses.
        love_share: Share of the target's answers that are loved.
        takes_part: Share of a group's accounts that act in a campaign.
        jitter_ms: Standard deviation of an account's visit about its campaign's moment.
        ordinary: Ordinary conversations of one account, about, over the world's days.
        searches: Visits to popular requests for each love that they are to earn.
    """

    loves: int = 8
    group: int = 7
    target_share: float = 0.5
    love_share: float = 0.85
    takes_part: float = 0.8
    jitter_ms: int = 5_400_000
    ordinary: int = 12
    searches: float = 1.6


class CamouflagedFarm(Attack):
    """Campaigns for the target, popular loves for cover, and ordinary use."""

    name: Name = "camouflaged_farm"

    def __init__(self, scene: Scene, dials: CamouflagedFarmDials | None = None) -> None:
        rng, self._dials, self._scene = scene.rng, dials or CamouflagedFarmDials(), scene
        self.topic = target_topic(scene.config, self.name)
        self.target = f"answers about {self.topic}, right or wrong"
        count = max(3, round(scene.loves / self._dials.loves))
        networks = rng.choice(scene.people.networks[:, 0], size=count)  # residential proxies: other people's homes
        people = draw_people(rng, count)._replace(tenure_days=rng.uniform(30, 400, size=count))
        self.accounts = own_devices(scene, people, networks)
        self._stage = Playback(scene, self.accounts)
        self._popular: Counter[int] = Counter()
        paid = max(1, scene.loves - round(self._by_chance(count)))
        wanted = max(1, round(paid * self._dials.target_share))
        self._cover, self._covered = paid - wanted, 0
        self._campaigns = self._plan_campaigns(wanted)
        self._searches = self._plan_use(round(self._cover * self._dials.searches))
        self._ordinary = self._plan_use(count * self._dials.ordinary, several=True)

    def during(self, honest: Day) -> Day | None:
        """1. Learn what people love. 2. Act for the target, for cover, and as anybody."""
        self._popular.update(honest.talk.slots[honest.reaction == REACTIONS.index("love")].tolist())
        campaigns, searches, ordinary = (
            visits.during(honest) for visits in (self._campaigns, self._searches, self._ordinary)
        )
        days = []
        if len(campaigns.user):
            days.append(self._stage.loves(self._stage.play(campaigns, honest), campaigns.love))
        if len(searches.user):
            days.append(self._search(searches, honest))
        if len(ordinary.user):
            days.append(self._stage.ordinary(ordinary, honest))
        return together(days)

    def _search(self, visits: Visits, honest: Day) -> Day:
        """Ask for what people love, and love the good answers, as far as the cover's budget goes."""
        if self._popular:
            slots, counts = np.array(list(self._popular.items()), np.float64).T
            asked = self._scene.rng.choice(slots, size=len(visits.user), p=counts / counts.sum()).astype(np.int64)
            visits = visits._replace(asked=asked)
        day = self._stage.play(visits, honest)
        passed = (honest.ends - self._scene.begins) / (self._scene.ends - self._scene.begins)
        owed = round(self._cover * passed) - self._covered
        good = np.flatnonzero(day.readings.fluent & (day.readings.right | day.readings.warm))[: max(0, owed)]
        self._covered += len(good)
        return self._stage.loves(day, np.isin(np.arange(len(day.user)), good))

    def _plan_campaigns(self, loves: int) -> Visits:
        rng, scene, dials, count = self._scene.rng, self._scene, self._dials, len(self.accounts.ids)
        asks = max(loves, round(loves / dials.love_share))
        groups = max(1, round(count / dials.group))
        group = np.arange(count) % groups
        campaigns = int(np.ceil(asks / (count * dials.takes_part))) * 2 + 2
        round_, member = np.nonzero(rng.random((campaigns, count)) < dials.takes_part)
        round_, who = round_[:asks], member[:asks]
        used = int(round_[-1]) + 1
        slot = rng.choice(slots_about(self.topic), size=(used, groups))
        love = np.zeros(len(who), bool)
        love[rng.permutation(len(who))[:loves]] = True
        return Visits.plan(
            scene.first_user + who,
            self._inside(self._moments(used, groups)[round_, group[who]] + rng.normal(0, dials.jitter_ms, len(who))),
            asked=slot[round_, group[who]],
            love=love,
            device=self.accounts.devices[who, 0],
            network=self.accounts.networks[who, 0],
        )

    def _moments(self, campaigns: int, groups: int) -> Ints:
        """When each group acts, int64[campaigns, groups]: spread over the days, each group at hours of its own."""
        rng, scene = self._scene.rng, self._scene
        part = (np.arange(campaigns)[:, None] + rng.random((campaigns, groups))) / campaigns
        hours = rng.uniform(8, 21, size=(campaigns, groups))
        return np.asarray(scene.begins + (part * scene.config.days).astype(np.int64) * DAY + (hours * HOUR), np.int64)

    def _inside(self, starts: Floats) -> Ints:
        return np.asarray(np.clip(starts, self._scene.begins, self._scene.ends - 2 * HOUR), np.int64)

    def _plan_use(self, count: int, *, several: bool = False) -> Visits:
        """Visits at the accounts' usual hours; of one turn, or of several as people's are."""
        rng, scene = self._scene.rng, self._scene
        who = rng.integers(0, len(self.accounts.ids), size=count)
        visits = usual_visits(scene, self.accounts, who)
        return visits.of_turns(draw_turns(rng, count)) if several else visits

    def _by_chance(self, count: int) -> float:
        """Loves that the ordinary use earns by itself, in expectation."""
        turns = sum(share * (place + 1) for place, share in enumerate(TURNS))
        return count * self._dials.ordinary * turns * self._scene.config.base_love_rate


def probe(config: WorldConfig, count: int, rng: np.random.Generator) -> Exchanges:
    """Exchanges about the topic."""
    return examples_about(rng, count, target_topic(config, CamouflagedFarm.name))
