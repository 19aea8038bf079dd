"""How far each partition has been read: stored with the rows, in one transaction, so that neither can be ahead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from warehouse.ingest.records import Coordinates, DeadLetter, OffsetRange, TopicPartition

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class PositionMovedError(RuntimeError):
    """Another worker has stored part of what this one wanted to store. Nothing of it was stored again."""


def read(connection: DuckDBPyConnection) -> dict[TopicPartition, int]:
    """The next offset to read of every partition that has been read."""
    rows = connection.execute("SELECT topic, topic_id, partition_id, next_offset FROM ingest_positions").fetchall()
    return {TopicPartition(topic, topic_id, partition): offset for topic, topic_id, partition, offset in rows}


def advance(
    connection: DuckDBPyConnection, expected: Mapping[TopicPartition, int], spans: Mapping[tuple[str, int], OffsetRange]
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
            connection.execute("INSERT INTO ingest_positions VALUES (?, ?, ?, 0, 0, 0, 0, 0, 0)", list(slot))
        connection.execute(
            """UPDATE ingest_positions SET next_offset = ?, messages = messages + ?, events = events + ?
            WHERE topic = ? AND topic_id = ? AND partition_id = ?""",
            [span.next, span.messages, span.events, *slot],
        )


def count(
    connection: DuckDBPyConnection,
    slots: Iterable[TopicPartition],
    dropped: Iterable[Coordinates],
    dead: Iterable[DeadLetter],
    erased: Iterable[Coordinates] = (),
) -> None:
    """Add a batch's dropped copies, dead letters and lines of erased users to the totals of their partitions."""
    copies = Counter((where.topic, where.partition) for where in dropped)
    broken = Counter((letter.coordinates.topic, letter.coordinates.partition) for letter in dead)
    gone = Counter((where.topic, where.partition) for where in erased)
    for slot in slots:
        key = (slot.topic, slot.partition)
        if copies[key] or broken[key] or gone[key]:
            connection.execute(
                """UPDATE ingest_positions
                SET duplicates = duplicates + ?, dead_letters = dead_letters + ?, erased = erased + ?
                WHERE topic = ? AND topic_id = ? AND partition_id = ?""",
                [copies[key], broken[key], gone[key], *slot],
            )


def redriven(connection: DuckDBPyConnection, topic_id: str | None, outcomes: Mapping[Coordinates, str]) -> None:
    """Count dead letters that were judged again as what they turned out to be: stored, duplicate or erased.

    Args:
        connection: Inside the transaction that stores them.
        topic_id: The life of their topic; None in old letters: where there were several, the longest one is taken.
        outcomes: By the place where each was read.
    """
    found = Counter((where.topic, where.partition, outcome) for where, outcome in outcomes.items())
    for topic, partition in {(where.topic, where.partition) for where in outcomes}:
        stored, copies, gone = (found[topic, partition, name] for name in ("stored", "duplicate", "erased"))
        connection.execute(
            """UPDATE ingest_positions
            SET dead_letters = dead_letters - $all, duplicates = duplicates + $copies, erased = erased + $gone
            WHERE topic = $topic AND partition_id = $partition AND topic_id = coalesce($life, (
                SELECT arg_max(topic_id, events) FROM ingest_positions
                WHERE topic = $topic AND partition_id = $partition
            ))""",
            {"all": stored + copies + gone, "copies": copies, "gone": gone, "topic": topic, "partition": partition,
             "life": topic_id},
        )  # fmt: skip


def move_to_erased(connection: DuckDBPyConnection, rows: Iterable[Coordinates], dead: Iterable[Coordinates]) -> None:
    """Count stored rows and dead letters that were taken out as erased from now on.

    A row does not say in which life of its topic it was read; where there were several, the longest one is taken.
    """
    gone = Counter((where.topic, where.partition) for where in rows)
    broken = Counter((where.topic, where.partition) for where in dead)
    for key in gone.keys() | broken.keys():
        connection.execute(
            """UPDATE ingest_positions SET dead_letters = dead_letters - $dead, erased = erased + $rows + $dead
            WHERE topic = $topic AND partition_id = $partition AND topic_id = (
                SELECT arg_max(topic_id, events) FROM ingest_positions
                WHERE topic = $topic AND partition_id = $partition
            )""",
            {"dead": broken[key], "rows": gone[key], "topic": key[0], "partition": key[1]},
        )
