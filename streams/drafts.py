"""Drafts: events as a product has them at hand, completed into events of the contract. Pure.

What may be left out is filled in (ids, the moment, the version), reactions get their canonical names, and messages of
OpenAI's chat format become messages of the contract:

1. `developer` is `system`, `tool` and `function` are `system` too: words that neither the user nor the model said.
2. A content in parts is their texts, joined by newlines; a part that is no text is its type in brackets (`[image]`).
3. A content that is null is the refusal, when there is one, and empty when the message calls tools.
4. What a rule changed stays beside it, in the message's field `original`, without the bulk of pictures and sounds.

A conversation that is a text is one message of the user. What no rule knows is left as it is, for the judge of the
contract to refuse.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from . import events, outgoing  # relative: the client carries this file
from .events import EARLIEST, SCHEMA_VERSION, new_event_id
from .upcasters import canonical_reaction

MOMENTS: Final = {"response_served": "served_at", "reaction_changed": "reacted_at", "erasure_requested": "requested_at"}
"""Which field says when, by type."""
LONGEST_KEPT = 2_048
"""Characters of one text in a part that is no text; a picture has millions."""
_ROLES = {"developer": "system", "tool": "system", "function": "system"}
_TEXTS = ("text", "input_text", "output_text")


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
    if "conversation" in event:
        event["conversation"] = messages(event["conversation"])
    if "event_id" not in event:
        event["event_id"] = _id_of(event, event.get(name), now)
    event.setdefault(name, now)
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
    event = complete(draft, now)
    try:
        line = msgspec.json.encode(event)
    except (TypeError, ValueError, RecursionError):
        raise outgoing.not_json(event, events.KINDS.get(str(event.get("type")))) from None
    events.decode(line, received_at=now)
    return Completed(event["event_id"], event["user_id"], line)


def messages(conversation: Any) -> Any:
    """Messages of OpenAI's chat format as messages of the contract, by the rules above.

    >>> messages([{"role": "developer", "content": [{"type": "text", "text": "Be kind."}]}])
    [{'role': 'system', 'content': 'Be kind.', 'original': {'role': 'developer', 'content': [{'type': 'text', 'text': 'Be kind.'}]}}]
    """  # noqa: E501
    if isinstance(conversation, str):
        return [{"role": "user", "content": conversation}]
    return [_message(each) for each in conversation] if isinstance(conversation, list | tuple) else conversation


def _message(message: Any) -> Any:
    if hasattr(message, "model_dump"):  # pydantic, as OpenAI's own client returns
        message = message.model_dump(exclude_none=True)
    if not isinstance(message, Mapping):
        return message
    made = dict(message)
    role, content = message.get("role"), message.get("content")
    if isinstance(role, str) and role in _ROLES:
        made["role"] = _ROLES[role]
    if isinstance(content, list | tuple):
        made["content"] = "\n".join(map(_text, content))
    elif content is None:
        made |= _instead(message)
    changed = {name: _brief(message[name]) for name in ("role", "content") if message.get(name) != made.get(name)}
    changed = {name: value for name, value in changed.items() if value is not None}
    return made | {"original": changed} if changed else made


def _instead(message: Mapping[str, Any]) -> dict[str, str]:
    if isinstance(message.get("refusal"), str):
        return {"content": message["refusal"]}
    return {"content": ""} if message.get("tool_calls") or message.get("function_call") else {}


def _text(part: Any) -> str:
    if isinstance(part, str):
        return part
    kind = str(part.get("type", "part")) if isinstance(part, Mapping) else "part"
    text = part.get("text" if kind in _TEXTS else kind) if isinstance(part, Mapping) else None
    if isinstance(text, str) and kind in (*_TEXTS, "refusal"):
        return text
    return f"[{kind.removeprefix('input_').removesuffix('_url')}]"


def _brief(value: Any) -> Any:
    """The same with long texts of parts cut, other than the parts' own words."""
    if isinstance(value, Mapping):
        spoken = value.get("type") in _TEXTS
        return {name: each if spoken and name == "text" else _brief(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_brief(each) for each in value]
    if isinstance(value, str) and len(value) > LONGEST_KEPT:
        return f"{value[:64]}... ({len(value) - 64:,} characters left out)"
    return value


def _id_of(event: Mapping[str, Any], moment: Any, now: datetime) -> str:
    if moment is None:
        return new_event_id(now)
    digest = hashlib.sha256(msgspec.json.encode(event, order="deterministic", enc_hook=repr)).digest()
    return new_event_id(max(_moment(moment), EARLIEST), int.from_bytes(digest[:10], "big") >> 6)


def _moment(value: Any) -> datetime:
    """The moment of an id; what names none is refused later, whatever its id."""
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return EARLIEST
    return found if found.tzinfo else found.replace(tzinfo=UTC)
