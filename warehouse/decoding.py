"""From Kafka records to Arrow tables, one batch at a time: pure, no Kafka, no database.

Every line is judged by `streams.events.decode`. Messages whose lines need no second opinion take the set-wise way
(`warehouse.setwise`), several times as fast; the rest is read line by line.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from streams import events, wire
from streams.events import ContractError, Decoded, Event
from streams.live.messages import ArmWindow, Flag, Trip
from streams.topics import TOPICS, Topics
from warehouse import setwise
from warehouse.columns import CONTENT, COORDINATES, MOMENT
from warehouse.records import Coordinates, DeadLetter, Record, Span, received_at

DEAD = {
    **COORDINATES,
    "reason": pa.string(),
    "detail": pa.string(),
    "body": pa.binary(),
    "received_at": MOMENT,
    "user_id": pa.string(),
}
_AHEAD_US = int(events.LATEST_AHEAD.total_seconds() * 1e6)
_PLACE = {"record": pa.int32(), "kafka_line": pa.int32()}


class Batch:
    """Decoded records.

    Attributes:
        tables: Events by kind: columns as in `columns.CONTENT`, then their coordinates; in the order of the log.
        flags: What the live guard flagged, as are `metrics` what it counted and `trips` whom it stopped.
        dead: Lines that broke their topic's contract.
        spans: What was read of each (topic, partition).
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.tables: dict[type[Event], pa.Table] = {}
        self.flags: list[Flag] = []
        self.metrics: list[ArmWindow] = []
        self.trips: list[Trip] = []
        self.dead: list[DeadLetter] = []
        self.spans: dict[tuple[str, int], Span] = {}

    def received(self, where: Coordinates) -> tuple[bytes, datetime]:
        """The bytes of a line of this batch, and when the broker received it."""
        record = next(each for each in self.records if each[:3] == where[:3])
        return wire.unpack(record.value)[where.line], received_at(record)


def decode_batch(records: Sequence[Record], topics: Topics = TOPICS) -> Batch:
    """Decode records in order; a line that breaks its topic's contract becomes a dead letter."""
    batch = Batch(records)
    live: dict[str, tuple[list[Any], type[Any]]] = {
        topics.flags: (batch.flags, Flag),
        topics.live_metrics: (batch.metrics, ArmWindow),
        topics.kill_switch: (batch.trips, Trip),
    }
    with _no_garbage_collection():
        mine = [i for i, record in enumerate(records) if record.topic == topics.events]
        read = setwise.read([_pack(i, records[i]) for i in mine])
        lines = [0] * len(records) if len(mine) < len(records) else read.lines
        for index, count in zip(mine, read.lines, strict=True):
            lines[index] = count
        others = _count(batch, lines, {*range(len(records))}.difference(mine))
        rows = _judge(batch, sorted([*read.doubtful, *others]), live)
        places = _places(records)
        for kind in CONTENT:
            fast = [read.tables[kind]] if kind in read.tables else []
            batch.tables[kind] = _table([*fast, *rows[kind]], kind, places)
    return batch


def dead_table(dead: Iterable[DeadLetter]) -> pa.Table:
    """Dead letters as rows of the table `dead_letters`."""
    rows = [(*each.coordinates, *each[1:], each.user_id) for each in dead]
    columns = list(zip(*rows, strict=True)) or [()] * len(DEAD)
    arrays = [pa.array(values, dtype) for values, dtype in zip(columns, DEAD.values(), strict=True)]
    return pa.table(arrays, names=list(DEAD))


def _pack(index: int, record: Record) -> setwise.Pack:
    received_ms = record.timestamp if record.timestamp >= 0 else received_at(record).timestamp() * 1000
    return setwise.Pack(index, record.value or b"", int(received_ms) * 1000 + _AHEAD_US)


