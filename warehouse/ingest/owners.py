r"""Whom a broken line names, read leniently: erasure must find it, whatever is wrong with the line.

Two questions. *Whose* is it: what its user fields say, at any depth, in arrays, in JSON within texts (`users_of`). And
does it *name* somebody anywhere (`names`): as a value, as a key, or, where the line is no JSON at all, as a word of its
bytes, however they are escaped or encoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import unquote_plus

_BROKEN = object()
_TWICE = "\0twice"
"""Under which an object holds all pairs where a key stands twice; no user has this name."""
_DEEPEST = 8
"""JSON within texts of JSON is followed so far down."""
_PERSON = "(?i:user|uid|author|member|customer|account|visitor|owner|sender|person|player|client|profile)"
"""Keys under which a bare number is taken for the number of a person."""
_TELLING = 5
"""A number of so many digits is taken for a user's wherever it stands."""
_BEFORE = 80
_PERSONS = re.compile(rf"""{_PERSON}\w*["']?\s*[:=]\s*["']?\Z""")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|[^u])")
_CONTROL = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def user_of(line: bytes, column: str = "user_id") -> str | None:
    r"""The first user that a line's user fields name; errors none.

    >>> user_of(b'{"user_id": 17'), user_of(b'[{"user_id": "ann"}]'), user_of(b'\xff"user_id":"b\u00f6b", "turn')
    ('17', 'ann', 'böb')
    >>> user_of(b"nothing of the kind") is None
    True
    """
    return next(iter(users_of(line, column)), None)


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
    fields = _parsed(line)
    found = _owners_in_bytes(line, column) if fields is _BROKEN else _owners(fields, column)
    sound = (user.encode(errors="replace").decode() for user in found)  # half a surrogate pair has no UTF-8
    return tuple(dict.fromkeys(user for user in sound if 0 < len(user) <= 256))


def names(body: bytes, user: str) -> bool:
    r"""Whether a line names a user anywhere (see `Searched`).

    >>> names(b'{"batch": [{"who": "b\\u00f6b"}]}', "böb"), names(b'{"text": "ask ann"}', "ann")
    (True, False)
    >>> names(b"17,ann,2026-03-01", "ann"), names(b"17,joann,2026-03-01", "ann"), names(b'{"turn": 17}', "17")
    (True, False, False)
    """
    return Searched(body).names(user)


