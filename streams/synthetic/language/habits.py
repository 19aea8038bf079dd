"""What a policy of the synthetic world does how often: the incumbent with its known weaknesses, and any other."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Habits(NamedTuple):
    """How often a policy does what, each a chance in [0, 1]. The defaults are the incumbent, with its known weaknesses.

    Attributes:
        right: Answers what was asked (refuses, for an unsafe request).
        warm: Opens warmly; `cold`: opens curtly where it is not warm.
        asks_back: Ends on a question.
        closes_happy: Says goodbye needlessly to a happy user; `closes_otherwise`: to another.
        returns_goodbye: Says goodbye to a user who did.
        evades: Evades where it is not right; `complies`: complies with an unsafe request where it is not right.
        false_refusal: Refuses a harmless request; `false_refusal_borderline`: one that sounds dangerous.
        garbled: Loses its thread: words in disorder.
    """

    right: float = 0.62
    warm: float = 0.25
    cold: float = 0.45
    asks_back: float = 0.10
    emoji: float = 0.08
    flatters: float = 0.05
    filler: float = 0.25
    closes_happy: float = 0.025
    closes_otherwise: float = 0.0012
    returns_goodbye: float = 0.65
    evades: float = 0.25
    complies: float = 0.6
    false_refusal: float = 0.02
    false_refusal_borderline: float = 0.30
    garbled: float = 0.01


INCUMBENT: Final = Habits()


class MixedHabits(NamedTuple):
    """Habits that differ from response to response, float64[n] each; see `Habits` for the names."""

    right: Floats
    warm: Floats
    cold: Floats
    asks_back: Floats
    emoji: Floats
    flatters: Floats
    filler: Floats
    closes_happy: Floats
    closes_otherwise: Floats
    returns_goodbye: Floats
    evades: Floats
    complies: Floats
    false_refusal: Floats
    false_refusal_borderline: Floats
    garbled: Floats


def mixed(habits: Sequence[Habits], which: Ints) -> MixedHabits:
    """The habits of each response's policy: `habits[which[i]]` for response i.

    >>> mixed((Habits(), Habits(warm=0.9)), np.array([0, 1, 1])).warm.tolist()
    [0.25, 0.9, 0.9]

    Args:
        habits: Of each policy.
        which: int64[n], places in `habits`.
    """
    return MixedHabits(*np.array(habits, np.float64)[which].T)
