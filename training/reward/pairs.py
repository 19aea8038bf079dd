"""Pairs: two responses to one conversation, of which somebody preferred one. They are rows that a number couples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stats.bootstrap import bootstrap_over_users
from stats.estimate import Estimate, Floats

Rows = npt.NDArray[np.int64]
UNPAIRED = -1


def read_pairs(named: Sequence[Any], preferred: npt.NDArray[np.bool_], shared: Sequence[Any]) -> Rows:
    """The number of each row's pair, [rows]; `UNPAIRED` where it has none.

    >>> read_pairs(["a", None, "a"], np.array([True, True, False]), ["hi", "", "hi"]).tolist()
    [0, -1, 0]

    Args:
        named: The pair's name of each row, or None.
        preferred: Which rows were, [rows].
        shared: What the rows of a pair must have in common: conversation, user and moment.

    Raises:
        ValueError: A pair that is not two rows of one conversation, user and moment, of which one was preferred.
    """
    members: dict[Any, list[int]] = {}
    for row, name in enumerate(named):
        if name is not None:
            members.setdefault(name, []).append(row)
    pairs = np.full(len(named), UNPAIRED)
    for number, (name, rows) in enumerate(members.items()):
        if len(rows) != 2:
            where = ", ".join(f"{row + 1:,}" for row in rows[:5]) + ", ..." * (len(rows) > 5)
            rule = "a pair is two rows: the preferred response and the other"
            raise ValueError(f"pair {name!r} has {len(rows)} row{'s' * (len(rows) > 1)} ({where}), {rule}")
        first, second = rows
        where = f"pair {name!r}, rows {first + 1:,} and {second + 1:,}"
        if shared[first] != shared[second]:
            raise ValueError(f"{where} differ: both must have the same conversation, user_id and served_at")
        if preferred[first] == preferred[second]:
            kind = "preferred" if preferred[first] else "not preferred"
            raise ValueError(f"{where} are both {kind}: the label of one must be true, of the other false")
        pairs[rows] = number
    return pairs


def coupled(pairs: Rows | None, preferred: npt.NDArray[np.bool_]) -> Rows:
    """Row positions of the pairs, [pairs, 2], the preferred one first, as pairs begin; of None there are none.

    >>> coupled(np.array([1, -1, 0, 1, 0]), np.array([False, True, True, True, False])).tolist()
    [[3, 0], [2, 4]]
    """
    if pairs is None:
        return np.zeros((0, 2), dtype=np.int64)
    rows = np.flatnonzero(pairs != UNPAIRED)
    both = rows[np.lexsort((~preferred[rows], pairs[rows]))].reshape(-1, 2)
    return np.asarray(both[np.argsort(both.min(axis=1), kind="stable")])


def pair_accuracy(rows: Rows, logits: Floats, users: npt.NDArray[np.str_], *, seed: int = 0) -> Estimate:
    """Share of pairs whose preferred response has the higher logit, ties counting half; interval over users.

    Args:
        rows: [pairs, 2], see `coupled`.
        logits: Of every row.
        users: Of every row.
        seed: Of the bootstrap.
    """
    right = (np.sign(logits[rows[:, 0]] - logits[rows[:, 1]]) + 1) / 2
    return bootstrap_over_users(lambda drawn: float(right[drawn].mean()), users[rows[:, 0]], seed=seed)
