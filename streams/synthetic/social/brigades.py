"""Brigades: honest people who for some days go for or against a topic together.

Nothing here is bought or false: friends talk each other into it. So a filter that looks for people acting together must
be able to live with them. The rule is ours:

- a caller starts one, for a topic when the caller's opinion is +1, against it when it is -1; it ends on a given day;
- every day each person hears one friend of the first layer, and joins that friend's brigade with some chance when their
  own opinion is on its side;
- who is in a brigade opens a conversation with its topic with chance `ASKS`;
- on the topic, who is for it loves what they are shown with chance `LOVES` at least; who is against it never loves.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.language.slots import slots
from streams.synthetic.social.majority import Opinions
from streams.synthetic.social.multiplex import Layer

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

LASTS: Final = 4
"""Days of a brigade."""
LOVES: Final = 0.5
"""Chance of a heart from somebody who is for the topic."""
ASKS: Final = 0.5
"""Chance that somebody in a brigade opens a conversation with its topic."""
NO_TOPIC: Final = -1


class Brigades:
    """Who goes for or against what.

    Attributes:
        side: int8[n], +1 for, -1 against, 0 in no brigade.
        topic: int64[n], number in `topics()`, or `NO_TOPIC`.
    """

    def __init__(self, people: int) -> None:
        self.side = np.zeros(people, np.int8)
        self.topic = np.full(people, NO_TOPIC, np.int64)
        self._until = np.zeros(people, np.int64)

    def step(
        self, day: int, opinion: Opinions, layer: Layer, rng: np.random.Generator, *, calls: float, joins: float
    ) -> None:
        """Settle who is in a brigade on the next day.

        1. Brigades whose days are over end, for everybody in them.
        2. Whoever is in none hears one friend, and may join.
        3. Callers start new ones.

        Args:
            day: Number of the day that ends.
            opinion: int8[n], +1 or -1.
            layer: Of friends who hear each other.
            rng: The only source of chance.
            calls: New brigades, per person.
            joins: Chance to join a friend's brigade when on its side.
        """
        self._enter(self._until <= day, NO_TOPIC, 0, 0)
        count = len(self.side)
        friend = _one_friend(layer, rng)
        joining = (self.side == 0) & (self.side[friend] == opinion) & (rng.random(count) < joins)
        self._enter(joining, self.topic[friend][joining], opinion[joining], self._until[friend][joining])
        callers = (self.side == 0) & (rng.random(count) < calls)
        subjects = rng.integers(0, len(set(topics().tolist())), size=int(callers.sum()))
        self._enter(callers, subjects, opinion[callers], day + LASTS)

    def asks(self, user: Ints, rng: np.random.Generator) -> Ints:
        """The slot with which each of these users opens a conversation, int64[m]; -1 for any."""
        chance, which = rng.random((2, len(user)))
        members, begins, counts = _slots_by_topic()
        topic = self.topic[user]
        chosen = members[begins[topic] + (which * counts[topic]).astype(np.int64)]
        return np.where((topic != NO_TOPIC) & (chance < ASKS), chosen, -1)

    def rally(self, p_love: Floats, user: Ints, topic: Ints) -> Floats:
        """The chances of a heart once brigades have their way.

        Args:
            p_love: float64[m], chances without them.
            user: int64[m], who is shown the response.
            topic: int64[m], number of what it is about.
        """
        side = np.where((topic != NO_TOPIC) & (self.topic[user] == topic), self.side[user], 0)
        return np.select([side > 0, side < 0], [np.maximum(p_love, LOVES), 0.0], p_love)

    def _enter(self, who: NDArray[np.bool_], topic: Ints | int, side: Opinions | int, until: Ints | int) -> None:
        self.topic[who], self.side[who], self._until[who] = topic, side, until


@lru_cache(maxsize=1)
def topics() -> Ints:
    """Number of each slot's topic, int64[slots]; a slot without a topic is one of its own."""
    names = [slot.topic or f"slot {number}" for number, slot in enumerate(slots())]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], np.int64)


@lru_cache(maxsize=1)
def _slots_by_topic() -> tuple[Ints, Ints, Ints]:
    """Slots in the order of their topics, where each topic's begin among them, and how many it has."""
    counts = np.bincount(topics())
    return np.argsort(topics(), kind="stable"), np.cumsum(counts) - counts, counts


def _one_friend(layer: Layer, rng: np.random.Generator) -> Ints:
    """A random friend of each node, int64[n]; who has none hears themselves."""
    begins, friends = layer.links.indptr, layer.links.indices
    degree = np.diff(begins)
    place = begins[:-1] + (rng.random(len(degree)) * degree).astype(np.int64)
    return np.where(degree > 0, np.append(friends, 0)[np.minimum(place, len(friends))], np.arange(len(degree)))