class Searched:
    """A line in which users are looked for. It is read once, however many they are.

    A text counts when it is the id as a whole, or holds it as a word and the id is no ordinary one (eight signs with a
    digit or a mark among them). A number counts under the key of a person, or where it has five digits. A line that is
    no JSON counts when the id is a word of it. `ann` is no word of `joann`, `ann-2` or `ann@example.org`.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._hides = any(mark in body for mark in (b"\\u", b"%", b"\0"))

    def names(self, user: str) -> bool:
        """Whether the line names this user."""
        if not self._may_name(user):
            return False
        if self._values is None:
            return _is_word(user, self._readings)
        whole, numbers, texts = self._values
        if user in whole or (len(user) >= _TELLING and user in numbers) or numbers.get(user):
            return True
        return len(user) >= 8 and not user.isalpha() and _is_word(user, texts)

    def _may_name(self, user: str) -> bool:
        """A quick look, so that few lines are parsed: false only where the id can stand in no form."""
        hidden = self._hides or not user.isascii() or any(sign in user for sign in '"\\/\b\f\n\r\t')
        return hidden or user.encode() in self._body

    @cached_property
    def _values(self) -> tuple[set[str], dict[str, bool], str] | None:
        """Texts and keys; numbers, and whether a person's key is over one; all texts in one. None: it is no JSON."""
        fields = _parsed(self._body)
        if fields is _BROKEN:
            return None
        texts, keys, numbers = list[str](), set[str](), dict[str, bool]()
        for key, _, value in _walk(fields):
            if isinstance(value, dict):
                keys.update(value)
            elif isinstance(value, str):
                texts.append(value)
            else:
                for number in _said(value):
                    numbers[number] = numbers.get(number, False) or re.search(_PERSON, key) is not None
        return keys | set(texts), numbers, "\0".join(texts)

    @cached_property
    def _readings(self) -> str:
        """All that the bytes may say, in one text."""
        return "\0".join(_readings(self._body))


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return _BROKEN


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object with all that it says: a key that stands there twice has an earlier value, too."""
    found = dict(pairs)
    if len(found) < len(pairs):
        found[_TWICE] = [{key: value} for key, value in pairs]
    return found


def _walk(fields: Any) -> Iterator[tuple[str, bool, Any]]:
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
            inner = _parsed(value.encode(errors="replace"))
            if inner is not _BROKEN:
                waiting.append(("", False, inner, depth - 1))


def _owners(fields: Any, column: str) -> Iterator[str]:
    """Values of the user fields, at any depth."""
    for key, direct, value in _walk(fields):
        if direct and key in ("user_id", column):
            yield from _said(value)
        if isinstance(value, dict):
            yield from _said(_at(value, column))


def _at(fields: Any, path: str) -> Any:
    for step in path.split("."):
        fields = fields.get(step) if isinstance(fields, dict) else None
    return fields


def _said(value: Any) -> Iterator[str]:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str | int) and not isinstance(value, bool):
        yield str(value)


def _owners_in_bytes(line: bytes, column: str) -> Iterator[str]:
    keys = "|".join(re.escape(key) for key in dict.fromkeys(("user_id", column.rsplit(".", maxsplit=1)[-1])))
    for text in dict.fromkeys((line.decode(errors="replace"), _unescaped(line.decode(errors="replace")))):
        for match in re.finditer(rf'"(?:{keys})"\s*:\s*(?:("(?:[^"\\]|\\.)*")|(-?\d+))', text):
            quoted, number = match.groups()
            yield number if quoted is None else _unescaped(quoted[1:-1])


def _is_word(user: str, text: str) -> bool:
    """Whether a text holds the id, not as a part of a longer one; a short number in quotes or as a person's alone."""
    if user not in text:
        return False
    found = _word(user).finditer(text)
    if not user.isdecimal() or len(user) >= _TELLING:
        return next(found, None) is not None
    # What stands before each is looked at in a piece: a search for key and number at once is quadratic in long words.
    before = (
        (text[max(0, match.start() - _BEFORE) : match.start()], text[match.end() : match.end() + 1]) for match in found
    )
    return any((left[-1:] == right and right in ("'", '"')) or _is_persons(left) for left, right in before)


def _is_persons(left: str) -> bool:
    """Whether a text ends in the key of a person and the sign before its value."""
    return left.rstrip("\"' ")[-1:] in (":", "=") and _PERSONS.search(left) is not None


@lru_cache(64)
def _word(user: str) -> re.Pattern[str]:
    if user.isdecimal() and len(user) < _TELLING:
        return re.compile(rf"(?<![\w.]){user}(?![\w.])")
    return re.compile(rf"(?<![\w@-])(?<!\w\.){re.escape(user)}(?![\w@-])(?!\.\w)")


def _readings(body: bytes) -> Iterator[str]:
    """The bytes as text, in the encodings and escapes in which an id may stand."""
    encodings = ["utf-8"]
    encodings += [] if body.isascii() else ["latin-1"]
    encodings += ["utf-16-le", "utf-16-be"] if b"\0" in body else []
    for encoding in encodings:
        text = body.decode(encoding, errors="replace")
        for _ in range(3):  # as it is, and JSON within a text, and that once more
            yield text
            if "%" in text:
                yield unquote_plus(text)
            if "\\" not in text:
                break
            text = _unescaped(text)


def _unescaped(text: str) -> str:
    r"""JSON's escapes resolved wherever they stand.

    >>> _unescaped(r'\"b\u00f6b\" \ud83d\ude00')
    '"böb" 😀'
    """
    plain = _ESCAPE.sub(_resolve, text)
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _resolve(match: re.Match[str]) -> str:
    escape = match[1]
    return chr(int(escape[1:], 16)) if len(escape) > 1 else _CONTROL.get(escape, escape)
