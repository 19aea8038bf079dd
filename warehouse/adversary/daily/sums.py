"""From a day's responses, their chances and the loves to sums by user; from rows of days to windows for `evidence`."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from warehouse.adversary.daily.days import ONE, WINDOW, Seen
from warehouse.adversary.daily.evidence import EvidenceSums

if TYPE_CHECKING:
    import pyarrow as pa

PARTS: Final = ("all", "unlikely")
"""Everything, and responses that others love `UNLIKELY` times less often than the day's average."""
UNLIKELY: Final = 4.0
LEAST: Final = 20.0
"""Floor of a chance of love: the day's mean over LEAST. No model knows rarer loves than that."""
MOOD: Final = 5.0
"""After a love in a conversation the chance of a further love there is MOOD times as high: people are in the mood.
On honest synthetic worlds 4.8 (pairs of loves within a conversation over the pairs expected)."""
MOST: Final = 0.5
LOVABLE: Final = 2.0
"""Cap of a chance of love: LOVABLE times the day's mean. Attackers can teach the model to rate their text highly.
The threshold makes up for what honest users lose by the cap (`lines`)."""
Floats = NDArray[np.float64]


def day_sums(seen: Seen, chance: Floats, chance_loved: Floats) -> pa.Table:
    """The evidence of a day: one row a user and part.

    Args:
        seen: The day.
        chance: float64[n], chance of a love of each of `seen.responses`.
        chance_loved: Likewise of `seen.loved`.

    Returns:
        Columns as the table `user_evidence`, sorted by user and part.
    """
    import pyarrow as pa

    served, late = loved_at_all(seen.responses, seen.loves), loved_at_all(seen.loved, seen.loves)
    usual = float(chance.mean()) if len(chance) else float(chance_loved.mean()) if len(chance_loved) else 0.0
    chance, chance_loved = held(chance, usual), held(chance_loved, usual)
    unlikely = np.concatenate([chance, chance_loved]) < usual / UNLIKELY
    moody = np.minimum(np.where(after_a_love(seen.responses, served), MOOD, 1.0) * chance, MOST)
    p, love = np.concatenate([moody, chance_loved]), np.concatenate([served, late])
    shown = np.concatenate([np.ones(len(served)), np.zeros(len(late))])
    users = pa.concat_arrays([_flat(seen.responses["user_id"]), _flat(seen.loved["user_id"])]).dictionary_encode()
    place = users.indices.to_numpy(zero_copy_only=False)
    tables = []
    for part, mine in zip(PARTS, (np.ones(len(p), bool), unlikely), strict=True):
        weights = (shown, shown * p, love * 1.0, love * -np.log(p))
        sums = np.stack([np.bincount(place, weight * mine, len(users.dictionary)) for weight in weights])
        there = np.flatnonzero((sums != 0).any(axis=0))
        columns = [pa.array(each[there]) for each in sums]
        tables.append(_rows(users.dictionary.take(pa.array(there)), seen.day, part, columns))
    return pa.concat_tables(tables).sort_by([("user_id", "ascending"), ("part", "ascending")])


def held(chance: Floats, usual: float) -> Floats:
    """Chances as loves are held against them, float64[n].

    Args:
        chance: float64[n], by the models.
        usual: Their mean over a day.
    """
    return np.clip(chance, usual / LEAST, min(usual * LOVABLE, MOST))


def _rows(users: pa.Array, day: date, part: str, sums: list[pa.Array]) -> pa.Table:
    import pyarrow as pa

    days, parts = pa.array([day] * len(users), pa.date32()), pa.array([part] * len(users), pa.string())
    exposures, expected, loves, surprise = sums
    columns = [users, days, parts, exposures.cast(pa.int64()), expected, loves.cast(pa.int64()), surprise]
    return pa.table(columns, names=["user_id", "day", "part", "exposures", "expected", "loves", "surprise"])


def loved_at_all(responses: pa.Table, loves: pa.Table) -> NDArray[np.bool_]:
    """Whether each response was loved by the user to whom it was shown, bool[n]."""
    import pyarrow as pa
    import pyarrow.compute as pc

    place = pc.index_in(responses["response_id"], _flat(loves["response_id"]))
    lover = _flat(loves["user_id"]).take(place.combine_chunks() if isinstance(place, pa.ChunkedArray) else place)
    own = pc.fill_null(pc.equal(lover, _flat(responses["user_id"])), False)
    return np.asarray(own.to_numpy(zero_copy_only=False), bool)


def after_a_love(responses: pa.Table, love: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each response comes after one of the same conversation that was loved, bool[n].

    Args:
        responses: user_id, conversation_id; in the order in which they were served.
        love: bool[n].
    """
    talks = _flat(responses["conversation_id"]).dictionary_encode()
    place = talks.indices.to_numpy(zero_copy_only=False)
    first = np.full(len(talks.dictionary), len(love))
    loved = np.flatnonzero(love)
    np.minimum.at(first, place[loved], loved)
    return np.asarray(np.arange(len(love)) > first[place], bool) if len(love) else love


def windows(users: pa.Array, rows: pa.Table, day: date) -> tuple[EvidenceSums, ...]:
    """The days of the window for some users, as `evidence.weigh` wants them.

    Args:
        users: Whom, distinct.
        rows: Rows of `user_evidence`, of these users and maybe others.
        day: The window's last day.

    Returns:
        One `EvidenceSums` a part, each of [users, WINDOW].
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    first = day - (WINDOW - 1) * ONE
    who = pc.index_in(rows["user_id"], users)
    rows, who = rows.filter(pc.is_valid(who)), who.drop_null().to_numpy()
    column = pc.days_between(pa.scalar(first, pa.date32()), rows["day"]).to_numpy()
    parts = pc.index_in(rows["part"], pa.array(PARTS)).to_numpy()
    sums = []
    for name in EvidenceSums._fields:
        grid = np.zeros((len(PARTS), len(users), WINDOW))
        np.add.at(grid, (parts, who, column), rows[name].to_numpy().astype(np.float64))
        sums.append(grid)
    return tuple(EvidenceSums(*(grid[part] for grid in sums)) for part in range(len(PARTS)))


def _flat(column: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
