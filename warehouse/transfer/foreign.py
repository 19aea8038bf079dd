"""Rows of other people's tables as events of the contract: which column is which field, constants, plain conversions.

Pure: a row in, a line of the wire out. What cannot be converted stays as it is, so that `streams.events.decode` judges
it and says what is wrong.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from streams import conversations, moments
from streams.events import EARLIEST, KINDS, MOMENTS, new_event_id
from warehouse.transfer import paths, value_maps, values
from warehouse.transfer.paths import Row

_NAMES = {"user_id", "response_id", "conversation_id", "session_id", "device_id", "network_id", "event_id"}
_MOMENTS = frozenset(MOMENTS.values())
_NUMBERS = {"turn", "dwell_ms", "schema_version"}
FIELDS = {name for kind in KINDS.values() for name in kind.__struct_fields__} | {"type"}
"""Every field of the contract."""
LEFT_OUT: Final = "rows that are none of the mapping's events"
NOBODY: Final = "names such as None, nan or undefined kept as they are: all rows that have one count as one"
DEEP: Final = "rows whose lists or objects lie within one another, hundreds deep: these values are left out"
COUNTED: Final = "turns counted from the conversation"
_ID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Columns:
    """How a table's rows become events. Without any of these, columns bear the contract's own names.

    Attributes:
        fields: Field of the event to where its value stands (`warehouse.transfer.paths`). A field that the contract
            does not know is kept as an unknown one.
        constants: Field to the value that it has in every row.
        kind: The `type` of every row.
        zone: Time zone of moments that name none, such as `UTC` or `Europe/Berlin`.
        values: For some fields, what the values seen mean (`warehouse.transfer.value_maps`); others stay as they are.
            What stood there is kept beside the event, in `original`.
        only: Where something must stand in a row that is such an event: path to values joined by `|`, or `*` for any.
        count_turns: A response without a `turn` has as many as the assistant has spoken before.
        own: Whether columns that have a name of the contract are taken too.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None
    zone: str | None = None
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    only: Mapping[str, str] = field(default_factory=dict)
    count_turns: bool = False
    own: bool = True

    @property
    def parts(self) -> tuple[Columns, ...]:
        """The events that a row may be: this one."""
        return (self,)

    @property
    def foreign(self) -> bool:
        """Whether the rows are another table's; of its other columns only the contract's names are taken."""
        return bool(self.fields or self.constants or self.kind)

    @property
    def identity(self) -> str:
        """The same text for the same mapping."""
        told = asdict(self)
        later = {"values": {}, "only": {}, "count_turns": False, "own": True}  # files were imported before these
        since = {name for name, plain in later.items() if told[name] == plain}
        return json.dumps({name: value for name, value in told.items() if name not in since}, sort_keys=True)

    def left_out(self, columns: Iterable[str]) -> list[str]:
        """Those of a table's columns that no event takes anything from."""
        taken = FIELDS if self.own else set[str]()
        used = taken.union(*(paths.columns(path) for path in (*self.fields.values(), *self.only)))
        return [name for name in columns if self.foreign and name not in used]


@dataclass(frozen=True)
class Export:
    """How the rows of a known product's export become events, of several kinds, perhaps.

    Attributes:
        name: The product's.
        parts: A row is each of these events that it can be.
    """

    name: str
    parts: tuple[Columns, ...]
    foreign = True

    @property
    def identity(self) -> str:
        """The same text for the same mapping."""
        return json.dumps([part.identity for part in self.parts])

    @property
    def zone(self) -> str | None:
        """Time zone of moments that name none."""
        return next((part.zone for part in self.parts if part.zone), None)

    def left_out(self, columns: Iterable[str]) -> list[str]:
        """Those of a table's columns that no event takes anything from."""
        found = [set(part.left_out(columns)) for part in self.parts]
        return [name for name in columns if all(name in each for each in found)]


Mapped = Columns | Export
PLAIN = Columns()


def to_lines(row: Row, columns: Mapped, told: Counter[str] | None = None) -> Iterator[bytes]:
    """The events of a row, as lines of the wire; arguments as `to_line`."""
    some = False
    for part in columns.parts:
        if all(_is(paths.find(row, path), seen) for path, seen in part.only.items()):
            some = True
            try:
                yield to_line(row, part, told)
            except RecursionError:
                if told is not None:
                    told[DEEP] += 1
                yield to_line(_flat(row), part, told)
    if not some and told is not None:
        told[LEFT_OUT] += 1


