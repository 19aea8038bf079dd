"""Single cells of a row that a user brings: what each may hold, and what is said of one that does not."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

ROLES = ("system", "user", "assistant")
LEFT_OUT = ", or the column left out"


def is_empty(value: Any) -> bool:
    """Whether nothing stands there: null, blanks or NaN."""
    return value is None or (isinstance(value, str) and not value.strip()) or value != value  # noqa: PLR0124 (NaN)


def conversation(row: Mapping[str, Any], columns: Sequence[str], place: str) -> str:
    """The column `conversation`, or `prompt` as one of a single message, as JSON text.

    Raises:
        ValueError: It is no list of messages that ends with the user's.
    """
    if "conversation" not in columns:
        if not isinstance(row.get("prompt"), str) or is_empty(row["prompt"]):
            raise ValueError(f"{place}: prompt is {short(row.get('prompt'))}, must be the user's text")
        return whole(json.dumps([{"role": "user", "content": row["prompt"]}], ensure_ascii=False), place)
    turns = row.get("conversation")
    try:
        turns = json.loads(turns) if isinstance(turns, str) else turns
    except json.JSONDecodeError:
        raise ValueError(
            f"{place}: conversation is {short(turns)}, must be a JSON list of messages; a bare text belongs in a "
            "column prompt"
        ) from None
    rule = f"each with role ({', '.join(ROLES)}) and content (a text)"
    if not isinstance(turns, list) or not turns:
        raise ValueError(f"{place}: conversation is {short(turns)}, must be a list of messages, {rule}")
    for number, each in enumerate(turns, 1):
        if not _is_turn(each):
            raise ValueError(f"{place}: message {number} of the conversation is {_seen(each)}; messages are {rule}")
    if turns[-1]["role"] != "user":
        raise ValueError(
            f"{place}: conversation ends with a message of the {turns[-1]['role']}, must end with the user's; the "
            "answer to it belongs in the column response"
        )
    text = json.dumps([{"role": each["role"], "content": each["content"]} for each in turns], ensure_ascii=False)
    return whole(text, place)


def _seen(message: Any) -> str:
    """What is wrong with a message, before a long text hides it."""
    if isinstance(message, dict) and isinstance(message.get("content"), str):
        return f"of role {short(message.get('role'))}"
    return short(message)


def _is_turn(each: Any) -> bool:
    return isinstance(each, dict) and each.get("role") in ROLES and isinstance(each.get("content"), str)


def response(row: Mapping[str, Any], place: str) -> str | None:
    """The column `response`; None where it is empty.

    Raises:
        ValueError: It is no text.
    """
    found = row.get("response")
    if is_empty(found):
        return None
    if not isinstance(found, str):
        raise ValueError(f"{place}: response is {short(found)}, must be a text")
    return whole(found, place)


def weight(row: Mapping[str, Any], place: str) -> float:
    """The column `weight`.

    Raises:
        ValueError: It is no number from 0 to 1.
    """
    try:
        found = float(row["weight"])
    except (KeyError, TypeError, ValueError):
        found = -1.0
    if not 0 <= found <= 1:
        raise ValueError(f"{place}: weight is {short(row.get('weight'))}, must be from 0 to 1 in every row")
    return found


def user(row: Mapping[str, Any], place: str, otherwise: str = LEFT_OUT) -> str:
    """The column `user_id`; `otherwise` is what may be done instead of filling it.

    Raises:
        ValueError: It is empty.
    """
    if is_empty(row.get("user_id")):
        raise ValueError(f"{place}: user_id is empty, must be filled in every row{otherwise}")
    return str(row["user_id"])


def moment(row: Mapping[str, Any], place: str, otherwise: str = LEFT_OUT) -> datetime:
    """The column `served_at`, in UTC; `otherwise` is what may be done instead of filling it.

    Raises:
        ValueError: It is no moment with a time zone.
    """
    value = row.get("served_at")
    try:
        found = datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, datetime) or found.tzinfo is None:
        raise ValueError(
            f"{place}: served_at is {short(value)}, must be a moment with its time zone in every row, such as "
            f"2026-03-01T09:30:00Z{otherwise}"
        )
    return found.astimezone(UTC)


def whole(text: str, place: str) -> str:
    """The text.

    Raises:
        ValueError: It holds half a character.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{place}: a text holds half a character (a lone surrogate), must be valid Unicode") from None
    return text


def short(value: Any) -> str:
    """A value as it is shown in an error."""
    said = str(value) if isinstance(value, datetime) else repr(value)
    return said if len(said) <= 80 else f"{said[:77]}..."
