"""Every fault of a line that breaks the contract, in words: what was seen, the rule, and the cure.

The judge is `streams.events`; this module is asked only about lines that it refused, so what is accepted pays nothing.
It tries the fields one by one against their own types, and thereby finds all faults, where msgspec names the first.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from . import conversations  # relative: the client carries this file under its own name
from .upcasters import canonical_reaction

SHOWN = 16
"""Faults that are told: every field of an event may have one, and a conversation thousands."""
EXACT = 2**53
"""From here on a float of 64 bits is no whole number of its own: neighbours look the same."""
_LONGEST = {"event_id": 36, "reaction": 64}
_WRITTEN = ("conversation", "response")


class Fault(NamedTuple):
    """One field that breaks the contract.

    Attributes:
        field: Its name, with the place within a conversation (`conversation[2].role`).
        seen: What was seen, and the rule.
        cure: What to do about it.
    """

    field: str
    seen: str
    cure: str

    def __str__(self) -> str:
        return f"{self.seen}: {self.cure}"


def find(fields: Mapping[str, Any], kind: type[msgspec.Struct], version: int) -> list[Fault]:
    """All faults of a line, in the order of the contract's fields.

    Args:
        fields: The line as an object, without nulls.
        kind: The struct of its type.
        version: The present one of the contract.
    """
    found: list[Fault] = []
    for each in msgspec.structs.fields(kind):
        if each.name in fields:
            found += _of_value(each.name, fields[each.name], each.type, version)
        elif each.required:
            cure = _CURES.get(each.name, "give it; null counts as absent")
            found.append(Fault(each.name, f"{each.name} is missing", cure))
    return found + _of_pair(fields) + _of_end(fields)


def at_odds(fields: Mapping[str, Any]) -> bool:
    """Whether fields of a served response, each sound by itself, do not go together."""
    return ("experiment" in fields) != ("arm" in fields) or conversations.ends_with_another_form(fields)


def unwritable(fields: Mapping[str, Any]) -> list[Fault]:
    """Fields that JSON cannot hold: half a character (a lone surrogate), an object of no plain type."""
    found: list[Fault] = []
    for name, value in fields.items():
        try:
            msgspec.json.encode(value)
        except (TypeError, ValueError, RecursionError) as error:
            seen = f"{name} == {ascii(value)[:60]}, JSON cannot hold it ({error})"
            found.append(Fault(name, seen, "give text in whole characters, whole numbers and moments"))
    return found


def told(faults: list[Fault]) -> str:
    """The text of a dead letter: the first faults, and how many more there are."""
    more = [f"and {len(faults) - SHOWN:,} more"] if len(faults) > SHOWN else []
    return "; ".join([*map(str, faults[:SHOWN]), *more])


def shown(value: object) -> str:
    """A value as JSON, cut at 60 characters."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _of_pair(fields: Mapping[str, Any]) -> list[Fault]:
    given = [name for name in ("experiment", "arm") if name in fields]
    if len(given) != 1 or fields.get("type", "response_served") != "response_served":
        return []
    return [Fault(given[0], "experiment and arm go together", "give both or neither")]


def _of_end(fields: Mapping[str, Any]) -> list[Fault]:
    if not conversations.ends_with_another_form(fields):
        return []
    place = f"conversation[{len(fields['conversation']) - 1}]"
    seen = f"{place} is the response in another form, {shown(fields['conversation'][-1]['content'])}"
    return [Fault(place, seen, "end the conversation with the user's last message, before the response")]


def _of_value(name: str, value: Any, rule: Any, version: int) -> Iterator[Fault]:
    if isinstance(value, str) and "\0" in value and name not in _WRITTEN:
        seen = f"{name} == {shown(value)} holds the character NUL (U+0000), ids and names hold none"
        yield Fault(name, seen, "leave it out; a message or a response may hold one")
        return
    try:
        msgspec.convert(value, rule)
    except msgspec.ValidationError as error:
        if name == "conversation" and isinstance(value, list) and value:
            yield from _of_messages(value)
        else:
            yield Fault(name, *_words(name, value, str(error), version))