def to_line(row: Row, columns: Columns, told: Counter[str] | None = None) -> bytes:
    """The event of a row, as one line of the wire.

    A row without an event_id of the contract's form (UUIDv7) gets one from its moment and its content (from its own id,
    where it has one): the same row has the same id in whatever file it comes.

    Args:
        row: Column to value.
        columns: How it becomes an event.
        told: Counts what was changed on the way, by rule.

    >>> columns = Columns({"user_id": "who", "requested_at": "at"}, kind="erasure_requested", zone="UTC")
    >>> to_line({"who": 7, "at": 1_772_366_400, "why": "moved on"}, columns)[:91]
    b'{"event_id":"019ca945-0a00-755d-abf1-fd784592c495","requested_at":"2026-03-01T12:00:00Z","t'
    """
    zone = ZoneInfo(columns.zone) if columns.zone else None
    picked = {name: value for name, value in _pick(row, columns).items() if not paths.is_absent(value)}
    event, said = _meant(picked, columns, told)
    event = {
        name: value if name in said else _convert(name, value, columns, zone, told) for name, value in event.items()
    }
    if event.get("type") == "response_served" or "conversation" in event:
        event = conversations.normalised(event, told)
    if columns.count_turns:
        _count_turns(event, told)
    if told is not None and any(values.is_nobody(event.get(name)) for name in ("user_id", "response_id")):
        told[NOBODY] += 1
    if not _is_id(event.get("event_id")) and not isinstance(event.get("event_id"), float):
        event["event_id"] = _id_of(event)
    return msgspec.json.encode(event, order="deterministic", enc_hook=str)


def _flat(row: Row) -> Row:
    """A row without its nested values; a field of the contract that was one breaks it."""
    return {name: ["too deep"] if isinstance(each, list | tuple | Mapping) else each for name, each in row.items()}


def name_columns(columns: Mapped) -> frozenset[str]:
    """Columns in which names, moments and the like stand: all fields of the contract but what people said."""
    fields = FIELDS - {"conversation", "response"}
    found = {path for part in columns.parts for name in fields for path in paths.columns(part.fields.get(name, name))}
    return frozenset(found)


def _pick(row: Row, columns: Columns) -> dict[str, Any]:
    """Fields by name: the row's own, then those that are mapped, then constants."""
    own: Row = row
    if columns.foreign:
        own = {name: value for name, value in row.items() if name in FIELDS} if columns.own else {}
    mapped = {name: paths.find(row, path) for name, path in columns.fields.items()}
    kind = {"type": columns.kind} if columns.kind else {}
    return {**own, **mapped, **columns.constants, **kind}


def user_columns(columns: Mapped) -> tuple[str, ...]:
    """Where rows of the table may say whose they are."""
    each = [path for part in columns.parts for path in part.fields.get("user_id", "user_id").split("|")]
    return tuple(dict.fromkeys(path for path in each if not path.startswith("=")))


def _meant(event: dict[str, Any], columns: Columns, told: Counter[str] | None) -> tuple[dict[str, Any], frozenset[str]]:
    """The event with what its values mean by the mapping, and the fields for which it says something."""
    found = {name: value_maps.meaning(event.get(name), rules) for name, rules in columns.values.items()}
    meant = {name: meaning for name, meaning in found.items() if meaning is not None}
    changed = {name: event[name] for name, meaning in meant.items() if meaning.means != event[name]}
    if told is not None:
        told.update(f"{name} {meant[name].rule} read as {meant[name].means}" for name in changed)
    kept = event.get("original")
    original = {**(kept if isinstance(kept, dict) else {}), **changed}
    means = {name: meaning.means for name, meaning in meant.items()}
    return {**event, **means, **({"original": original} if changed else {})}, frozenset(meant)


def _is(value: Any, seen: str) -> bool:
    """Whether a value is one of those that are asked for."""
    return not paths.is_absent(value) and (seen == "*" or str(value) in seen.split("|"))


def _convert(name: str, value: Any, columns: Columns, zone: tzinfo | None, told: Counter[str] | None) -> Any:
    if name in _MOMENTS:
        return moments.read(value, zone, told)
    if name == "reaction" and (columns.foreign or not isinstance(value, str)):
        return values.reaction(value)
    if name in _NUMBERS:
        return values.number(value)
    if name == "conversation" or name not in FIELDS or (name == "response" and isinstance(value, str)):
        return value
    return values.name(value)


def _count_turns(event: dict[str, Any], told: Counter[str] | None) -> None:
    talk = event.get("conversation")
    if event.get("type") == "response_served" and "turn" not in event and isinstance(talk, list):
        event["turn"] = sum(conversations.is_answer(each) for each in talk)
        if told is not None:
            told[COUNTED] += 1


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
