"""The shape of an event in Arrow: the columns of each kind, as the tables hold them."""

from __future__ import annotations

import pyarrow as pa

from streams.events import ErasureRequested, Event, ReactionChanged, ResponseServed

MOMENT = pa.timestamp("us", "UTC")
CONVERSATION = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
"""In a batch; the tables hold it as JSON text."""
COORDINATES = {
    "kafka_topic": pa.string(),
    "kafka_partition": pa.int32(),
    "kafka_offset": pa.int64(),
    "kafka_line": pa.int32(),
}
RECEIVED = "received_at"
"""The column, behind the coordinates, that says when the broker (or an import) received the line; NULL in old rows."""

CONTENT: dict[type[Event], dict[str, pa.DataType]] = {
    ResponseServed: {
        "event_id": pa.string(),
        "user_id": pa.string(),
        "served_at": MOMENT,
        "response_id": pa.string(),
        "conversation_id": pa.string(),
        "turn": pa.int64(),
        "session_id": pa.string(),
        "policy": pa.string(),
        "experiment": pa.string(),
        "arm": pa.string(),
        "conversation": CONVERSATION,
        "response": pa.string(),
        "schema_version": pa.int64(),
        "extra": pa.string(),
    },
    ReactionChanged: {
        "event_id": pa.string(),
        "user_id": pa.string(),
        "reacted_at": MOMENT,
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
        "requested_at": MOMENT,
        "schema_version": pa.int64(),
        "extra": pa.string(),
    },
}
"""Columns of each kind of event (before their coordinates)."""
TABLES: dict[type[Event], str] = {
    ResponseServed: "responses",
    ReactionChanged: "reactions",
    ErasureRequested: "erasures",
}
"""The table of the log for each kind."""
TAG = {kind.__struct_config__.tag: kind for kind in CONTENT}
"""The kind that a line's `type` names."""
MOMENT_OF = {
    kind: next(name for name, dtype in columns.items() if dtype is MOMENT) for kind, columns in CONTENT.items()
}
"""The column that says when an event of the kind happened."""
WIRE = pa.schema(
    {"type": pa.string()}
    | {
        name: pa.string() if dtype is MOMENT else dtype
        for columns in CONTENT.values()
        for name, dtype in columns.items()
        if name != "extra"
    }
)
"""A line as it is parsed: the fields of all kinds, moments as text."""
