"""Dead letters: what broke the contract is kept with its reason, its bytes and its coordinates, and can be looked at.

`warehouse.redrive` judges them again; a letter stays in the table as evidence after it was found good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from warehouse import connection
from warehouse.ingest.records import Coordinates
from warehouse.storage.transaction import WarehouseError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.connection import Target

PLACE = "kafka_topic, kafka_partition, kafka_offset, kafka_line"
_COLUMNS = f"{PLACE}, topic_id, reason, detail, body, received_at, user_id, redriven_at, outcome, corrected"


@dataclass(frozen=True, slots=True)
class Letter:
    """One row of `dead_letters`.

    Attributes:
        where: Coordinates of the line.
        topic_id: Which life of the topic; None in old rows.
        body: The bytes that came, as `corrected` are those that were read in their place.
        redriven_at: When it was found good, None while it is open; `outcome` is then stored, duplicate or erased.
    """

    where: Coordinates
    topic_id: str | None
    reason: str
    detail: str
    body: bytes
    received_at: datetime
    user_id: str | None
    redriven_at: datetime | None
    outcome: str | None
    corrected: bytes | None

    @property
    def id(self) -> str:
        """How the command line names it: `TOPIC/PARTITION/OFFSET/LINE`."""
        return "/".join(map(str, self.where))

    @property
    def line(self) -> bytes:
        """What is read: the bytes that came, or those that an operator put in their place."""
        return self.body if self.corrected is None else self.corrected


def parse_id(text: str) -> Coordinates:
    """The coordinates that `Letter.id` writes.

    >>> parse_id("loveloop.events/3/4711/0")
    Coordinates(topic='loveloop.events', partition=3, offset=4711, line=0)

    Raises:
        WarehouseError: Not of that form.
    """
    topic, *numbers = text.rsplit("/", 3)
    if not topic or len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        raise WarehouseError(
            f"{text!r} names no dead letter: write TOPIC/PARTITION/OFFSET/LINE, as the list shows them"
        )
    return Coordinates(topic, *map(int, numbers))


def counts(target: Target, *, since: datetime | None = None, redriven: bool = False) -> dict[str, int]:
    """Open letters by reason (or, re-driven ones by outcome), most frequent first."""
    name = "outcome" if redriven else "reason"
    with connection.open(target).read() as reader:
        rows = reader.execute(
            f"""SELECT {name}, count(*) AS letters FROM dead_letters
            WHERE {_state(redriven)} AND received_at >= coalesce(?, received_at)
            GROUP BY {name} ORDER BY letters DESC, {name}""",
            [since],
        ).fetchall()
    return dict(rows)


def newest(
    target: Target, *, reason: str | None = None, since: datetime | None = None, redriven: bool = False, limit: int = 20
) -> list[Letter]:
    """Letters, newest first.

    Args:
        target: The warehouse.
        reason: Only those of this reason.
        since: Only those received then or later.
        redriven: Those that were found good since, instead of the open ones.
        limit: The most letters that are returned.
    """
    where = f"{_state(redriven)} AND reason = coalesce(?, reason) AND received_at >= coalesce(?, received_at)"
    with connection.open(target).read() as reader:
        return select(reader, f"{where} ORDER BY received_at DESC, {PLACE} LIMIT {int(limit)}", [reason, since])


def find(target: Target, where: Coordinates) -> list[Letter]:
    """The letters read there: one, or several where a topic was made anew. Open or not.

    Raises:
        WarehouseError: None.
    """
    with connection.open(target).read() as reader:
        found = select(reader, f"({PLACE}) = (?, ?, ?, ?)", list(where))
    if not found:
        raise WarehouseError(f"no dead letter at {'/'.join(map(str, where))}: `loveloop dead-letters list` shows some")
    return found


def select(reader: DuckDBPyConnection, where: str, parameters: Sequence[object]) -> list[Letter]:
    """The letters that a condition finds, in the order that it may end with."""
    rows = reader.execute(f"SELECT {_COLUMNS} FROM dead_letters WHERE {where}", list(parameters)).fetchall()
    return [Letter(Coordinates(*row[:4]), *row[4:]) for row in rows]


def _state(redriven: bool) -> str:
    return f"redriven_at IS {'NOT ' if redriven else ''}NULL"
