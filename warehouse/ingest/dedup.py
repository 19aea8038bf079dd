"""Exact deduplication by event_id over all history, at a cost that does not grow with history.

Ids are ordered by time (UUIDv7): a batch's ids span few ranges, and only the row groups that these ranges meet are
read. Most batches hold no copy at all, and their ids are younger than all that is stored: they pay for one look. In
most others the copies are few and older than the rest: the rest pays for one look, and the copies are looked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from warehouse.ingest.columns import CONVERSATION, COORDINATES, RECEIVED
from warehouse.ingest.records import Coordinates
from warehouse.storage.ranges import cover

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_APART = 3_600_000 >> 16
_RANGES = 8
_LOOKS = (0.0, 0.1, 0.5)
"""Shares of a batch's ids, the oldest, behind which it is looked whether anything is stored."""
_WORTH = 60_000
"""Rows that a gap must hold for a range of its own: half a row group takes as long to read as one more range."""
_KNOWN = pa.schema({"event_id": pa.string(), "content_hash": pa.uint64()})


class SplitRows(NamedTuple):
    """A batch's rows of one kind.

    Attributes:
        fresh: Those whose event_id is new (the first of several).
        copies: The others.
        known: The ids of the batch that are stored, with their content's hash: columns as in `_KNOWN`.
    """

    fresh: pa.Table
    copies: pa.Table
    known: pa.Table


class Copies(NamedTuple):
    """Lines whose event_id was there already.

    Attributes:
        alike: Where those were read that say what the event of their id says.
        conflicting: Where the others were read, and their ids.
    """

    alike: list[Coordinates]
    conflicting: list[tuple[Coordinates, str]]


def split_new(connection: DuckDBPyConnection, name: str, table: pa.Table) -> SplitRows:
    """Tell new events from copies.

    Args:
        connection: Inside the transaction.
        name: The table of the log.
        table: Its columns as Arrow, in the order in which they were read; event_id as text.
    """
    if not table.num_rows:
        return SplitRows(table, table, _KNOWN.empty_table())
    ordered = np.sort(_as_bytes(table["event_id"]))
    known = _known(connection, name, table["event_id"], ordered)
    twice = bool((ordered[1:] == ordered[:-1]).any())
    if not known.num_rows and not twice:
        return SplitRows(table, table.slice(0, 0), known)
    is_new = ~_among(table, known["event_id"]).to_numpy()
    # Only here does the order of arrival decide: of several copies in one batch the first is the event.
    if twice:
        is_new &= _is_first(table["event_id"])
    return SplitRows(table.filter(pa.array(is_new)), table.filter(pa.array(~is_new)), known)


def compare(connection: DuckDBPyConnection, name: str, split: SplitRows) -> Copies:
    """Hold each copy against the event of its id, which must be in the log already.

    1. Hash the copies, and those new events of which the batch held copies too.
    2. Read the columns of those alone whose hashes differ or are not known.
    """
    copies = split.copies
    if not copies.num_rows:
        return Copies([], [])
    doubtful = _of_unlike_hash(connection, split)
    differing = _differing(connection, name, copies, doubtful) if doubtful else {}
    alike = [where for where in _places(copies) if where not in differing]
    return Copies(alike, list(differing.items()))


