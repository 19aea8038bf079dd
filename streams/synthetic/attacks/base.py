"""What every attack is: accounts of its own (or stolen ones), and what they do while the honest world goes on.

An attack is given the world's people, a budget of loves and a generator of its own. It sees what happens, stretch by
stretch, and never changes it: the honest world is the same with and without it.
"""

from typing import Final, NamedTuple, Protocol

import numpy as np

from streams.synthetic.config import WorldConfig
from streams.synthetic.moments import milliseconds
from streams.synthetic.people.life import DAY, Day
from streams.synthetic.people.population import People
from streams.synthetic.shares import Name

OWN_NUMBERS: Final = 1 << 40
"""Devices and networks of the attack at place j are numbered from `(j + 1) OWN_NUMBERS` on, people's lie below."""


class Scene(NamedTuple):
    """Where an attack happens.

    Attributes:
        config: The world's.
        people: Its honest people; the attack numbers its own accounts from `first_user` on.
        rng: The attack's only source of chance.
        place: Which of `config.attacks` it is.
        loves: Its budget, in loves.
        first_user: Number of its first account.
    """

    config: WorldConfig
    people: People
    rng: np.random.Generator
    place: int
    loves: int
    first_user: int

    @property
    def begins(self) -> int:
        """When the world begins, milliseconds since 1970."""
        return self.ends - self.config.days * DAY

    @property
    def ends(self) -> int:
        """When it ends; nothing happens after it."""
        return milliseconds(self.config.ends_at)

    @property
    def first_number(self) -> int:
        """Number of the attack's first device, and of its first network."""
        return (self.place + 1) * OWN_NUMBERS


class Attack(Protocol):
    """One attack.

    Attributes:
        name: As in `WorldConfig.attacks`.
        target: What it wants, in words.
        accounts: Users that it adds to the world's people; none when all are stolen.
    """

    name: Name
    target: str
    accounts: People

    def during(self, honest: Day) -> Day | None:
        """What the attack does while `honest` happens, or None; called for each stretch of the world, in order.

        Conversations that begin in `[honest.begins, honest.ends)`, whole ones: their later turns, reactions and echoes
        may lie after `honest.ends`, not after the world's end. `names` is empty, the network gives them; `attack` is
        the attack's place in the config, also on the rows of stolen accounts, whose owners' own rows are honest.
        """
        ...
