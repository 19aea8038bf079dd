"""A seeded product in event time: people come, talk and react; attackers join them; the network delays and repeats.

Stretch by stretch, at most a day each: 1. who comes (those who were pleased come more often), what is said and how it
is received, by the hidden truth (`life`), 2. what each attack does meanwhile (`attacks`), 3. when each line arrives
(`network`), 4. the lines that have arrived are written, with their truth (`files`). Nothing here reads the wall clock,
and memory holds the users and a stretch, however many responses there are.

People, and the network's chances for their lines, have generators of their own: their lines are the same whatever the
attacks do.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from streams.synthetic import attacks as red_team
from streams.synthetic.attacks.base import Attack
from streams.synthetic.config import Amounts, WorldConfig
from streams.synthetic.moments import moment
from streams.synthetic.people.day import HONEST, Day
from streams.synthetic.people.life import Life
from streams.synthetic.people.population import joined
from streams.synthetic.shares import AttackShare
from streams.synthetic.social import members
from streams.synthetic.wire.files import Files, named
from streams.synthetic.wire.network import Loves, Network
from streams.synthetic.wire.tally import together

__all__ = ["Amounts", "WorldConfig", "overlays", "simulate"]


class _Team:
    """The attacks of one stream, and the network that each posts through."""

    def __init__(self, config: WorldConfig, life: Life) -> None:
        """Chances depend on the seed and an attack's name alone, not on the other attacks."""
        self.config, self._life = config, life
        people = life.people
        self._begins: dict[int, int] = {}
        seeds = [np.random.default_rng([config.seed, crc32(attack.name.encode())]) for attack in config.attacks]
        acting, posting = zip(*(rng.spawn(2) for rng in seeds), strict=True) if seeds else ((), ())
        self.attacks: tuple[Attack, ...] = red_team.build(config, people, acting) if seeds else ()
        self.people = joined([people, *(attack.accounts for attack in self.attacks)])
        self.networks = [Network(config, rng, self.people) for rng in posting]
        self._owner = np.repeat(
            np.arange(-1, len(seeds)), [len(people.ids), *(len(a.accounts.ids) for a in self.attacks)]
        )

    def join(self, honest: Day, files: Files, recorded: dict[str, bytes]) -> None:
        """Do what the attacks do during a stretch."""
        for place, (attack, network) in enumerate(zip(self.attacks, self.networks, strict=True)):
            doing = attack.during(honest)
            if doing is not None:
                self._begins.setdefault(place, honest.begins)
                doing = network.named(doing)
                files.note(doing, network.post(doing, files.outbox, recorded))

    def users(self) -> pa.Table:
        """The truth about users. Stolen accounts are people who acted for an attack; their own doings are honest."""
        people, life = self.people, self._life
        acts = self._owner.copy()
        for place, network in enumerate(self.networks):
            acts[network.tally.seen] = place
        return pa.table(
            {
                "user_id": people.ids,
                "attack": named(acts, [attack.name for attack in self.config.attacks]),
                "stolen": (acts != HONEST) & (self._owner == HONEST),
                "tenure_days": people.tenure_days,
                "taste": people.taste,
                "activity": people.activity,
                "peak_hour": people.peak,
                "words_per_second": people.speed,
                **life.staying.told(moment(life.begins).date(), len(people.ids)),
                **(members(life.society, len(people.ids)) if life.society else {}),
            }
        )

    def report(self, files: Files, honest: Network | None) -> Amounts:
        """Write what is known at the end; gives the amounts."""
        amounts = together(self.config, honest.tally if honest else None, [each.tally for each in self.networks])
        files.describe(self.users(), [self._told(place, amounts) for place in range(len(self.attacks))])
        amounts.write(files.out / "amounts.json")
        return amounts

    def _told(self, place: int, amounts: Amounts) -> dict[str, Any]:
        share, attack = self.config.attacks[place], self.attacks[place]
        return {
            "name": share.name,
            "share": share.share,
            "loves": amounts.attack_loves.get(share.name, 0),
            "responses": amounts.attack_responses.get(share.name, 0),
            "begins": moment(self._begins[place]).isoformat() if place in self._begins else None,
            "accounts": amounts.attack_users[share.name],
            "target": attack.target,
        }


def simulate(config: WorldConfig, out: Path) -> Amounts:
    """Write a stream of events and its hidden truth.

    `out/events.ndjson` holds the lines in the order of their arrival, `out/truth/` what no product could know (users,
    responses, loves, attacks; see `files.Files`), `out/amounts.json` what was put in.

    Args:
        config: How much of everything.
        out: A directory, made if need be.

    Returns:
        The amounts, exact.

    Raises:
        ValueError: An attack cannot take place in such a world.
    """
    life, network = _begin(config)
    team = _Team(config, life)
    with Files(out, team.people, [attack.name for attack in config.attacks]) as files:
        for day, loves in _live(config, life, network, files):
            files.note(day, loves)
            team.join(day, files, network.remembered)
            files.send(day.ends)
        files.send()
        return team.report(files, network)


def overlays(config: WorldConfig, cells: Mapping[str, Sequence[AttackShare]], out: Path) -> dict[str, Amounts]:
    """Write one honest world, and beside it what different attacks on it would add.

    `out/honest/` is as `simulate` writes it without attacks; `out/CELL/` holds the attacks' lines and truth alone, in
    the order of their arrival. Honest lines and a cell's lines, merged, are a world under attack.

    Args:
        config: The honest world; its own attacks are left out.
        cells: Attacks by the name of the directory; `honest` is taken.
        out: A directory, made if need be.

    Returns:
        The amounts of `honest` and of each cell.

    Raises:
        ValueError: A cell is called `honest`, or an attack cannot take place in such a world.
    """
    if "honest" in cells:
        raise ValueError(f"cells {', '.join(cells)}: 'honest' is the name of the world without attacks; rename it")
    plain = config.model_copy(update={"attacks": ()})
    life, network = _begin(plain)
    teams = {
        cell: _Team(WorldConfig(**plain.model_dump() | {"attacks": tuple(attacks)}), life)
        for cell, attacks in cells.items()
    }
    with ExitStack() as stack:
        files = stack.enter_context(Files(out / "honest", life.people, []))
        beside = {
            cell: stack.enter_context(Files(out / cell, team.people, [attack.name for attack in team.config.attacks]))
            for cell, team in teams.items()
        }
        for day, loves in _live(plain, life, network, files):
            files.note(day, loves)
            files.send(day.ends)
            for cell, team in teams.items():
                team.join(day, beside[cell], network.remembered)
                beside[cell].send(day.ends)
        for each in (files, *beside.values()):
            each.send()
        amounts = {cell: team.report(beside[cell], None) for cell, team in teams.items()}
        return {"honest": _Team(plain, life).report(files, network)} | amounts


def _begin(config: WorldConfig) -> tuple[Life, Network]:
    living, wire = np.random.default_rng(config.seed).spawn(2)
    life = Life(config, living)
    return life, Network(config, wire, life.people)


def _live(config: WorldConfig, life: Life, network: Network, files: Files) -> Iterator[tuple[Day, Loves]]:
    """Live through the world; each stretch's honest lines and faults are posted when it is given."""
    for number in tqdm(range(config.days), desc="simulating days", disable=None, leave=False):
        for day in life.live(number):
            loves = network.post(day, files.outbox)
            network.disturb(day, files.outbox)
            yield day, loves
