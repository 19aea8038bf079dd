r"""Users that a broken line names, read leniently: its user fields, at any depth, in arrays, in JSON within texts.

Erasure must find it, whatever is wrong with the line. Whom a line names elsewhere: `mentions`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

BROKEN = object()
_TWICE = "\0twice"
"""Under which an object holds all pairs where a key stands twice; no user has this name."""
_DEEPEST = 8
"""JSON within texts of JSON is followed so far down."""
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|[^u])")
_CONTROL = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def user_of(line: bytes) -> str | None:
    r"""The first user that a line's user fields name; errors none.

    >>> user_of(b'{"user_id": 17'), user_of(b'[{"user_id": "ann"}]'), user_of(b'\xff"user_id":"b\u00f6b", "turn')
    ('17', 'ann', 'böb')
    >>> user_of(b"nothing of the kind") is None
    True
    """
    return next(iter(users_of(line)), None)


def users_of(line: bytes, column: str = "user_id") -> tuple[str, ...]:
    r"""Every user that the user fields of a line name, in their order.

    Args:
        line: Whatever bytes.
        column: Where a table's rows hold their user: a key, or a dotted path, beside `user_id`.

    >>> users_of(b'[{"user_id": "ann"}, {"user_id": "bea"}]')
    ('ann', 'bea')
    >>> users_of(b'{"uid": "bob", "answer": "half', column="uid")
    ('bob',)
    """
    fields = parsed(line)
    found = _owners_in_bytes(line, column) if fields is BROKEN else _owners(fields, column)
    sound = (user.encode(errors="replace").decode() for user in found)  # half a surrogate pair has no UTF-8
    return tuple(dict.fromkeys(user for user in sound if 0 < len(user) <= 256))


def parsed(body: bytes) -> Any:
    """The value of a line; `BROKEN` where it is no JSON."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return BROKEN


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object with all that it says: a key that stands there twice has an earlier value, too."""
    found = dict(pairs)
    if len(found) < len(pairs):
        found[_TWICE] = [{key: value} for key, value in pairs]
    return found


def walk(fields: Any) -> Iterator[tuple[str, bool, Any]]:
    """Each value in its order, with the key under which it stands, and whether directly: not within a list.

    JSON within texts is followed. Without recursion: a line may be nested as deeply as JSON's reader goes down, which
    is deeper than a walk of two calls a level could.
    """
    waiting = [("", False, fields, _DEEPEST)]
    while waiting:
        key, direct, value, depth = waiting.pop()
        yield key, direct, value
        if isinstance(value, dict):
            waiting += [(name, True, each, depth) for name, each in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [(key, False, each, depth) for each in reversed(value)]
        elif isinstance(value, str) and depth and value[:1] in ("{", "["):
            inner = parsed(value.encode(errors="replace"))
            if inner is not BROKEN:
                waiting.append(("", False, inner, depth - 1))


def _owners(fields: Any, column: str) -> Iterator[str]:
    """Values of the user fields, at any depth."""
    for key, direct, value in walk(fields):
        if direct and key in ("user_id", column):
            yield from said(value)
        if isinstance(value, dict):
            yield from said(_at(value, column))


def _at(fields: Any, path: str) -> Any:
    for step in path.split("."):
        fields = fields.get(step) if isinstance(fields, dict) else None
    return fields


def said(value: Any) -> Iterator[str]:
    """The id that a value is, if it is one: a text, or a whole number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str | int) and not isinstance(value, bool):
        yield str(value)


def _owners_in_bytes(line: bytes, column: str) -> Iterator[str]:
    keys = "|".join(re.escape(key) for key in dict.fromkeys(("user_id", column.rsplit(".", maxsplit=1)[-1])))
    for text in dict.fromkeys((line.decode(errors="replace"), unescaped(line.decode(errors="replace")))):
        for match in re.finditer(rf'"(?:{keys})"\s*:\s*(?:("(?:[^"\\]|\\.)*")|(-?\d+))', text):
            quoted, number = match.groups()
            yield number if quoted is None else unescaped(quoted[1:-1])


def unescaped(text: str) -> str:
    r"""JSON's escapes resolved wherever they stand.

    >>> unescaped(r'\"b\u00f6b\" \ud83d\ude00')
    '"böb" 😀'
    """
    plain = _ESCAPE.sub(_resolve, text)
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _resolve(match: re.Match[str]) -> str:
    escape = match[1]
    return chr(int(escape[1:], 16)) if len(escape) > 1 else _CONTROL.get(escape, escape)
