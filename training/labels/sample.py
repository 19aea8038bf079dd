"""Which answers of the log are put to a judge: evenly over days and users, the same ones for the same seed."""

import hashlib
import json
from typing import Any

import numpy as np
import numpy.typing as npt

_DAY = 86_400_000_000  # microseconds


def keys(conversations: list[str], responses: list[str], *salts: str) -> list[str]:
    """SHA-256 of each pair with the salts, as 64 hexadecimal digits: names a pair without holding its text."""
    pairs = zip(conversations, responses, strict=True)
    return [hashlib.sha256(json.dumps([*salts, *pair]).encode()).hexdigest() for pair in pairs]


def spread(table: Any, count: int, seed: int) -> Any:
    """At most `count` rows of a training set, none of them twice, in the order of the table.

    Every day (UTC) gives as many rows as any other, as long as it has them; within a day a user's second row comes
    after every other user's first. What a row draws depends on its text and the seed alone, so that most of an earlier
    sample comes back when the set has grown.

    Args:
        table: pyarrow Table with conversation, response, user_id, served_at.
        count: Rows wanted; all distinct ones where there are fewer.
        seed: Which rows.
    """
    import pyarrow as pa

    names = keys(table["conversation"].to_pylist(), table["response"].to_pylist(), str(seed))
    _, first = np.unique(names, return_index=True)
    drawn = np.array([int(names[row][:15], 16) for row in first])
    days = table["served_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()[first] // _DAY
    users = np.unique(np.array(table["user_id"].to_pylist(), dtype=np.str_)[first], return_inverse=True)[1]
    of_user = _place_within(users, drawn)
    of_day = _place_within(days, of_user, drawn)
    picked = first[np.lexsort((drawn, of_day))[:count]]
    return table.take(np.sort(picked))


def _place_within(groups: npt.NDArray[Any], *by: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Each row's place in its group, from 0, when the group is sorted by `by`. Shapes [rows]."""
    order = np.lexsort((*by[::-1], groups))
    _, starts, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    places = np.empty(len(groups), dtype=np.int64)
    places[order] = np.arange(len(groups)) - np.repeat(starts, sizes)
    return places
