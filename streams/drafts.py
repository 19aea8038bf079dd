"""Drafts: events as a product has them at hand, completed into events of the contract. Pure.

What may be left out is filled in (ids, the moment, the version), reactions get their canonical names, moments are read
by `streams.moments` and conversations by `streams.conversations`. What no rule knows is left as it is, for the judge of
the contract to refuse.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from . import conversations, events, moments, outgoing  # relative: the client carries this file
from .events import EARLIEST, MOMENTS, SCHEMA_VERSION, new_event_id
from .upcasters import canonical_reaction


def complete(draft: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The fields of an event, as far as they can be told.

    An event without an id gets one of its moment. When the draft names its moment, the id follows from the content, so
    that a draft sent again is a copy of the first; else it is random.

    Args:
        draft: JSON as Python has it; moments may be datetimes, which keep their zone or their lack of one.
        now: The moment of a draft that names none.

    >>> draft = {"type": "reaction_changed", "reaction": "Thumbs Up", "reacted_at": "2026-03-01T12:00:00Z"}
    >>> complete(draft, datetime(2026, 3, 2, tzinfo=UTC))["event_id"]
    '019ca945-0a00-717d-af8a-c445de922184'
    """
    event = {name: value for name, value in draft.items() if value is not None}
    name = MOMENTS.get(event["type"]) if isinstance(event.get("type"), str) else None
    if name is None:
        return event
    event.setdefault("schema_version", SCHEMA_VERSION)
    if isinstance(event.get("reaction"), str):
        event["reaction"] = canonical_reaction(event["reaction"])
    if event["type"] == "response_served":
        event = conversations.normalised(event)
    if "event_id" not in event:
        event["event_id"] = _id_of(event, event.get(name), now)
    event[name] = moments.read(event.get(name, now))
    return event


class Completed(NamedTuple):
    """A draft that keeps the contract.

    Attributes:
        event_id: Its own, or the one that was made.
        user_id: The user's.
        line: For the wire, without its newline.
    """

    event_id: str
    user_id: str
    line: bytes


def to_line(draft: Mapping[str, Any], now: datetime) -> Completed:
    """Complete a draft and judge it by the contract.

    Raises:
        ContractError: It names every wrong field, the rule and the cure.
    """
    try:
        event = complete(draft, now)
        line = _encoded(event)
    except RecursionError:
        raise events.ContractError("not_json", events.TOO_DEEP) from None
    if not outgoing.is_sound(line, str(event.get("type")), now):
        events.decode(line, received_at=now)  # the judge finds the words
    return Completed(event["event_id"], event["user_id"], line)


def _encoded(event: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(event)
    except (TypeError, ValueError):
        raise outgoing.not_json(event, events.KINDS.get(str(event.get("type")))) from None


def _id_of(event: Mapping[str, Any], moment: Any, now: datetime) -> str:
    if moment is None:
        return new_event_id(now)
    digest = hashlib.sha256(msgspec.json.encode(event, order="deterministic", enc_hook=repr)).digest()
    return new_event_id(max(_moment(moment), EARLIEST), int.from_bytes(digest[:10], "big") >> 6)


def _moment(value: Any) -> datetime:
    """The moment of an id; what names none is refused later, whatever its id."""
    found = moments.read(value, UTC)
    return found if isinstance(found, datetime) else EARLIEST