def _count(batch: Batch, lines: list[int], others: Iterable[int]) -> list[tuple[int, int]]:
    """Note what was read of each partition; returns the lines of other topics, which nobody has counted yet."""
    found: list[tuple[int, int]] = []
    for index in others:
        lines[index] = len(wire.unpack(batch.records[index].value))
        found += [(index, number) for number in range(lines[index])]
    for record, count in zip(batch.records, lines, strict=True):
        span = batch.spans.get((record.topic, record.partition))
        if span is None:
            span = batch.spans[record.topic, record.partition] = Span(record.offset, record.offset)
        span.next = record.offset + 1
        span.messages += 1
        span.events += count
    return found


def _judge(
    batch: Batch, places: Iterable[tuple[int, int]], live: dict[str, tuple[list[Any], type[Any]]]
) -> dict[type[Event], list[pa.Table]]:
    """Decode lines one by one, in order: (record index, line number)."""
    kept: dict[type[Event], list[tuple[Decoded, int, int]]] = {kind: [] for kind in CONTENT}
    current, lines = -1, []
    for index, number in places:
        record = batch.records[index]
        if index != current:
            current, lines = index, wire.unpack(record.value)
        try:
            if record.topic in live:
                _keep_live(*live[record.topic], lines[number])
            else:
                found = events.decode(lines[number], received_at=received_at(record))
                kept[type(found.event)].append((found, index, number))
        except ContractError as error:
            where = Coordinates(record.topic, record.partition, record.offset, number)
            batch.dead.append(DeadLetter(where, error.reason, error.detail, lines[number], received_at(record)))
    return {kind: [_columns(kind, rows)] if rows else [] for kind, rows in kept.items()}


def _keep_live(kept: list[Any], kind: type[Any], line: bytes) -> None:
    try:
        kept.append(msgspec.json.decode(line, type=kind))
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ContractError("invalid_field", f"{error}; the live guard writes a {kind.__name__} a line here") from None


def _columns(kind: type[Event], rows: Sequence[tuple[Decoded, int, int]]) -> pa.Table:
    """Events that were read one by one, as columns."""
    names = [name for name in CONTENT[kind] if name != "extra"]
    columns: dict[str, Sequence[Any]] = dict(
        zip(names, zip(*(attrgetter(*names)(found.event) for found, _, _ in rows), strict=True), strict=True)
    )
    if "conversation" in columns:
        columns["conversation"] = [[(each.role, each.content) for each in talk] for talk in columns["conversation"]]
    columns["extra"] = [setwise.extra_text(found.extra) for found, _, _ in rows]
    arrays = [pa.array(columns[name], dtype) for name, dtype in CONTENT[kind].items()]
    places = [pa.array([row[1 + i] for row in rows], pa.int32()) for i in range(2)]
    return pa.table([*arrays, *places], names=[*CONTENT[kind], *_PLACE])


def _places(records: Sequence[Record]) -> dict[str, pa.Array]:
    """Topic, partition and offset of each record."""
    columns = zip(*(record[:3] for record in records), strict=True) if records else ((), (), ())
    return {name: pa.array(values, dtype) for (name, dtype), values in zip(COORDINATES.items(), columns, strict=False)}


def _table(parts: Sequence[pa.Table], kind: type[Event], places: Mapping[str, pa.Array]) -> pa.Table:
    """All rows of a kind in the order of the log, with their coordinates."""
    schema = pa.schema({**CONTENT[kind], **_PLACE})
    whole = pa.concat_tables([schema.empty_table(), *(part.cast(schema) for part in parts)])
    if len(parts) > 1:
        order = np.lexsort((whole["kafka_line"].to_numpy(), whole["record"].to_numpy()))
        whole = whole.take(pa.array(order))
    coordinates = {name: values.take(whole["record"]) for name, values in places.items()}
    columns = {name: whole[name] for name in CONTENT[kind]} | coordinates | {"kafka_line": whole["kafka_line"]}
    return pa.table(columns)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Tens of thousands of new objects, none of them in a cycle: looking for cycles among them halves the speed."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
