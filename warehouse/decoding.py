"""From Kafka records to Arrow tables, one batch at a time: pure, no Kafka, no database.

Every line is judged by `streams.events.decode`. A line that a strict reading of the contract accepts (no unknown field,
all types right) needs no second opinion and takes the short way: one pass of msgspec, four times as fast.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Annotated, Any, Union

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Meta

from streams import events, wire
from streams.events import ContractError, Decoded, ErasureRequested, ReactionChanged, ResponseServed
from streams.live_counts import Flag, LoveRate
from streams.topics import TOPICS, Topics
from warehouse.records import Coordinates, DeadLetter, Record, Span, received_at

_MOMENT = pa.timestamp("us", "UTC")
COORDINATES = {
    "kafka_topic": pa.string(),
    "kafka_partition": pa.int32(),
    "kafka_offset": pa.int64(),
    "kafka_line": pa.int32(),
}

CONTENT: dict[type[events.Event], dict[str, pa.DataType]] = {
    ResponseServed: {
        "event_id": pa.string(),
        "user_id": pa.string(),
        "served_at": _MOMENT,
        "response_id": pa.string(),
        "conversation_id": pa.string(),
        "turn": pa.int64(),
        "session_id": pa.string(),
        "policy": pa.string(),
        "experiment": pa.string(),
        "arm": pa.string(),
        "conversation": pa.string(),
        "response": pa.string(),
        "schema_version": pa.int64(),
        "extra": pa.string(),
    },
    ReactionChanged: {
        "event_id": pa.string(),
        "user_id": pa.string(),
        "reacted_at": _MOMENT,
        "response_id": pa.string(),
        "reaction": pa.string(),
        "action": pa.string(),
        "session_id": pa.string(),
        "device_id": pa.string(),
        "network_id": pa.string(),
        "dwell_ms": pa.int64(),
        "schema_version": pa.int64(),
        "extra": pa.string(),
    },
    ErasureRequested: {
        "event_id": pa.string(),
        "user_id": pa.string(),
        "requested_at": _MOMENT,
        "schema_version": pa.int64(),
        "extra": pa.string(),
    },
}
"""Columns of each kind of event, as the tables hold them (before their coordinates)."""
DEAD = {**COORDINATES, "reason": pa.string(), "detail": pa.string(), "body": pa.binary(), "received_at": _MOMENT}

_Whole = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_BOUNDED: dict[type[events.Event], list[tuple[str, Any, Any]]] = {
    ResponseServed: [("turn", _Whole, msgspec.NODEFAULT)],
    ReactionChanged: [("dwell_ms", _Whole | None, None)],
    ErasureRequested: [],
}
_STRICT: dict[type[Any], type[events.Event]] = {
    msgspec.defstruct(
        f"Strict{kind.__name__}", [*bounded, ("schema_version", Annotated[int, Meta(ge=1, le=2**63 - 1)], 1)],
        bases=(kind,), tag_field="type", tag=kind.__struct_config__.tag, kw_only=True, forbid_unknown_fields=True,
        gc=False,
    ): kind
    for kind, bounded in _BOUNDED.items()
}  # fmt: skip
"""The contract read strictly: no unknown field, no number that a column cannot hold."""
_KIND: dict[type[Any], type[events.Event]] = {**_STRICT, **{kind: kind for kind in CONTENT}}
_MOMENTS = {kind: next(name for name, dtype in fields.items() if dtype is _MOMENT) for kind, fields in CONTENT.items()}
_moment = {strict: attrgetter(_MOMENTS[kind]) for strict, kind in _STRICT.items()}
_strict = msgspec.json.Decoder(Union[tuple(_STRICT)]).decode  # noqa: UP007
_encode = msgspec.json.Encoder().encode


@dataclass
class Rows:
    """Events of one kind, where each was read (index of its record, number of its line), and what no column knows."""

    events: list[Any] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    extra: dict[int, str] = field(default_factory=dict)


class Batch:
    """Decoded records.

    Attributes:
        kept: Events by kind.
        flags: What the live guard flagged, as are `metrics` what it counted.
        dead: Lines that broke their topic's contract.
        spans: What was read of each (topic, partition).
        tables: The kept events as Arrow tables: columns as in `CONTENT`, then their coordinates.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.kept: dict[type[events.Event], Rows] = {kind: Rows() for kind in CONTENT}
        self.flags: list[Flag] = []
        self.metrics: list[LoveRate] = []
        self.dead: list[DeadLetter] = []
        self.spans: dict[tuple[str, int], Span] = {}
        self.tables: dict[type[events.Event], pa.Table] = {}

    def table(self, kind: type[events.Event]) -> pa.Table:
        """The kept events of a kind, one row each."""
        rows = self.kept[kind]
        plain = [name for name in CONTENT[kind] if name not in ("extra", "conversation")]
        columns = (
            dict(zip(plain, zip(*map(attrgetter(*plain), rows.events), strict=True), strict=True))
            if rows.events
            else {}
        )
        arrays = [_array(rows, name, dtype, columns.get(name, ())) for name, dtype in CONTENT[kind].items()]
        return pa.table([*arrays, *self._coordinates(rows)], names=[*CONTENT[kind], *COORDINATES])

    def received(self, where: Coordinates) -> tuple[bytes, datetime]:
        """The bytes of a line of this batch, and when the broker received it."""
        record = next(each for each in self.records if each[:3] == where[:3])
        return wire.unpack(record.value)[where.line], received_at(record)

    def _coordinates(self, rows: Rows) -> list[pa.Array]:
        found = pa.array(rows.records, pa.int32())
        places = list(zip(*(record[:3] for record in self.records), strict=True)) or [(), (), ()]
        columns = [pa.array(list(c), dtype).take(found) for c, dtype in zip(places, COORDINATES.values(), strict=False)]
        return [*columns, pa.array(rows.lines, pa.int32())]


