"""The network of a simulated A/B test: as the world's, with the test's own arms and policies."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.config import WorldConfig
from streams.synthetic.people.day import NO_ARM, Day
from streams.synthetic.people.population import People
from streams.synthetic.studies.placement import control_of
from streams.synthetic.studies.visits import TrialSetting
from streams.synthetic.wire.network import Network, ResponseOrigin


class ServedArms(NamedTuple):
    """What events say of a test.

    Attributes:
        experiment: Its name.
        arms: Their names.
        policies: Version of each arm's policy; `control`: number of the arm whose policy serves users outside.
    """

    experiment: str
    arms: Sequence[str]
    policies: Sequence[str]
    control: int

    @classmethod
    def of(cls, experiment: str, arms: Sequence[str], policies: Mapping[str, str]) -> "ServedArms":
        """The arms with their policies.

        Raises:
            ValueError: An arm has no policy.
        """
        for arm in arms:
            if arm not in policies:
                raise ValueError(f"arm {arm!r} has no policy; policies names {', '.join(policies) or 'none'}")
        return cls(experiment, arms, [policies[arm] for arm in arms], control_of(arms))


class TrialNetwork(Network):
    """Posts what happens in a test."""

    def __init__(self, config: WorldConfig, rng: np.random.Generator, people: People, test: ServedArms) -> None:
        super().__init__(config, rng, people)
        self._test = test

    def _turns(self, day: Day) -> NDArray[np.int64]:
        """Two messages a turn: what was asked and answered before is in the conversation."""
        return np.array([len(each) // 2 for each in day.talk.conversations], dtype=np.int64)

    def _origin(self, arm: int) -> ResponseOrigin:
        """A response outside of the test names neither experiment nor arm."""
        test = self._test
        if arm == NO_ARM:
            return ResponseOrigin(test.policies[test.control], None, None)
        return ResponseOrigin(test.policies[arm], test.experiment, test.arms[arm])


def trial_config(setting: TrialSetting, exposures: int, starts_at: datetime) -> WorldConfig:
    """The test as network and attacks know it; no line breaks the contract, and no love is for a lost response."""
    world = setting.world
    return WorldConfig(
        **world.model_dump(exclude={"activity_sigma", "taste_sigma"}),
        seed=setting.visitors.key % 2**32,
        responses=exposures,
        users=len(setting.visitors.people.ids),
        ends_at=starts_at + timedelta(days=world.days),
        base_love_rate=setting.base_love_rate,
        orphans=0.0,
        malformed=0.0,
    )
