"""Attackers in a simulated A/B test: they come, are dealt to arms and are shown the arms' answers, as anybody is.

What an attack does, and when, is its own business (`streams.synthetic.attacks`). Here each of its responses becomes an
answer of the arm that its account was dealt to, to a prompt of the pool about the same thing where there is one.
"""

from collections.abc import Callable
from functools import cache
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from streams.synthetic import attacks as red_team
from streams.synthetic.attacks.base import Attack
from streams.synthetic.attacks.targeted_arm import MANNERS
from streams.synthetic.config import Experiment, WorldConfig
from streams.synthetic.language.text import INCUMBENT, Habits
from streams.synthetic.people.day import NO_ARM, Day
from streams.synthetic.people.population import People, arms_of, joined
from streams.synthetic.studies.answers import AnswerBook
from streams.synthetic.studies.placement import placed
from streams.synthetic.studies.trial_network import ServedArms, TrialNetwork
from streams.synthetic.wire.lines import LineQueue
from streams.synthetic.wire.tally import Tally

Ints = NDArray[np.int64]

_TRIES: Final = 10_000
"""Names that an account that aims at an arm may take until it is dealt there."""


class Intruders:
    """The attacks on one test.

    `targeted_arm` aims at the test's last arm that is not the control. Its accounts cannot choose: as many as half of
    them are in that arm, the others elsewhere, whatever the arms' shares are.

    Attributes:
        people: Everybody: the test's people first, then the accounts of each attack.
        accounts: Attack by the name of each account of its own.
    """

    def __init__(
        self,
        config: WorldConfig,
        people: People,
        book: AnswerBook,
        test: ServedArms,
        assign: Callable[[str], str],
    ) -> None:
        """Open the attackers' accounts.

        Raises:
            ValueError: An attack cannot take place in such a test.
        """
        self._book, self._test = book, test
        names = [share.name for share in config.attacks]
        config = config.model_copy(update={"experiment": _seen_by_attackers(book, test)})
        rngs = [np.random.default_rng([config.seed, crc32(name.encode())]).spawn(3) for name in names]
        self._attacks: tuple[Attack, ...] = red_team.build(config, people, [rng[0] for rng in rngs]) if names else ()
        parts = [self._opened(attack, rng[2], assign) for attack, rng in zip(self._attacks, rngs, strict=True)]
        self.people = joined([people, *parts])
        self.accounts = {user: name for name, part in zip(names, parts, strict=True) for user in part.ids}
        self._arm = placed(self.people.ids, assign, test.arms)
        self._networks = [TrialNetwork(config, rng[1], self.people, test) for rng in rngs]
        self._chance = [rng[2] for rng in rngs]
        self._rows = cache(self._rows_about)

    @property
    def tallies(self) -> list[Tally]:
        """What each attack has posted so far."""
        return [network.tally for network in self._networks]

    def join(self, honest: Day, outbox: LineQueue, recorded: dict[str, bytes]) -> None:
        """Do what the attacks do during a stretch."""
        for attack, network, rng in zip(self._attacks, self._networks, self._chance, strict=True):
            doing = attack.during(honest)
            if doing is not None:
                network.post(self._answered(network.named(doing), rng), outbox, recorded)

    def _opened(self, attack: Attack, rng: np.random.Generator, assign: Callable[[str], str]) -> People:
        """The accounts of an attack, by names under which they are dealt as the attack believes."""
        accounts, test = attack.accounts, self._test
        if attack.name != "targeted_arm":
            return accounts
        aims = arms_of(test.experiment, accounts.ids) == 1
        return accounts._replace(ids=[self._named(rng, assign, bool(each)) for each in aims])

    def _named(self, rng: np.random.Generator, assign: Callable[[str], str], aims: bool) -> str:
        wanted = self._test.arms[_aimed_at(self._test)]
        for _ in range(_TRIES):
            name = f"u{int(rng.integers(0, 2**62)):016x}"
            if (assign(name) == wanted) == aims:
                return name
        raise ValueError(
            f"targeted_arm found no account in {_TRIES:,} that is {'' if aims else 'not '}in arm {wanted!r}: "
            "leave the attack out, or give the arm another share of the users"
        )

    def _answered(self, day: Day, rng: np.random.Generator) -> Day:
        """The day with the arms' answers; each response opens a conversation."""
        arm = self._arm[day.user]
        serves, talk = np.where(arm == NO_ARM, self._test.control, arm), day.talk
        wanted = zip(serves.tolist(), talk.slots.tolist(), talk.kinds.tolist(), strict=True)
        row = np.array([rng.choice(self._rows(*each)) for each in wanted], np.int64)
        book, places = self._book, row.tolist()
        said = talk._replace(
            owner=np.arange(len(row)),
            turn=np.zeros(len(row), np.int64),
            kinds=book.readings.kind[row],
            slots=book.slot[row],
            conversations=[book.conversations[place] for place in places],
            responses=[book.texts[place] for place in places],
        )
        return day._replace(talk=said, readings=book.readings.take(row), arm=arm, sessions=day.names)

    def _rows_about(self, arm: int, slot: int, kind: int) -> Ints:
        """Opening answers of an arm about a slot; where it has none, to that kind of request; else any."""
        book = self._book
        mine = book.opening & (book.arm == arm)
        closer = (mine & (book.slot == slot) & (slot >= 0), mine & (book.readings.kind == kind), mine)
        return np.flatnonzero(next(rows for rows in closer if rows.any()))


def _aimed_at(test: ServedArms) -> int:
    return max(number for number in range(len(test.arms)) if number != test.control or len(test.arms) == 1)


def _seen_by_attackers(book: AnswerBook, test: ServedArms) -> Experiment | None:
    """The test as accounts that watch for a manner of speaking know it: how often each arm shows each manner."""
    if len(test.arms) < 2:
        return None
    control, aimed = (_manners(book, arm) for arm in (test.control, _aimed_at(test)))
    return Experiment(name=test.experiment, control=control, treatment=aimed)


def _manners(book: AnswerBook, arm: int) -> Habits:
    mine = book.arm == arm
    weight = book.weight[mine] / book.weight[mine].sum()
    shares = {name: float(weight @ getattr(book.readings, reading)[mine]) for name, reading in MANNERS.items()}
    return INCUMBENT._replace(**shares)
