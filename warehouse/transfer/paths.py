"""Where a field's value stands in a row: a column, a place in a nested one, the first of several, or several in one.

| written | means |
|---|---|
| `uid` | the column of that name, whatever signs the name has |
| `meta.tags.0` | a place in a nested column, or in one that holds JSON as text; -1 is the last of a list |
| `userId|user.id` | the first that is there |
| `chat_id+message_id` | both, joined by `/`: for ids that are unique only within something |
| `sessionId|=none` | after `=` a text of its own, for rows that have none |
| `chat.messages>message_id` | of messages by id, each with its `parentId`, those that lead to this one, in order |
| `chat.messages>message_id>-1.timestamp` | a place in what these are |
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from warehouse.transfer import values

Row = Mapping[str, Any]
_NUMBER = re.compile("-?[0-9]+")


def find(row: Row, path: str) -> Any:
    """The value at a path; None where it leads nowhere.

    >>> row = {"chat": {"id": "c1", "parts": '["a", "b"]'}, "n": 2}
    >>> find(row, "chat.parts.-1"), find(row, "user|chat.id"), find(row, "chat.id+n"), find(row, "user|=nobody")
    ('b', 'c1', 'c1/2', 'nobody')
    """
    if path in row:
        return row[path]
    for each in path.split("|"):
        found = _composed(row, each) if "+" in each and each not in row else _place(row, each)
        if not is_absent(found):
            return found
    return None


def columns(path: str) -> Iterator[str]:
    """The columns that a path may take something from: as they are written, and the first step of each place."""
    yield path
    for each in re.split(r"[|+>]", path):
        yield from () if each.startswith("=") else (each, each.split(".")[0])


def is_absent(value: Any) -> bool:
    """Whether a value counts as none: null, and not a number, which pandas writes for it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _composed(row: Row, path: str) -> Any:
    """Several values as one name. No two sets of values make the same: their own `/` is written `%2F`."""
    found = []
    for each in path.split("+"):
        value = values.name(_place(row, each))
        if is_absent(value):
            return None
        if not isinstance(value, str):
            return value  # no name, as the judge will say
        found.append(value.replace("%", "%25").replace("/", "%2F"))
    return "/".join(found)


def _place(row: Row, path: str) -> Any:
    if path.startswith("="):
        return path[1:]
    if path in row:
        return row[path]
    where, *thread = path.split(">")
    found: Any = row
    for step in where.split("."):
        found = _step(found, step)
    return _in_thread(row, found, *thread) if thread else found


def _in_thread(row: Row, messages: Any, key: str, place: str = "") -> Any:
    """The messages that lead to one, from the first of the chat on, or a place in them."""
    found: list[Any] = []
    at = _place(row, key)
    while isinstance(messages, Mapping) and isinstance(message := messages.get(str(at)), Mapping):
        if len(found) > len(messages):
            return None  # they lead in a circle
        found.insert(0, message)
        at = message.get("parentId")
    if not found or not place:
        return found or None
    return _place({"thread": found}, f"thread.{place}")


def _step(found: Any, step: str) -> Any:
    if isinstance(found, str) and found.lstrip()[:1] in ("{", "["):
        with suppress(ValueError, RecursionError):
            found = json.loads(found)
    if isinstance(found, Mapping):
        return found.get(step)
    if isinstance(found, list | tuple) and _NUMBER.fullmatch(step) and -len(found) <= int(step) < len(found):
        return found[int(step)]
    return None