def _of_messages(messages: list[Any]) -> Iterator[Fault]:
    for number, message in enumerate(messages):
        place = f"conversation[{number}]"
        if not isinstance(message, Mapping):
            yield Fault(place, f"{place} == {shown(message)}, must be an object", "give a role and a content")
            continue
        role, content = message.get("role"), message.get("content")
        if role not in conversations.ROLES:
            seen = f"{place}.role == {shown(role)}, must be system, user or assistant"
            yield Fault(f"{place}.role", seen, "say whose words they are; words of neither are the system's")
        if not isinstance(content, str):
            seen = f"{place}.content == {shown(content)}, must be text"
            yield Fault(f"{place}.content", seen, "give its text, an empty one if there is none")


def _words(name: str, value: Any, error: str, version: int) -> tuple[str, str]:
    """What was seen with the rule, and the cure."""
    seen = f"{name} == {shown(value)}"
    if name == "event_id":
        return _id_words(seen, value)
    if name in _RULES:
        return f"{seen}, {_RULES[name]}", _CURES[name]
    if name == "reaction" and isinstance(value, str) and canonical_reaction(value) != value:
        cure = "write that name; the client and the collector do"
        return f"{seen}, version {version} writes it {shown(canonical_reaction(value))}", cure
    return _text_words(name, seen, value, error)


def _text_words(name: str, seen: str, value: Any, error: str) -> tuple[str, str]:
    rule = f"must be text of 1 to {_LONGEST.get(name, 256)} characters"
    if name == "reaction" and isinstance(value, bool | int | float):
        cure = "say which name it means; an import does with --map-reaction"
        return f"{seen}, numbers and yes or no say nothing by themselves", cure
    if isinstance(value, float) and abs(value) >= EXACT:
        return (
            f"{seen}, a float of 2^53 or more holds no id: others look the same",
            "export it as text or integer",
        )
    if not isinstance(value, str):
        return f"{seen}, {rule}", f'write it as text, such as "{value}"' if isinstance(value, int) else error
    cure = "give its name, not the comment that came with it" if name == "reaction" else "give a pseudonym or a hash"
    return f"{seen} has {len(value):,} characters, {rule}", cure if value else "leave none empty"


def _id_words(seen: str, value: Any) -> tuple[str, str]:
    cure = _CURES["event_id"]
    try:
        version = uuid.UUID(value).version if isinstance(value, str) else None
    except ValueError:
        version = None
    if version == 7:
        return f"{seen}, a UUIDv7 is written in small letters with hyphens", "write str(uuid)"
    if version is not None:
        return f"{seen} is a UUIDv{version}, must be a UUIDv7, which begins with its time", cure
    return f"{seen}, must be a UUIDv7", cure


_MOMENT = "must be a moment with its time zone"
_WHOLE = "must be a whole number from 0 to 2^63 - 1"
_RULES = {
    "served_at": _MOMENT,
    "reacted_at": _MOMENT,
    "requested_at": _MOMENT,
    "turn": _WHOLE,
    "dwell_ms": _WHOLE,
    "action": 'must be "added" or "removed"',
    "conversation": "must be a list of at least one message",
    "response": "must be text",
    "schema_version": "must be a whole number from 1",
}
_WRITE_MOMENT = 'write it like "2026-03-01T12:00:00Z"; in Python datetime.now(UTC)'
_CURES = {
    "event_id": "make one with new_event_id(moment) of streams.events or of the client",
    "served_at": _WRITE_MOMENT,
    "reacted_at": _WRITE_MOMENT,
    "requested_at": _WRITE_MOMENT,
    "turn": "count the responses of the conversation from 0",
    "dwell_ms": "give milliseconds, or leave it out",
    "action": "say which it was",
    "conversation": "give all up to the user's last message, as objects with role and content",
    "response": "give the text that the user was shown; a step that only calls tools is no response",
    "schema_version": "write the version of the contract that you follow",
}
