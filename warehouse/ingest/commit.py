"""One batch, one transaction: rows, flags, dead letters and the next positions become true together or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from streams.events import ErasureRequested, Event
from warehouse.ingest import dedup, derived, live, positions, suppression
from warehouse.ingest.columns import TABLES
from warehouse.ingest.decoding import Batch, dead_table
from warehouse.ingest.records import Coordinates, DeadLetter, TopicPartition

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.storage.backend import Session, Warehouse


@dataclass
class Committed:
    """What one transaction did.

    Attributes:
        rows: New rows by table.
        duplicates: Copies dropped.
        erased: Lines dropped because their user had asked to be erased.
        removed: Rows taken out of the tables by requests of this batch, by table.
        dead: Dead letters, those included that only the warehouse could see (`conflicting_copy`).
        copies: Where the duplicates were read, as is `suppressed` of the erased lines.
    """

    rows: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    erased: int = 0
    removed: dict[str, int] = field(default_factory=dict)
    dead: list[DeadLetter] = field(default_factory=list)
    copies: list[Coordinates] = field(default_factory=list)
    suppressed: list[Coordinates] = field(default_factory=list)


def commit(warehouse: Warehouse | Session, batch: Batch, expected: Mapping[TopicPartition, int]) -> Committed:
    """Store a decoded batch.

    1. Open, begin, and move the position of every partition from the expected offset to the one behind the batch's
       last. A position that somebody else moved meanwhile ends it here: nothing is stored.
    2. Store requests for erasure first; erase: take out of the tables what they name, and drop what the batch brings
       of any erased user.
    3. Drop events whose event_id is in the log, or came twice in the batch; a copy that says something else than the
       first one is a dead letter (`conflicting_copy`), since it is unknown which is true.
    4. Insert the rest, bring the flags and the sums of experiments up to date, insert the dead letters, count.
    5. Commit and close.

    Args:
        warehouse: Where to.
        batch: Decoded records.
        expected: For each partition of the batch, the stored position from which it was read.

    Raises:
        PositionMovedError: Another worker has stored (part of) this; read the positions again and drop the batch.
        WarehouseError: As `Warehouse.transaction`.
    """
    with warehouse.transaction() as connection:
        # First, so that a worker that lost its partitions fails before it does any work on rows.
        positions.advance(connection, expected, batch.spans)
        done = store(connection, batch)
        _insert_dead(connection, done.dead, expected)
        positions.count(connection, expected, done.copies, done.dead, done.suppressed)
    return done


def store(connection: DuckDBPyConnection, batch: Batch) -> Committed:
    """Steps 2 to 4 of `commit` without dead letters and positions, inside a transaction of the caller."""
    done = Committed(dead=list(batch.dead))
    requests = _insert_new(
        connection, ErasureRequested, suppression.hashed(batch.tables[ErasureRequested]), batch, done
    )
    kept = suppression.erase(connection, batch, requests["event_id"].to_pylist())
    fresh = {TABLES[kind]: _insert_new(connection, kind, events, batch, done) for kind, events in kept.events.items()}
    # After the inserts: only they find copies that conflict, and an erased user's must not become letters.
    letters = suppression.keep_letters(connection, done.dead, kept.limits)
    # After rows came and went: flags and sums are functions of the log as it stands.
    derived.update(connection, fresh, kept.removed)
    done.rows |= {
        "flags": live.store_flags(connection, kept.flags),
        "live_metrics": live.store_metrics(connection, batch.metrics),
        "kill_switches": live.store_trips(connection, batch.trips),
    }
    done.dead = letters.kept
    done.suppressed = kept.dropped + letters.dropped
    done.duplicates = len(done.copies)
    done.erased = len(done.suppressed) + kept.dropped_flags
    done.removed = kept.removed.counts()
    return done


def _insert_new(
    connection: DuckDBPyConnection, kind: type[Event], table: pa.Table, batch: Batch, done: Committed
) -> pa.Table:
    """Insert what is new of one kind and return it; copies go into `done`."""
    name = TABLES[kind]
    split = dedup.split_new(connection, name, table)
    fresh = split.fresh
    if fresh.num_rows:
        connection.register("fresh", fresh)
        connection.execute(f"INSERT INTO {name} BY NAME {dedup.as_stored('fresh', fresh)}")
        connection.unregister("fresh")
    done.rows[name] = fresh.num_rows
    copies = dedup.compare(connection, name, split)
    done.copies += copies.alike
    for where, event_id in copies.conflicting:
        detail = f"event_id {event_id} was taken with other content; an id names one event: give this one its own"
        done.dead.append(DeadLetter(where, "conflicting_copy", detail, *batch.received(where)))
    return fresh


def _insert_dead(connection: DuckDBPyConnection, dead: list[DeadLetter], slots: Iterable[TopicPartition]) -> None:
    if dead:
        lives = {(slot.topic, slot.partition): slot.topic_id for slot in slots}
        ids = pa.array([lives[letter.coordinates.topic, letter.coordinates.partition] for letter in dead], pa.string())
        connection.register("dead", dead_table(dead).append_column("topic_id", ids))
        connection.execute("INSERT INTO dead_letters BY NAME SELECT * FROM dead")
        connection.unregister("dead")
