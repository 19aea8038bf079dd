"""Checks of events before they are sent: a struct does not validate the values that it is built of."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from . import faults  # relative: the client carries these files under its own name
from .events import (
    DEEPEST,
    EARLIEST,
    KINDS,
    LATEST_AHEAD,
    LONGEST_LINE,
    NUL,
    SCHEMA_VERSION,
    ContractError,
    Event,
    ResponseServed,
    at_odds,
    decode,
    encode,
    moment_of,
    names_with_nul,
    without_nulls,
)

_READERS = {kind: msgspec.json.Decoder(kind).decode for kind in KINDS.values()}
_LATEST_AT_IMPORT = datetime.now(UTC) + LATEST_AHEAD


def encode_checked(event: Event, *, now: datetime | None = None) -> bytes:
    """One line of the wire, of an event that keeps the contract: structs check nothing when they are built.

    Args:
        event: Of any content.
        now: For the check of its moment; the wall clock by default.

    Raises:
        ContractError: It names every wrong field, the rule and the cure.
    """
    reader = _READERS.get(type(event))
    if reader is None:
        names = ", ".join(kind.__name__ for kind in _READERS)
        raise ContractError("unknown_type", f"a {type(event).__name__}, must be one of {names}")
    try:
        line = encode(event)
    except (TypeError, ValueError, RecursionError):
        raise not_json(msgspec.structs.asdict(event), type(event)) from None
    if not _keeps_the_contract(reader, line, now):
        decode(line, received_at=now or datetime.now(UTC))  # the judge finds the words
    return line


def is_sound(line: bytes, kind: str, now: datetime) -> bool:
    """Whether an encoded event of this `type` keeps the present contract beyond doubt; `decode` judges what may not.

    >>> line = b'{"type":"erasure_requested","event_id":"019b76da-a800-7000-8000-000000000001","user_id":"u",'
    >>> line += b'"schema_version":2,"requested_at":"2026-01-01T00:00:00Z"}'
    >>> is_sound(line, "erasure_requested", datetime(2026, 1, 2, tzinfo=UTC))
    True
    """
    struct = KINDS.get(kind)
    return struct is not None and _keeps_the_contract(_READERS[struct], line, now)


def _keeps_the_contract(reader: Any, line: bytes, now: datetime | None) -> bool:
    """Whether a line does beyond doubt: one typed pass, a third of what `decode` costs."""
    if len(line) > LONGEST_LINE or line.count(b"[") + line.count(b"{") > DEEPEST:
        return False
    try:
        event = reader(line)
    except msgspec.MsgspecError:
        return False
    if event.schema_version != SCHEMA_VERSION or (NUL in line and names_with_nul(event)):
        return False
    if isinstance(event, ResponseServed) and at_odds(event):
        return False
    latest = now + LATEST_AHEAD if now else _LATEST_AT_IMPORT  # reading the clock costs as much as a small event
    return EARLIEST <= moment_of(event) <= latest


def not_json(fields: Mapping[str, Any], kind: type[Event] | None) -> ContractError:
    """What is wrong with fields that JSON cannot hold, the other fields of their kind included."""
    found = faults.unwritable(fields)
    sound = {name: value for name, value in fields.items() if name not in {each.field for each in found}}
    if kind is not None:
        others = faults.find(without_nulls(msgspec.to_builtins(sound)), kind, SCHEMA_VERSION)
        found += [each for each in others if each.field in sound or each.field not in fields]
    return ContractError("invalid_field", faults.told(found), found)