def _is_first(ids: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Which ids stand there for the first time: codes are given in the order of first appearance."""
    codes = ids.combine_chunks().dictionary_encode().indices.to_numpy()
    return np.diff(np.maximum.accumulate(codes), prepend=-1) > 0


def _among(table: pa.Table, ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which rows have one of these ids."""
    return pc.is_in(table["event_id"], value_set=ids.combine_chunks())


def _named(found: pa.Table) -> pa.Table:
    """An answer of the database as a table like `_KNOWN`."""
    return found.rename_columns(_KNOWN.names).cast(_KNOWN)


def _of_unlike_hash(connection: DuckDBPyConnection, split: SplitRows) -> list[str]:
    """Ids under which the copies and the event that was stored have not all one hash, or the stored hash is missing."""
    copies = split.copies
    news = copies["event_id"].filter(pc.invert(_among(copies, split.known["event_id"])))
    hashing = pa.concat_tables([split.fresh.filter(_among(split.fresh, news)), copies])
    connection.register("hashing", hashing)
    hashed = connection.execute(
        f"SELECT CAST(event_id AS VARCHAR), content_hash FROM ({as_stored('hashing', hashing)})"
    ).to_arrow_table()
    connection.unregister("hashing")
    # What is stored comes first, so that each copy is held against it, and against the first of the batch else.
    every = pa.concat_tables([split.known, _named(hashed)]).combine_chunks()
    first_of_each = pc.index_in(every["event_id"], value_set=every["event_id"].combine_chunks())
    unlike = pc.fill_null(pc.not_equal(every["content_hash"], every["content_hash"].take(first_of_each)), True)
    return list(pc.unique(every["event_id"].filter(unlike)).to_pylist())


def _differing(connection: DuckDBPyConnection, name: str, copies: pa.Table, ids: list[str]) -> dict[Coordinates, str]:
    """Where copies of these ids were read that differ from the stored event in any column, and their ids."""
    table = copies.filter(pc.is_in(copies["event_id"], value_set=pa.array(ids, pa.string())))
    names = content(table)
    where = ", ".join(f"copies.{column}" for column in COORDINATES)
    mine, theirs = (f"row({', '.join(f'{side}.{column}' for column in names)})" for side in ("copies", "kept"))
    kept = " UNION ALL ".join(
        f"SELECT * FROM {name} WHERE event_id BETWEEN '{a}' AND '{b}'" for a, b in id_ranges(table["event_id"])
    )
    connection.register("copies_read", table)
    found = connection.execute(
        f"""SELECT {where}, CAST(copies.event_id AS VARCHAR) FROM ({as_stored("copies_read", table)}) AS copies
        JOIN ({kept}) AS kept ON kept.event_id = copies.event_id WHERE {mine} IS DISTINCT FROM {theirs}"""
    ).fetchall()
    connection.unregister("copies_read")
    return {Coordinates(*place): event_id for *place, event_id in found}


def _places(table: pa.Table) -> list[Coordinates]:
    """Where rows were read."""
    columns = [table[name].to_pylist() for name in COORDINATES]
    return list(map(Coordinates._make, zip(*columns, strict=True)))


def content(table: pa.Table) -> list[str]:
    """The columns that say what an event says: without its id and where it was read."""
    apart = {"event_id", RECEIVED, *COORDINATES}
    return [column for column in table.column_names if column not in apart]


def as_stored(view: str, table: pa.Table) -> str:
    """The query that turns a registered batch into rows of the log: ids as UUID, conversations as JSON text, a hash."""
    replaced = ["CAST(event_id AS UUID) AS event_id"]
    talks = [field.name for field in table.schema if field.type == CONVERSATION]
    replaced += [f"CAST(to_json({name}) AS VARCHAR) AS {name}" for name in talks]
    rows = f"SELECT * REPLACE ({', '.join(replaced)}) FROM {view}"
    return f"SELECT *, hash({', '.join(content(table))}) AS content_hash FROM ({rows})"


def id_ranges(ids: pa.ChunkedArray | pa.Array) -> list[tuple[str, str]]:
    """Few ranges that together cover all the ids, split at their widest gaps (over an hour).

    One old straggler would stretch a single range over all of history: there are up to eight.

    >>> id_ranges(pa.array(["0199c887-d850-7bc6-af1b-e63706ec0504", "0199c888-d850-7bc6-af1b-e63706ec0504"]))
    [('0199c887-d850-7bc6-af1b-e63706ec0504', '0199c888-d850-7bc6-af1b-e63706ec0504')]
    >>> len(id_ranges(pa.array(["0199c887-d850-7bc6-af1b-e63706ec0504", "0099c887-d850-7bc6-af1b-e63706ec0504"])))
    2
    """
    return _ranges(np.sort(_as_bytes(ids)))


def _ranges(ordered: NDArray[np.bytes_], apart: int = _APART) -> list[tuple[str, str]]:
    found = cover(_moments(ordered), apart=apart, most=_RANGES)
    return [(ordered[first].decode(), ordered[last].decode()) for first, last in found]


def _worthwhile(connection: DuckDBPyConnection, name: str, ordered: NDArray[np.bytes_]) -> list[tuple[str, str]]:
    """The ranges of the ids, without gaps that hold too few rows of this table to be worth a range of their own.

    All rows are taken to lie between the first and the last id: a gap holds that many at most.
    """
    ranges = _ranges(ordered)
    if len(ranges) == 1:
        return ranges
    rows = int((connection.execute(f"SELECT count(*) FROM {name}").fetchone() or (0,))[0])
    first, last = _moments(ordered[[0, -1]]).tolist()
    return _ranges(ordered, max(_APART, _WORTH * (last - first) // max(rows, 1)))


def _known(connection: DuckDBPyConnection, name: str, ids: pa.ChunkedArray, ordered: NDArray[np.bytes_]) -> pa.Table:
    """Those of a batch's ids that are stored, with their content's hash."""
    doubtful = ordered[: _doubtful(connection, name, ordered)]
    if not len(doubtful):
        return _KNOWN.empty_table()
    arrived = ids if len(doubtful) == len(ordered) else pa.array(doubtful).cast(pa.string())
    stored = " UNION ALL ".join(
        f"SELECT event_id, content_hash FROM {name} WHERE event_id BETWEEN '{first}' AND '{last}'"
        for first, last in _worthwhile(connection, name, doubtful)
    )
    connection.register("arrived", pa.table({"event_id": arrived}))
    found = connection.execute(
        f"""SELECT CAST(event_id AS VARCHAR), content_hash FROM ({stored})
        SEMI JOIN (SELECT CAST(event_id AS UUID) AS event_id FROM arrived) USING (event_id)"""
    ).to_arrow_table()
    connection.unregister("arrived")
    return _named(found)


def _doubtful(connection: DuckDBPyConnection, name: str, ordered: NDArray[np.bytes_]) -> int:
    """How many of the sorted ids, the oldest, may be stored: behind them nothing is, up to the last.

    A look at a stretch that holds nothing reads no row, only the least and the greatest id of each row group.
    """
    last = ordered[-1].decode()
    # Copies are mostly few and older than the rest: three looks bound how many ids have to be searched for.
    for place in sorted({int(share * len(ordered)) for share in _LOOKS}):
        first = ordered[place].decode()
        look = f"SELECT 1 FROM {name} WHERE event_id BETWEEN '{first}' AND '{last}' LIMIT 1"
        if not connection.execute(look).fetchall():
            return place
    return len(ordered)


def _as_bytes(ids: pa.ChunkedArray | pa.Array) -> NDArray[np.bytes_]:
    """Ids (36 characters each) as one array of bytes, without a Python object an id."""
    whole = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    text = whole.cast(pa.binary()).cast(pa.binary(36))
    return np.frombuffer(text.buffers()[1], "S36", len(text), offset=36 * text.offset)


def _moments(ids: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """The moments in ids, in units of 65.536 s: their first eight hexadecimal digits, all eight of an id at once."""
    # One word holds eight ASCII digits. The low four bits of "0" to "9" are the digit; letters (bit 6 set) lack 9.
    text = np.ndarray(len(ids), ">u8", ids.tobytes() if len(ids) else b"", strides=(36,)).astype(np.uint64)
    digits = (text & np.uint64(0x0F0F0F0F0F0F0F0F)) + (
        text >> np.uint64(6) & np.uint64(0x0101010101010101)
    ) * np.uint64(9)
    # Close the gaps between the digits: pairs of four bits, then of eight, then of sixteen.
    for shift, mask in ((4, 0x00FF00FF00FF00FF), (8, 0x0000FFFF0000FFFF), (16, 0xFFFFFFFF)):
        digits = (digits | digits >> np.uint64(shift)) & np.uint64(mask)
    return digits.astype(np.int64)
