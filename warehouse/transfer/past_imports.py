"""Imports that were made: what each file left in the warehouse, under the name by which it can be taken back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from warehouse import connection
from warehouse.storage.sql_files import query

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.connection import Target
    from warehouse.ingest.records import TopicPartition
    from warehouse.storage.backend import Warehouse
    from warehouse.transfer.foreign import Columns, Mapped


@dataclass(frozen=True, slots=True)
class Import:
    """One file with one mapping.

    Attributes:
        topic: `file:NAME#HASH`, as in the coordinates of its rows.
        topic_id: The whole hash.
        started_at: None for an import older than this list.
        events: Rows read, as are `duplicates`, `dead_letters` and `erased` of them; what is left was stored.
        undone_at: When it was taken back, None where it stands.
        mapping: The events that a row may be, as JSON; None as for `started_at`.
    """

    topic: str
    topic_id: str
    started_at: datetime | None
    events: int
    duplicates: int
    dead_letters: int
    erased: int
    undone_at: datetime | None
    mapping: str | None

    @property
    def id(self) -> str:
        """The first 12 signs of the hash, as at the topic's end."""
        return self.topic.rpartition("#")[2]

    @property
    def file(self) -> str:
        """The name that the file had."""
        return self.topic.removeprefix("file:").rpartition("#")[0]

    @property
    def stored(self) -> int:
        """Rows that were stored and stand."""
        return self.events - self.duplicates - self.dead_letters - self.erased

    @property
    def read_as(self) -> str:
        """What tells this import from another of the same file: kinds, constants, meanings.

        >>> part = '{"kind": "reaction_changed", "constants": {"action": "added", "reaction": "love"}}'
        >>> Import("file:a#1", "1", None, 0, 0, 0, 0, None, f"[{part}]").read_as
        'reaction_changed, reaction=love, action=added'
        """
        parts = json.loads(self.mapping or "[]")
        kinds = " + ".join(part["kind"] for part in parts if part["kind"])
        several = len(parts) > 1  # a known product's export: its constants are the mapping's own
        said = [] if several else [rule for part in parts for rule in _rules(part)]
        return ", ".join([kinds, *said] if kinds else said)


class Ambiguous(NamedTuple):
    """Ids that stand for several responses of one file: reactions cannot tell them apart.

    Attributes:
        topic: The file.
        ids: How many.
        example: One of them, with two conversations in which it stands.
    """

    topic: str
    ids: int
    example: tuple[str, str, str]

    def sentence(self, *, stored: bool) -> str:
        """What was found and the way out; `stored` says whether the file's rows are in the warehouse by now.

        >>> found = Ambiguous("file:talks.csv#4711", 2, ("m1", "c1", "c2"))
        >>> print(found.sentence(stored=True))
        2 response_ids of talks.csv stand for several responses, as m1 in the conversations c1 and c2: reactions cannot
        tell these apart. Take it back (`loveloop import undo 4711`) and compose ids in responses and reactions alike:
        --map response_id=CONVERSATION_COLUMN+MESSAGE_COLUMN
        >>> print(found.sentence(stored=False).splitlines()[1])
        tell these apart. Compose ids in responses and reactions alike:
        """
        name, _, key = self.topic.removeprefix("file:").rpartition("#")
        one, first, second = self.example
        where = f"in the conversations {first} and {second}" if first != second else f"in the conversation {first}"
        what = f"1 response_id of {name} stands" if self.ids == 1 else f"{self.ids:,} response_ids of {name} stand"
        way = f"Take it back (`loveloop import undo {key}`) and compose" if stored else "Compose"
        return (
            f"{what} for several responses, as {one} {where}: reactions cannot\n"
            f"tell these apart. {way} ids in responses and reactions alike:\n"
            "--map response_id=CONVERSATION_COLUMN+MESSAGE_COLUMN"
        )


def note(warehouse: Warehouse, slot: TopicPartition, columns: Mapped, now: int) -> None:
    """Write down that the import of a file begins (`now` in ms since 1970), unless that was done before."""
    with warehouse.transaction() as writer:
        standing = "SELECT 1 FROM imports WHERE topic_id = ? AND undone_at IS NULL"
        if writer.execute(standing, [slot.topic_id]).fetchone() is None:
            parts = [{"kind": part.kind, **_nameless(part)} for part in columns.parts]
            writer.execute(
                "INSERT INTO imports VALUES (?, ?, ?, ?, NULL, NULL)",
                [slot.topic, slot.topic_id, json.dumps(parts), datetime.fromtimestamp(now / 1000, UTC)],
            )


def begun(reader: DuckDBPyConnection, slot: TopicPartition) -> int | None:
    """When the import of a file began (ms since 1970) that stands; None where none does."""
    found = reader.execute(
        "SELECT epoch_ms(started_at) FROM imports WHERE topic_id = ? AND undone_at IS NULL", [slot.topic_id]
    ).fetchone()
    return found[0] if found else None


def _rules(part: dict[str, Any]) -> list[str]:
    """Meanings and constants of a mapping as they were typed, what is said of reactions first."""
    meanings = [f"{value}={means}" for rules in part.get("values", {}).values() for value, means in rules.items()]
    constants = sorted(part["constants"].items(), key=lambda each: each[0] != "reaction")
    return meanings + [f"{name}={value}" for name, value in constants]


def _nameless(part: Columns) -> dict[str, Any]:
    """Fields, constants and meanings of a mapping without a user's name, which a constant may be."""
    fields = {name: path for name, path in part.fields.items() if name != "user_id" or "=" not in path}
    constants = {name: value for name, value in part.constants.items() if name != "user_id"}
    return {
        "fields": fields,
        "constants": constants,
        "values": {name: dict(each) for name, each in part.values.items()},
    }


def imports(target: Target) -> list[Import]:
    """Every import, the newest first; those that were taken back among them."""
    with connection.open(target).read() as reader:
        return [Import(**row) for row in reader.execute(query(__file__, "imports")).to_arrow_table().to_pylist()]


def ambiguous(reader: DuckDBPyConnection, topic: str) -> list[Ambiguous]:
    """Ids of a file's responses that stand for several of them: at most one finding.

    Args:
        reader: A snapshot.
        topic: The file's.
    """
    found = reader.execute(_AMBIGUOUS, [topic]).fetchone()
    return [Ambiguous(topic, found[0], found[1:])] if found and found[0] else []


_AMBIGUOUS = """
SELECT count(*), min(response_id), arg_min(first, response_id), arg_min(last, response_id) FROM (
    SELECT response_id, min(conversation_id) AS first, max(conversation_id) AS last
    FROM responses WHERE kafka_topic = ? GROUP BY response_id HAVING count(DISTINCT event_id) > 1
)
"""
