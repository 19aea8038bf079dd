"""From Kafka records to Arrow tables, one batch at a time: no Kafka, no database, no clock.

Every line is judged by `streams.events.decode`. Messages whose lines need no second opinion take the set-wise way
(`warehouse.ingest.setwise`), several times as fast; the rest is read line by line.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams import events, wire
from streams.events import ContractError, Decoded, Event
from streams.live.messages import ArmWindow, Flag, Trip
from streams.topics import TOPICS, Topics
from warehouse.ingest import setwise
from warehouse.ingest.columns import CONTENT, COORDINATES, MOMENT, RECEIVED
from warehouse.ingest.records import Coordinates, DeadLetter, OffsetRange, Record, Unreadable, received_at

DEAD = {
    **COORDINATES,
    "reason": pa.string(),
    "detail": pa.string(),
    "body": pa.binary(),
    "received_at": MOMENT,
    "user_id": pa.string(),
}
_AHEAD_US = int(events.LATEST_AHEAD.total_seconds() * 1e6)
"""How far behind its receipt the moment of an event may lie."""
_PLACES = list(COORDINATES.items())[:3]
_PLACE = {"record": pa.int32(), "kafka_line": pa.int32()}


@dataclass(frozen=True, slots=True)
class _Columns:
    """Records, column by column."""

    topics: tuple[str, ...]
    partitions: tuple[int, ...]
    offsets: tuple[int, ...]
    timestamps: tuple[int, ...]
    values: tuple[bytes | None, ...]

    @classmethod
    def of(cls, records: Sequence[Record]) -> _Columns:
        """All records at once: their fields one behind the other, as `Record` has them."""
        topics, partitions, offsets, timestamps, values = zip(*records, strict=True)
        return cls(topics, partitions, offsets, timestamps, values)


class Batch:
    """Decoded records.

    Attributes:
        tables: Events by kind: columns as in `columns.CONTENT`, then their coordinates and `received_at`; in the order
            of the log.
        flags: What the live guard flagged, as are `metrics` what it counted and `trips` whom it stopped.
        dead: Lines that broke their topic's contract.
        spans: What was read of each (topic, partition).
        told: What was changed in reading, by rule; see `streams.events.decode`.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.tables: dict[type[Event], pa.Table] = {}
        self.flags: list[Flag] = []
        self.metrics: list[ArmWindow] = []
        self.trips: list[Trip] = []
        self.dead: list[DeadLetter] = []
        self.spans: dict[tuple[str, int], OffsetRange] = {}
        self.told: Counter[str] = Counter()

    def received(self, where: Coordinates) -> tuple[bytes, datetime]:
        """The bytes of a line of this batch, and when it was received."""
        place = where.topic, where.partition, where.offset
        record = next(each for each in self.records if (each.topic, each.partition, each.offset) == place)
        return lines_of(record)[where.line], received_at(record)


def decode_batch(records: Sequence[Record], topics: Topics = TOPICS) -> Batch:
    """Decode records in order; a line that breaks its topic's contract becomes a dead letter."""
    batch = Batch(records)
    live: dict[str, tuple[list[Any], type[Any]]] = {
        topics.flags: (batch.flags, Flag),
        topics.live_metrics: (batch.metrics, ArmWindow),
        topics.kill_switch: (batch.trips, Trip),
    }
    if not records:
        batch.tables = {kind: _table([], kind, {}) for kind in CONTENT}
        return batch
    with _no_garbage_collection():
        columns = _Columns.of(records)
        mine = _begin_with_a_sign(records, columns, topics.events)
        read = setwise.read(columns.values, _received(columns.timestamps) + _AHEAD_US, mine)
        others = [
            (i, n)
            for i in {*range(len(records))}.difference(mine)
            for n in range(len(lines_of(records[i])) or (records[i].topic == topics.events))
        ]
        batch.spans = _spans(columns, _lines(len(records), mine, read.lines, others))
        rows = _judge(batch, sorted([*read.doubtful, *others]), live)
        coordinates = (columns.topics, columns.partitions, columns.offsets)
        places = {name: pa.array(each, dtype) for (name, dtype), each in zip(_PLACES, coordinates, strict=True)}
        places[RECEIVED] = pa.array(_received(columns.timestamps)).cast(MOMENT)
        for kind in CONTENT:
            fast = [read.tables[kind]] if kind in read.tables else []
            batch.tables[kind] = _table([*fast, *rows[kind]], kind, places)
    return batch


