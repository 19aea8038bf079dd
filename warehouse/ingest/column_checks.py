"""The contract's rules on whole columns: which rows keep it beyond doubt. The others are for the judge."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streams import events
from streams.events import ErasureRequested, Event, ReactionChanged, ResponseServed
from warehouse.ingest.columns import CONTENT, MOMENT, MOMENT_OF, WIRE

_ID = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$"
_MAY_BE_ABSENT = {"experiment", "arm", "device_id", "network_id", "dwell_ms", "schema_version", "extra"}
_BOUNDS = {"turn": (0, 2**63 - 1), "dwell_ms": (0, 2**63 - 1), "schema_version": (1, 2**31 - 1)}
_KEYS = {
    "user_id",
    "response_id",
    "conversation_id",
    "session_id",
    "policy",
    "experiment",
    "arm",
    "device_id",
    "network_id",
}
_PLAIN_REACTIONS = pa.array(["love", "like", "dislike"])
_ACTIONS = pa.array(["added", "removed"])
_ROLES = pa.array(["system", "user", "assistant"])


def accept(kind: type[Event], rows: pa.Table) -> tuple[pa.Table, NDArray[np.bool_]]:
    """The rows of one kind that keep the contract beyond doubt, and which they are.

    Args:
        kind: Of event.
        rows: Columns of `WIRE`, `extra`, `record`, `kafka_line` and `latest` (the latest moment allowed, in us).

    Returns:
        The rows as the tables hold them (columns of `CONTENT[kind]`, `record`, `kafka_line`), and bool[rows].
    """
    columns = CONTENT[kind]
    fine = pc.match_substring_regex(rows["event_id"], _ID)
    for check in _checks(kind, rows):
        fine = pc.and_(fine, check)
    mask = pc.fill_null(fine, False)
    if not pc.all(mask, min_count=0).as_py():
        rows = rows.filter(mask)
    name = MOMENT_OF[kind]
    moment = _moments(rows[name])
    in_range = pc.and_(
        pc.greater_equal(moment, pa.scalar(events.EARLIEST, MOMENT)),
        pc.less_equal(moment.cast(pa.int64()), rows["latest"]),
    )
    in_range = pc.fill_null(in_range, False)
    accepted = rows.set_column(rows.column_names.index(name), name, moment)
    version = accepted.column_names.index("schema_version")
    accepted = accepted.set_column(version, "schema_version", pc.fill_null(accepted["schema_version"], 1))
    chosen = mask.to_numpy().copy()
    if not pc.all(in_range, min_count=0).as_py():
        accepted = accepted.filter(in_range)
        chosen[np.flatnonzero(chosen)[~in_range.to_numpy()]] = False
    return accepted.select([*columns, "record", "kafka_line"]), chosen


def _moments(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts of the form `_TIME` as moments; null for a day or an hour that does not exist."""
    try:
        return texts.cast(MOMENT)
    except pa.ArrowInvalid:  # one of them is enough
        return pa.chunked_array([pa.array([_moment(text) for text in texts.to_pylist()], MOMENT)])


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _checks(kind: type[Event], rows: pa.Table) -> Iterator[pa.ChunkedArray]:
    """Boolean columns, one for each rule of the contract; null counts as broken."""
    columns = CONTENT[kind]
    for name in WIRE.names:
        if name not in (*columns, "type") and rows[name].null_count < rows.num_rows:
            yield pc.is_null(rows[name])  # known to another kind, so unknown to this one
    for name in columns:
        column = rows[name]
        if name in _KEYS:
            yield _or_absent(name, column, _between(pc.binary_length(column), 1, 256))
        elif name in _BOUNDS:
            yield _or_absent(name, column, _between(column, *_BOUNDS[name]))
    yield pc.match_substring_regex(rows[MOMENT_OF[kind]], _TIME)
    yield from _own_checks(kind, rows)


def _own_checks(kind: type[Event], rows: pa.Table) -> Iterator[pa.ChunkedArray]:
    if kind is ResponseServed:
        yield pc.is_valid(rows["response"])
        yield pc.equal(pc.is_valid(rows["experiment"]), pc.is_valid(rows["arm"]))
        yield pc.greater(pc.list_value_length(rows["conversation"]), 0)
        yield _sound_messages(rows["conversation"])
        yield _ends_before_the_response(rows["conversation"])
    elif kind is ReactionChanged:
        yield pc.is_in(rows["reaction"], _PLAIN_REACTIONS)
        yield pc.is_in(rows["action"], _ACTIONS)
    else:
        assert kind is ErasureRequested


def _ends_before_the_response(conversations: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether the last message of each conversation is not the assistant's, which may be the response."""
    length = pc.list_value_length(conversations)
    lasts = pc.subtract(pc.cumulative_sum(pc.fill_null(length, 0)), 1)
    roles = pc.struct_field(pc.list_flatten(conversations), "role")
    if not len(roles):
        return pc.greater(length, 0)
    last = pc.if_else(pc.greater(length, 0), lasts, pa.scalar(None, lasts.type))
    return pc.not_equal(roles.take(last), "assistant")


def _sound_messages(conversations: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether every message of each conversation has a known role and a content."""
    flat = pc.list_flatten(conversations)
    sound = pc.and_(
        pc.fill_null(pc.is_in(pc.struct_field(flat, "role"), _ROLES), False),
        pc.is_valid(pc.struct_field(flat, "content")),
    )
    result = np.ones(len(conversations), np.bool_)
    if not pc.all(sound, min_count=0).as_py():
        owners = pc.list_parent_indices(conversations).to_numpy()
        result[owners[~sound.to_numpy()]] = False
    return pa.chunked_array([pa.array(result)])


def _between(column: pa.ChunkedArray, least: int, most: int) -> pa.ChunkedArray:
    return pc.and_(pc.greater_equal(column, least), pc.less_equal(column, most))


def _or_absent(name: str, column: pa.ChunkedArray, check: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.or_kleene(pc.is_null(column), check) if name in _MAY_BE_ABSENT else check
