"""What both rivals do with their messages: decode, check, drop copies, write. Only msgspec, pyarrow and DuckDB.

Written as one would who knows these libraries and has this one file to fill: one connection for good, typed structs
(the conversation stays raw JSON), Arrow into DuckDB, copies dropped by an anti-join over all history that the batch's
own id range bounds (ids are ordered by time), one transaction a batch. No adversary rules, no comparison of copies'
content, no coordinates, no dead-letter table: lines that break the contract are counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.dataset  # DuckDB imports it at the first table: part of the start, not of the rate


class ResponseServed(msgspec.Struct, tag_field="type", tag="response_served", gc=False):
    """What is required, and what is known besides."""

    event_id: str
    user_id: str
    served_at: datetime
    response_id: str
    conversation_id: str
    turn: int
    session_id: str
    policy: str
    conversation: msgspec.Raw
    response: str
    experiment: str | None = None
    arm: str | None = None


class ReactionChanged(msgspec.Struct, tag_field="type", tag="reaction_changed", gc=False):
    """What is required, and what is known besides."""

    event_id: str
    user_id: str
    reacted_at: datetime
    response_id: str
    reaction: str
    action: Literal["added", "removed"]
    session_id: str
    device_id: str | None = None
    network_id: str | None = None
    dwell_ms: int | None = None


TYPES: dict[str, pa.DataType] = {
    "served_at": pa.timestamp("us", "UTC"),
    "reacted_at": pa.timestamp("us", "UTC"),
    "turn": pa.int64(),
    "dwell_ms": pa.int64(),
    "conversation": pa.binary(),
}
SQL_TYPES = {
    "event_id": "UUID",
    "served_at": "TIMESTAMPTZ",
    "reacted_at": "TIMESTAMPTZ",
    "turn": "BIGINT",
    "dwell_ms": "BIGINT",
}
TABLES: dict[type[Any], str] = {ResponseServed: "responses", ReactionChanged: "reactions"}


class Job:
    """Writes batches of values to a DuckDB file; `write` is one transaction."""

    def __init__(self, file: str) -> None:
        self.decode = msgspec.json.Decoder(ResponseServed | ReactionChanged).decode
        self.connection = duckdb.connect(file)
        self.events = self.dead_letters = self.duplicates = 0
        self.started = self.cpu_started = self.last_commit = 0.0
        for kind, table in TABLES.items():
            columns = ", ".join(f"{name} {SQL_TYPES.get(name, 'VARCHAR')}" for name in kind.__struct_fields__)
            self.connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
        self.connection.execute("CREATE TABLE IF NOT EXISTS positions (part INTEGER PRIMARY KEY, next_offset BIGINT)")

    def write(self, values: Iterable[bytes], offsets: dict[int, int] | None = None) -> None:
        """Decode and store a batch, and the next offsets where the caller keeps them here."""
        kept: dict[type[Any], list[Any]] = {kind: [] for kind in TABLES}
        decode = self.decode
        for value in values:
            self.events += 1
            try:
                event = decode(value)
            except msgspec.MsgspecError:
                self.dead_letters += 1
            else:
                kept[type(event)].append(event)
        self.connection.execute("BEGIN")
        for kind, events in kept.items():
            if events:
                self._insert(kind, events)
        for part, offset in (offsets or {}).items():
            self.connection.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", [part, offset])
        self.connection.execute("COMMIT")
        self.last_commit = time.perf_counter()

    def _insert(self, kind: type[Any], events: list[Any]) -> None:
        arrived = table_of(kind, {event.event_id: event for event in reversed(events)}.values())
        self.connection.register("arrived", arrived)
        first, last = min(event.event_id for event in events), max(event.event_id for event in events)
        stored = self.connection.execute(
            f"""INSERT INTO {TABLES[kind]}
            SELECT * FROM arrived ANTI JOIN (
                SELECT event_id FROM {TABLES[kind]} WHERE event_id BETWEEN '{first}' AND '{last}'
            ) AS known ON known.event_id = CAST(arrived.event_id AS UUID)"""
        ).fetchall()[0][0]
        self.duplicates += len(events) - stored

    def first_records(self) -> None:
        """Start the clocks, at the first records that the library hands over; later calls do nothing."""
        if not self.started:
            self.started, self.cpu_started = time.perf_counter(), time.process_time()

    def figures(self) -> dict[str, Any]:
        """What was done since the first records came."""
        counted = {
            table: self.connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
            for table in TABLES.values()
        }
        seconds = self.last_commit - self.started
        return {
            "seconds": seconds,
            "cpu_seconds": time.process_time() - self.cpu_started,
            "events": self.events,
            "rate": self.events / seconds,
            "rows": {
                **counted,
                "dead_letters": self.dead_letters,
                "events": self.events,
                "duplicates": self.duplicates,
            },
        }


def table_of(kind: type[Any], events: Iterable[Any]) -> pa.Table:
    """Events of one kind as an Arrow table."""
    names = kind.__struct_fields__
    columns = zip(*map(attrgetter(*names), events))  # noqa: B905
    return pa.table([array_of(name, values) for name, values in zip(names, columns)], names=list(names))  # noqa: B905


def array_of(name: str, values: Iterable[Any]) -> pa.Array:
    """One column."""
    if name == "conversation":
        return pa.array([bytes(value) for value in values], pa.binary()).cast(pa.string())
    return pa.array(values, TYPES.get(name, pa.string()))