def _begin_with_a_sign(records: Sequence[Record], columns: _Columns, topic: str) -> list[int]:
    """Indices of the messages of the events topic that could be read and begin with no blank."""
    places = enumerate(zip(columns.topics, columns.values, map(type, records), strict=True))
    return [i for i, (where, value, kind) in places if where == topic and value and value[0] > 32 and kind is Record]


def lines_of(record: Record) -> list[bytes]:
    """The lines of a message; what cannot be read is one."""
    return [record.value or b""] if type(record) is Unreadable else wire.unpack(record.value)


def dead_table(dead: Iterable[DeadLetter]) -> pa.Table:
    """Dead letters as rows of the table `dead_letters`."""
    rows = [(*each.coordinates, each.reason, each.detail, each.body, each.received_at, each.user_id) for each in dead]
    columns = list(zip(*rows, strict=True)) or [()] * len(DEAD)
    arrays = [pa.array(values, dtype) for values, dtype in zip(columns, DEAD.values(), strict=True)]
    return pa.table(arrays, names=list(DEAD))


def _received(timestamps: Sequence[int]) -> NDArray[np.int64]:
    """When each record was received (us since 1970)."""
    return np.array(timestamps, np.int64) * 1000


def _lines(
    records: int, mine: Sequence[int], counted: Sequence[int], others: Iterable[tuple[int, int]]
) -> NDArray[np.int64]:
    """How many lines each record has, int64[records]."""
    lines = np.zeros(records, np.int64)
    lines[mine] = counted
    for index, _ in others:
        lines[index] += 1
    return lines


def _spans(columns: _Columns, lines: NDArray[np.int64]) -> dict[tuple[str, int], OffsetRange]:
    """What was read of each (topic, partition)."""
    topics, partitions, offsets = (np.array(each) for each in (columns.topics, columns.partitions, columns.offsets))
    found: dict[tuple[str, int], OffsetRange] = {}
    for topic, partition in dict.fromkeys(zip(columns.topics, columns.partitions, strict=True)):
        here = np.flatnonzero((topics == topic) & (partitions == partition))
        first, last = int(offsets[here[0]]), int(offsets[here[-1]])
        found[topic, partition] = OffsetRange(first, last + 1, len(here), int(lines[here].sum()))
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
            current, lines = index, lines_of(record) or [b""]
        if isinstance(record, Unreadable) or not lines[number]:
            batch.dead.append(_nothing_to_read(record))
            continue
        try:
            if record.topic in live:
                _keep_live(*live[record.topic], lines[number])
            else:
                found = events.decode(lines[number], received_at=received_at(record), told=batch.told)
                kept[type(found.event)].append((found, index, number))
        except ContractError as error:
            where = Coordinates(record.topic, record.partition, record.offset, number)
            batch.dead.append(DeadLetter(where, error.reason, error.detail, lines[number], received_at(record)))
    return {kind: [_columns(kind, rows)] if rows else [] for kind, rows in kept.items()}


def _nothing_to_read(record: Record) -> DeadLetter:
    reason = "unreadable_batch" if isinstance(record, Unreadable) else "empty_message"
    size = "no value" if record.value is None else f"{len(record.value):,} bytes, all of them white space"
    empty = f"a message of {size}, must hold one JSON object a line: send no empty ones"
    detail = record.why if isinstance(record, Unreadable) else empty
    return DeadLetter(
        Coordinates(record.topic, record.partition, record.offset, 0),
        reason,
        detail,
        record.value or b"",
        received_at(record),
    )


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


def _table(parts: Sequence[pa.Table], kind: type[Event], places: Mapping[str, pa.Array]) -> pa.Table:
    """All rows of a kind in the order of the log, with their coordinates."""
    schema = pa.schema({**CONTENT[kind], **_PLACE})
    whole = pa.concat_tables([schema.empty_table(), *(part.cast(schema) for part in parts)])
    if len(parts) > 1:
        order = np.lexsort((whole["kafka_line"].to_numpy(), whole["record"].to_numpy()))
        whole = whole.take(pa.array(order))
    coordinates = {
        name: places[name].take(whole["record"]) if places else pa.array([], dtype) for name, dtype in _PLACES
    }
    received = places[RECEIVED].take(whole["record"]) if places else pa.array([], MOMENT)
    columns = {name: whole[name] for name in CONTENT[kind]} | coordinates | {"kafka_line": whole["kafka_line"]}
    return pa.table(columns | {RECEIVED: received})


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
