"""What each row belongs to: language, place in the conversation, tenure of the user, policy, task, topic.

Columns of the examples are taken where they are (`language`, `policy`, `task`, `topic`). Without `language` the script
of the letters stands in for it: it needs no model and no list of words, and it does not tell two languages in Latin
letters apart.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from training.reward.data import Examples, Rows

GIVEN = ("language", "policy", "task", "topic")
"""Optional columns of the examples, of text."""
_DAY = 86_400_000_000
_LETTERS = 200
"""Letters of a row that its script is read from."""

Groups = Mapping[str, npt.NDArray[np.str_]]
"""The group of each row, by dimension."""


def groups_of(table: Any, every: Examples, rows: Rows, *, by: Literal["users", "conversations"]) -> Groups:
    """The groups of some rows.

    Args:
        table: The pyarrow Table that `every` was read from.
        every: All examples: a user's tenure counts from the first of them.
        rows: Which rows.
        by: What the split kept apart; of labels there is no tenure, for an annotator is no user.
    """
    given = {name: _texts(table[name].take(rows.tolist())) for name in GIVEN if name in table.column_names}
    said = [every.conversations[row] for row in rows.tolist()]
    found = {name: each for name, each in given.items() if len(set(each.tolist())) > 1}
    if "language" not in given:
        texts = [f"{every.responses[row]} {turns[-1]['content']}" for row, turns in zip(rows, said, strict=True)]
        found["language"] = np.array([script(text) for text in texts])
    found["place"] = np.array([_place(sum(turn["role"] == "user" for turn in turns)) for turns in said])
    if by == "users":
        found["tenure"] = np.array([_tenure(days) for days in _days(every)[rows].tolist()])
    return found


def equal_contexts(examples: Examples) -> Rows:
    """Numbers what no response can change: the place in the conversation, and whether the user had loved in it before.

    Of rows with one number a reward must tell which response is better; across numbers it may merely know who reacts.
    """
    places = [min(sum(turn["role"] == "user" for turn in turns), 20) for turns in examples.conversations]
    loved = np.zeros(len(places), bool) if examples.context is None else examples.context[:, 2] > 0
    return np.array(places, dtype=np.int64) * 2 + loved


def _texts(column: Any) -> npt.NDArray[np.str_]:
    return np.array(["not known" if each is None else str(each) for each in column.to_pylist()])


def script(text: str) -> str:
    """The script of most letters, by the first word of their Unicode names.

    >>> script("Hello!"), script("Привет, Bob"), script("你好"), script("42 :-)")
    ('latin', 'cyrillic', 'cjk', 'no letters')
    """
    letters = [each for each in text if each.isalpha()][:_LETTERS]
    counted = Counter(map(_script_of, letters)).most_common(1)
    return counted[0][0] if counted else "no letters"


@lru_cache(maxsize=20_000)
def _script_of(letter: str) -> str:
    return unicodedata.name(letter, "unnamed").split()[0].lower()


def _place(turns: int) -> str:
    return f"turn {turns}" if turns < 3 else "turns 3 to 5" if turns <= 5 else "turn 6 or later"


def _days(every: Examples) -> npt.NDArray[np.int64]:
    """Whole days since the user's first row, of every row."""
    _, owner = np.unique(every.users, return_inverse=True)
    first = np.full(int(owner.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, owner, every.times)
    return np.asarray((every.times - first[owner]) // _DAY)


def _tenure(days: int) -> str:
    return (
        "first day" if days == 0 else "days 2 to 7" if days < 7 else "days 8 to 28" if days < 28 else "day 29 or later"
    )
