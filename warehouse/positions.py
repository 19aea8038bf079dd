"""How far each partition has been read: stored with the rows, in one transaction, so that neither can be ahead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from warehouse.records import Coordinates, DeadLetter, Slot, Span

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class PositionMovedError(RuntimeError):
    """Another worker has stored part of what this one wanted to store. Nothing of it was stored again."""


def read(connection: DuckDBPyConnection) -> dict[Slot, int]:
    """The next offset to read of every partition that has been read."""
    rows = connection.execute("SELECT topic, topic_id, partition_id, next_offset FROM ingest_positions").fetchall()
    return {Slot(topic, topic_id, partition): offset for topic, topic_id, partition, offset in rows}


def advance(
    connection: DuckDBPyConnection, expected: Mapping[Slot, int], spans: Mapping[tuple[str, int], Span]
) -> None:
    """Move positions over what a batch holds.

    Args:
        connection: Inside the transaction that stores the batch.
        expected: The positions from which the batch was read.
        spans: What it holds of each (topic, partition).

    Raises:
        PositionMovedError: A stored position is not the expected one.
    """
    stored = read(connection)
    for slot, before in expected.items():
        span = spans[slot.topic, slot.partition]
        if stored.get(slot, 0) != before:
            raise PositionMovedError(
                f"{slot.topic}/{slot.partition} is stored up to {stored.get(slot, 0)}, "
                f"this batch was read from {before}: another worker moved it; "
                "read the positions again and drop the batch"
            )
        if slot not in stored:
            connection.execute("INSERT INTO ingest_positions VALUES (?, ?, ?, 0, 0, 0, 0, 0)", list(slot))
        connection.execute(
            """UPDATE ingest_positions SET next_offset = ?, messages = messages + ?, events = events + ?
            WHERE topic = ? AND topic_id = ? AND partition_id = ?""",
            [span.next, span.messages, span.events, *slot],
        )


def count(
    connection: DuckDBPyConnection, slots: Iterable[Slot], dropped: Iterable[Coordinates], dead: Iterable[DeadLetter]
) -> None:
    """Add a batch's dropped copies and dead letters to the totals of the partitions where they were read."""
    copies = Counter((where.topic, where.partition) for where in dropped)
    broken = Counter((letter.coordinates.topic, letter.coordinates.partition) for letter in dead)
    for slot in slots:
        key = (slot.topic, slot.partition)
        if copies[key] or broken[key]:
            connection.execute(
                """UPDATE ingest_positions SET duplicates = duplicates + ?, dead_letters = dead_letters + ?
                WHERE topic = ? AND topic_id = ? AND partition_id = ?""",
                [copies[key], broken[key], *slot],
            )
