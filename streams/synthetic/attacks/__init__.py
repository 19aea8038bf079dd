"""The red-team suite: attacks on the feedback of the synthetic world, each with its ground truth.

Written without knowledge of any filter; the last two (`shares.UNSEEN`) after ours was finished. `docs/attacks.md`
compares them.
"""

from collections.abc import Sequence
from typing import Final, Protocol
from zlib import crc32

import numpy as np

from streams.synthetic.attacks import (
    burst_bots,
    camouflaged_farm,
    dictated_poison,
    hijacked_accounts,
    lockstep_farm,
    paid_crowd,
    replay_flood,
    slow_drip,
    targeted_arm,
    taste_clique,
    unsafe_trolls,
)
from streams.synthetic.attacks.base import Attack, Scene
from streams.synthetic.attacks.speech import Exchanges
from streams.synthetic.config import WorldConfig
from streams.synthetic.people.population import People
from streams.synthetic.shares import Name, budget

__all__ = ["Attack", "Exchanges", "Scene", "build", "probe"]


class _Begin(Protocol):
    def __call__(self, scene: Scene, /) -> Attack: ...


class _Probe(Protocol):
    def __call__(self, config: WorldConfig, count: int, rng: np.random.Generator, /) -> Exchanges: ...


_ATTACKS: Final[dict[Name, tuple[_Begin, _Probe]]] = {
    "burst_bots": (burst_bots.BurstBots, burst_bots.probe),
    "slow_drip": (slow_drip.SlowDrip, slow_drip.probe),
    "lockstep_farm": (lockstep_farm.LockstepFarm, lockstep_farm.probe),
    "camouflaged_farm": (camouflaged_farm.CamouflagedFarm, camouflaged_farm.probe),
    "hijacked_accounts": (hijacked_accounts.HijackedAccounts, hijacked_accounts.probe),
    "targeted_arm": (targeted_arm.TargetedArm, targeted_arm.probe),
    "dictated_poison": (dictated_poison.DictatedPoison, dictated_poison.probe),
    "unsafe_trolls": (unsafe_trolls.UnsafeTrolls, unsafe_trolls.probe),
    "replay_flood": (replay_flood.ReplayFlood, replay_flood.probe),
    "paid_crowd": (paid_crowd.PaidCrowd, paid_crowd.probe),
    "taste_clique": (taste_clique.TasteClique, taste_clique.probe),
}


def build(config: WorldConfig, people: People, rngs: Sequence[np.random.Generator]) -> tuple[Attack, ...]:
    """The attacks of a world, ready for its first day.

    Args:
        config: Names and shares.
        people: The honest ones.
        rngs: One for each attack, its only source of chance.

    Raises:
        ValueError: An attack cannot take place in such a world.
    """
    attacks: list[Attack] = []
    first_user, total = len(people.ids), sum(attack.share for attack in config.attacks)
    for place, (attack, rng) in enumerate(zip(config.attacks, rngs, strict=True)):
        loves = budget(attack.share, total, config.base_love_rate, config.responses)
        begin, _ = _ATTACKS[attack.name]
        attacks.append(begin(Scene(config, people, rng, place, loves, first_user)))
        first_user += len(attacks[-1].accounts.ids)
    return tuple(attacks)


def probe(name: Name, config: WorldConfig, count: int, seed: int = 0) -> Exchanges:
    """Fresh examples of what an attack wants lifted: how far their mean P[Love] moves is what it achieved.

    Args:
        name: Which attack.
        config: The attacked world; its seed says which topic or product.
        count: Exchanges.
        seed: Other seeds give other examples.

    Raises:
        ValueError: An attack on an A/B test, in a world without one.
    """
    rng = np.random.default_rng([config.seed, crc32(name.encode()), 1, seed])
    return _ATTACKS[name][1](config, count, rng)