def decode_batch(records: Sequence[Record], topics: Topics = TOPICS) -> Batch:
    """Decode records in order; a line that breaks its topic's contract becomes a dead letter."""
    batch = Batch(records)
    keep = {
        topics.events: partial(_keep_event, batch.kept),
        topics.flags: partial(_keep_live, batch.flags, Flag),
        topics.live_metrics: partial(_keep_live, batch.metrics, LoveRate),
    }
    with _no_garbage_collection():
        for index, record in enumerate(records):
            _decode_record(batch, index, record, keep[record.topic])
        batch.tables = {kind: batch.table(kind) for kind in CONTENT}
    return batch


def dead_table(dead: Iterable[DeadLetter]) -> pa.Table:
    """Dead letters as rows of the table `dead_letters`."""
    rows = [(*letter.coordinates, letter.reason, letter.detail, letter.body, letter.received_at) for letter in dead]
    columns = list(zip(*rows, strict=True)) or [()] * len(DEAD)
    arrays = [pa.array(values, dtype) for values, dtype in zip(columns, DEAD.values(), strict=True)]
    return pa.table(arrays, names=list(DEAD))


def decode_line(line: bytes, received: datetime) -> Decoded:
    """`streams.events.decode`, by the short way where that is enough.

    Raises:
        ContractError: As `decode` does.
    """
    event = _short_way(line, received + events.LATEST_AHEAD)
    if event is not None:
        return Decoded(event, {})
    return events.decode(line, received_at=received)


def _decode_record(batch: Batch, index: int, record: Record, keep: Callable[[bytes, datetime, int, int], None]) -> None:
    received = received_at(record)
    lines = wire.unpack(record.value)
    span = batch.spans.setdefault((record.topic, record.partition), Span(record.offset, record.offset))
    span.next = record.offset + 1
    span.messages += 1
    span.events += len(lines)
    for number, line in enumerate(lines):
        try:
            keep(line, received, index, number)
        except ContractError as error:
            where = Coordinates(record.topic, record.partition, record.offset, number)
            batch.dead.append(DeadLetter(where, error.reason, error.detail, line, received))


def _keep_event(kept: dict[type[events.Event], Rows], line: bytes, received: datetime, index: int, number: int) -> None:
    event, extra = decode_line(line, received)
    rows = kept[_KIND[type(event)]]
    if extra:
        rows.extra[len(rows.events)] = json.dumps(extra, sort_keys=True, ensure_ascii=False)
    rows.events.append(event)
    rows.records.append(index)
    rows.lines.append(number)


def _keep_live(kept: list[Any], kind: type[Any], line: bytes, *_: Any) -> None:
    try:
        kept.append(msgspec.json.decode(line, type=kind))
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ContractError("invalid_field", f"{error}; the live guard writes a {kind.__name__} a line here") from None


def _short_way(line: bytes, latest: datetime) -> Any:
    """The event of a line that needs no second opinion, else None."""
    if len(line) > events.LONGEST_LINE:
        return None
    try:
        event = _strict(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    kind = type(event)
    if not events.EARLIEST <= _moment[kind](event) <= latest:
        return None
    if _STRICT[kind] is ResponseServed and (event.experiment is None) != (event.arm is None):
        return None
    return event


def _array(rows: Rows, name: str, dtype: pa.DataType, values: Sequence[Any]) -> pa.Array:
    if name == "extra":
        return pa.array(
            [rows.extra.get(i) for i in range(len(rows.events))] if rows.extra else [None] * len(rows.events), dtype
        )
    if name == "conversation":
        return pa.array([_encode(event.conversation) for event in rows.events], pa.binary()).cast(dtype)
    if dtype is _MOMENT:  # seconds as a double tell microseconds apart until the year 2255
        seconds = np.fromiter((value.timestamp() for value in values), np.float64, len(values))
        return pa.array(np.rint(seconds * 1e6).astype(np.int64)).cast(dtype)
    return pa.array(values, dtype)


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
