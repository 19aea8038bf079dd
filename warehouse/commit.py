"""One batch, one transaction: rows, flags, dead letters and the next positions become true together or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pyarrow as pa

from streams.events import ErasureRequested, Event, ReactionChanged, ResponseServed
from warehouse import live, positions, rules
from warehouse.decoding import CONTENT, COORDINATES, Batch, dead_table
from warehouse.records import Coordinates, DeadLetter, Slot

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.connection import Warehouse

TABLES: dict[type[Event], str] = {
    ResponseServed: "responses",
    ReactionChanged: "reactions",
    ErasureRequested: "erasures",
}
_APART = timedelta(hours=1)
_RANGES = 8


@dataclass
class Committed:
    """What one transaction did.

    Attributes:
        rows: New rows by table.
        duplicates: Copies dropped.
        dead: Dead letters, those included that only the warehouse could see (`conflicting_copy`).
    """

    rows: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    dead: list[DeadLetter] = field(default_factory=list)


def commit(warehouse: Warehouse, batch: Batch, expected: Mapping[Slot, int]) -> Committed:
    """Store a decoded batch.

    1. Open, begin, and move the position of every partition from the expected offset to the one behind the batch's
       last. A position that somebody else moved meanwhile ends it here: nothing is stored.
    2. Drop events whose event_id is in the log, or came twice in the batch; a copy that says something else than the
       first one is a dead letter (`conflicting_copy`), since nobody can say which is true.
    3. Insert the rest, bring the flags up to date, insert the dead letters, count.
    4. Commit and close.

    Args:
        warehouse: Where to.
        batch: Decoded records.
        expected: For each partition of the batch, the stored position from which it was read.

    Raises:
        PositionMovedError: Another worker has stored (part of) this; read the positions again and drop the batch.
        WarehouseError: As `Warehouse.transaction`.
    """
    with warehouse.transaction() as connection:
        positions.advance(connection, expected, batch.spans)
        done = Committed(dead=list(batch.dead))
        dropped = [
            where for kind, table in batch.tables.items() for where in _store(connection, kind, table, batch, done)
        ]
        rules.flag(connection)
        done.rows |= {
            "flags": live.store_flags(connection, batch.flags),
            "live_metrics": live.store_metrics(connection, batch.metrics),
        }
        _insert_dead(connection, done.dead)
        positions.count(connection, expected, dropped, done.dead)
    done.duplicates = len(dropped)
    return done


def _store(
    connection: DuckDBPyConnection, kind: type[Event], table: pa.Table, batch: Batch, done: Committed
) -> list[Coordinates]:
    """Insert what is new of one kind, and leave it registered as `new_<table>`; returns where copies were read."""
    name = TABLES[kind]
    ids = table.column("event_id").to_pylist()
    known = _known(connection, name, ids)
    seen = set(known)
    is_new = [not (event_id in seen or seen.add(event_id)) for event_id in ids]  # type: ignore[func-returns-value]
    fresh = table if all(is_new) else table.filter(pa.array(is_new))
    connection.register(f"new_{name}", fresh)
    connection.execute(f"INSERT INTO {name} SELECT * REPLACE (CAST(event_id AS UUID) AS event_id) FROM new_{name}")
    done.rows[name] = fresh.num_rows
    return (
        _copies(connection, kind, table.filter(pa.array([not new for new in is_new])), batch, done)
        if fresh is not table
        else []
    )


def _known(connection: DuckDBPyConnection, name: str, ids: list[str]) -> list[str]:
    """Those of a batch's ids that are stored. Only the ranges that the batch covers are scanned.

    Ids are ordered by time (UUIDv7), so that a range meets few row groups. One old straggler would stretch a single
    range over all of history: ids more than an hour apart start another range, up to eight.
    """
    stored = " UNION ALL ".join(
        f"SELECT event_id FROM {name} WHERE event_id BETWEEN '{first}' AND '{last}'" for first, last in id_ranges(ids)
    )
    if not stored:
        return []
    connection.register("arrived", pa.table({"event_id": ids}))
    found = connection.execute(
        f"""SELECT CAST(event_id AS VARCHAR) FROM ({stored})
        SEMI JOIN (SELECT CAST(event_id AS UUID) AS event_id FROM arrived) USING (event_id)"""
    ).fetchall()
    connection.unregister("arrived")
    return [row[0] for row in found]


def _copies(
    connection: DuckDBPyConnection, kind: type[Event], copies: pa.Table, batch: Batch, done: Committed
) -> list[Coordinates]:
    """Tell true copies (returned) from events that took another's id (dead letters)."""
    names = [column for column in CONTENT[kind] if column != "event_id"]
    where = ", ".join(f"copies.{column}" for column in COORDINATES)
    mine, theirs = (f"row({', '.join(f'{side}.{column}' for column in names)})" for side in ("copies", "kept"))
    ranges = " OR ".join(
        f"event_id BETWEEN '{a}' AND '{b}'" for a, b in id_ranges(copies.column("event_id").to_pylist())
    )
    connection.register("copies", copies)
    found = connection.execute(
        f"""SELECT {where}, {mine} IS DISTINCT FROM {theirs}, copies.event_id
        FROM copies
        JOIN (SELECT * FROM {TABLES[kind]} WHERE {ranges}) AS kept ON kept.event_id = CAST(copies.event_id AS UUID)"""
    ).fetchall()
    connection.unregister("copies")
    for *coordinates, conflicting, event_id in found:
        if conflicting:
            place = Coordinates(*coordinates)
            detail = f"event_id {event_id} was taken with other content; an id names one event: give this one its own"
            done.dead.append(DeadLetter(place, "conflicting_copy", detail, *batch.received(place)))
    return [Coordinates(*row[:4]) for row in found if not row[4]]


def id_ranges(ids: Iterable[str]) -> list[tuple[str, str]]:
    """Few ranges that together cover all the ids, split at their widest gaps (over an hour).

    >>> id_ranges(["0199c887-d850-7bc6-af1b-e63706ec0504", "0199c888-d850-7bc6-af1b-e63706ec0504"])
    [('0199c887-d850-7bc6-af1b-e63706ec0504', '0199c888-d850-7bc6-af1b-e63706ec0504')]
    >>> len(id_ranges(["0199c887-d850-7bc6-af1b-e63706ec0504", "0099c887-d850-7bc6-af1b-e63706ec0504"]))
    2
    """
    ordered = sorted(ids)
    if not ordered:
        return []
    times = [int(text[:8] + text[9:13], 16) for text in ordered]
    limit = _APART.total_seconds() * 1000
    gaps = [(after - before, i + 1) for i, (before, after) in enumerate(pairwise(times)) if after - before > limit]
    starts = sorted(i for _, i in sorted(gaps, reverse=True)[: _RANGES - 1])
    return [(ordered[a], ordered[b - 1]) for a, b in zip([0, *starts], [*starts, len(ordered)], strict=True)]


def _insert_dead(connection: DuckDBPyConnection, dead: list[DeadLetter]) -> None:
    if dead:
        connection.register("dead", dead_table(dead))
        connection.execute("INSERT INTO dead_letters SELECT * FROM dead")
        connection.unregister("dead")
