"""Rows of other people's tables as events of the contract: which column is which field, constants, plain conversions.

Pure: a row in, a line of the wire out. What cannot be converted stays as it is, so that `streams.events.decode` judges
it and says what is wrong.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from streams import drafts
from streams.events import EARLIEST, ErasureRequested, ReactionChanged, ResponseServed, new_event_id
from warehouse.transfer import reactions
from warehouse.transfer.reactions import Rule

Row = Mapping[str, Any]
KINDS = {str(kind.__struct_config__.tag): kind for kind in (ResponseServed, ReactionChanged, ErasureRequested)}
MOMENTS = drafts.MOMENTS
_NUMBERS = {"turn", "dwell_ms", "schema_version"}
FIELDS = {name for kind in KINDS.values() for name in kind.__struct_fields__} | {"type"}
"""Every field of the contract."""
_ID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Columns:
    """How a table's rows become events. Without any of these, columns bear the contract's own names.

    Attributes:
        fields: Field of the event to column of the table; dots lead into nested columns (`payload.text`, `choices.0`).
            A field that the contract does not know is kept as an unknown one.
        constants: Field to the value that it has in every row.
        kind: The `type` of every row.
        zone: Time zone of moments that name none, such as `UTC` or `Europe/Berlin`.
        reactions: What values of `reaction` mean. What stood there is kept beside the event, in `original`.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None
    zone: str | None = None
    reactions: tuple[Rule, ...] = ()

    @property
    def foreign(self) -> bool:
        """Whether the rows are another table's; of its other columns only the contract's names are taken."""
        return bool(self.fields or self.constants or self.kind)

    @property
    def identity(self) -> str:
        """The same text for the same mapping."""
        told = asdict(self)
        if not self.reactions:  # files were imported before there were any
            del told["reactions"]
        return json.dumps(told, sort_keys=True)

    def left_out(self, columns: Iterable[str]) -> list[str]:
        """Those of a table's columns that no event takes anything from."""
        used = {column.split(".")[0] for column in self.fields.values()} | set(self.fields.values()) | FIELDS
        return [name for name in columns if self.foreign and name not in used]


def to_line(row: Row, columns: Columns) -> bytes:
    """The event of a row, as one line of the wire.

    A row without an event_id of the contract's form (UUIDv7) gets one from its moment and its content (from its own id,
    where it has one): the same row has the same id in whatever file it comes.

    >>> columns = Columns({"user_id": "who", "requested_at": "at"}, kind="erasure_requested", zone="UTC")
    >>> to_line({"who": 7, "at": 1_772_366_400, "why": "moved on"}, columns)[:91]
    b'{"event_id":"019ca945-0a00-755d-abf1-fd784592c495","requested_at":"2026-03-01T12:00:00Z","t'
    """
    event = _meant(_pick(row, columns), columns.reactions)
    zone = ZoneInfo(columns.zone) if columns.zone else None
    event = {name: _convert(name, value, zone) for name, value in event.items() if not _is_absent(value)}
    if not _is_id(event.get("event_id")):
        event["event_id"] = _id_of(event)
    return msgspec.json.encode(event, order="deterministic", enc_hook=str)


def _pick(row: Row, columns: Columns) -> dict[str, Any]:
    """Fields by name: the row's own, then those that are mapped, then constants."""
    own = {name: value for name, value in row.items() if not columns.foreign or name in FIELDS}
    mapped = {name: _at(row, column) for name, column in columns.fields.items()}
    kind = {"type": columns.kind} if columns.kind else {}
    return own | mapped | dict(columns.constants) | kind


def _meant(event: dict[str, Any], rules: Sequence[Rule]) -> dict[str, Any]:
    """The event with the reaction that its value means; what stood there stays beside it."""
    meant = reactions.meaning(event.get("reaction"), rules) if rules else None
    if meant is None or meant == event["reaction"]:
        return event
    kept = event.get("original")
    original = (kept if isinstance(kept, dict) else {}) | {"reaction": event["reaction"]}
    return event | {"reaction": meant, "original": original}


def _at(row: Row, column: str) -> Any:
    """The value at a dotted path; None where it leads nowhere. A column of that very name comes first."""
    if column in row:
        return row[column]
    found: Any = row
    for step in column.split("."):
        if isinstance(found, Mapping):
            found = found.get(step)
        elif isinstance(found, list | tuple) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return found


def _is_absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))  # pandas writes NaN for no value


def _convert(name: str, value: Any, zone: tzinfo | None) -> Any:
    if name == "conversation":
        return _conversation(value)
    if name in _CONVERTERS:
        return _CONVERTERS[name](value)
    return _moment(value, zone) if name in MOMENTS.values() else value


def _conversation(value: Any) -> Any:
    """A list of messages, of the contract or of OpenAI, its JSON, or a plain prompt: one message of the user."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(msgspec.DecodeError):  # a prompt that begins with a bracket
            value = msgspec.json.decode(value)
    return drafts.messages(value)


def _text(value: Any) -> Any:
    """Text; whole numbers are written out, since tables like to number their users."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _number(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and value.isdecimal() else value


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(FIELDS - {"conversation", *_NUMBERS, *MOMENTS.values()}, _text),
    **dict.fromkeys(_NUMBERS, _number),
}


def _moment(value: Any, zone: tzinfo | None) -> Any:
    """A moment in UTC: from a time stamp, its text, or a number since 1970 (seconds to nanoseconds, by its size)."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _since_1970(value)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return value
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime) or (value.tzinfo is None and zone is None):
        return value
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


def _since_1970(value: float) -> Any:
    limits = {1: 1e11, 1_000: 1e14, 1_000_000: 1e17}
    unit = next((unit for unit, limit in limits.items() if abs(value) < limit), 1_000_000_000)
    try:
        return _EPOCH + timedelta(microseconds=value * 1_000_000 // unit)
    except (OverflowError, ValueError):
        return value


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _id_of(event: dict[str, Any]) -> str:
    """A UUIDv7 from the event's moment, and from its own id or its content."""
    own = event.get("event_id")
    told = event if own is None else {"type": event.get("type"), "event_id": own}
    digest = hashlib.sha256(msgspec.json.encode(told, order="deterministic", enc_hook=str)).digest()
    moment = event.get(MOMENTS.get(str(event.get("type")), ""))
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        moment = EARLIEST  # the check of the moment will say what is wrong with it
    return new_event_id(max(moment, EARLIEST), int.from_bytes(digest[:10], "big") >> 6)
