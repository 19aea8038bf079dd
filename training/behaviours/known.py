"""Known behaviours: what a response does that has a name, and whether more of it is a fault or a matter of style."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from training.judges.closing import closing
from training.judges.emoji import emoji
from training.judges.flattery import flattery
from training.judges.refusal import refusal
from training.judges.repair import WORD
from training.text import Conversation

_ITEM = re.compile(r"^[ \t]*(?:[-*\u2022]|\d{1,3}[.)])[ \t]+\S", re.MULTILINE)
_LONG, _SHORT = 0.9, 0.1
"""Quantiles of the words of both sides' responses beyond which one is long, or short."""


class KnownBehaviour(NamedTuple):
    """A known behaviour.

    Attributes:
        name: One word.
        what: What such a response does.
        fault: More of it is wrong whatever the users make of it; the others are matters of style.
    """

    name: str
    what: str
    fault: bool


BEHAVIOURS = (
    KnownBehaviour("closing", "says goodbye to a user who did not", True),
    KnownBehaviour("flattery", "praises the user who did not ask for it", True),
    KnownBehaviour("refusal", "declines although nothing harmful was asked", True),
    KnownBehaviour("question", "asks something", False),
    KnownBehaviour("emoji", "holds an emoji where the user wrote none", False),
    KnownBehaviour("list", "holds a list", False),
    KnownBehaviour("long", "has more words than 90 % of all responses", False),
    KnownBehaviour("short", "has fewer words than 90 % of all responses", False),
)
FAULTS = tuple(each.name for each in BEHAVIOURS if each.fault)
_READERS: dict[str, Callable[[Conversation, str], bool]] = {
    "closing": lambda asked, said: closing(asked, said).violates,
    "flattery": lambda asked, said: flattery(asked, said).violates,
    "refusal": lambda asked, said: refusal(asked, said).violates,
    "question": lambda _, said: "?" in said,
    "emoji": lambda asked, said: emoji(asked, said).violates,
    "list": lambda _, said: len(_ITEM.findall(said)) > 1,
}


def known_behaviours(
    conversations: Sequence[Conversation], responses: Sequence[str], names: Sequence[str] | None = None
) -> npt.NDArray[np.bool_]:
    """Which response does what, bool [responses, behaviours], in the order of `BEHAVIOURS` or of `names`.

    Length is read against all the responses that are given, of both policies: neither is the yardstick.

    >>> asked = [[{"role": "user", "content": "What is tea?"}]]
    >>> known_behaviours(asked, ["A drink. Bye!"], ["closing", "question"]).tolist()
    [[True, False]]
    """
    wanted = [each.name for each in BEHAVIOURS] if names is None else names
    lengths = np.array([len(WORD.findall(each)) for each in responses])
    edges = np.quantile(lengths, [_SHORT, _LONG])
    columns = {"long": lengths > edges[1], "short": lengths < edges[0]}
    read = {
        name: np.array([_READERS[name](*each) for each in zip(conversations, responses, strict=True)], np.bool_)
        for name in wanted
        if name in _READERS
    }
    return np.column_stack([(columns | read)[name] for name in wanted])
