r"""Whom a line names anywhere: as a value, as a key, or, where it is no JSON, as a word of its bytes.

An erasure takes dead letters that name its user, however the id is escaped or encoded in them. Many users may ask at
once, beside many letters: a line is read once for all of them, and a long one in a single pass.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

from warehouse.ingest.owners import BROKEN, parsed, said, unescaped, walk

_PERSON = "(?i:user|uid|author|member|customer|account|visitor|owner|sender|person|player|client|profile)"
"""Keys under which a bare number is taken for the number of a person."""
_TELLING = 5
"""A number with at least this many digits is taken for a user's wherever it stands."""
_FEW = 64
"""So many users are looked for in the bytes, one by one, before a line is read."""
_TOKEN = re.compile(r"[\w@-]+(?:(?<=\w)\.(?=\w)[\w@-]+)*")
"""What an id that stands as a word must be as a whole: `ann` is no word of `joann`, `ann-2` or `ann@example.org`."""
_REGULAR = re.compile(r"\w(?:[\w@-]*\w)?(?:\.\w(?:[\w@-]*\w)?)*")
"""An id that is one token wherever it stands as a word."""
_NUMBER = re.compile(rf"(?<![\w.])\d{{1,{_TELLING - 1}}}(?![\w.])")
_BEFORE = 80
_PERSONS = re.compile(rf"""{_PERSON}\w*["']?\s*[:=]\s*["']?\Z""")


class Sought:
    """Users that are looked for, by how they are found in a text.

    Attributes:
        every: All of them.
        numbers: Short numbers, which count in quotes or as a person's alone.
        regular: Ids that are one token.
        odd: The others; each is looked for by itself.
    """

    def __init__(self, users: Collection[str]) -> None:
        self.every = frozenset(users)
        self.numbers = {user for user in self.every if user.isdecimal() and len(user) < _TELLING}
        self.regular = {user for user in self.every - self.numbers if _REGULAR.fullmatch(user)}
        self.odd = self.every - self.numbers - self.regular
        self._bytes = [user.encode() for user in self.every]
        self._hidden = any(not user.isascii() or any(sign in user for sign in '"\\/\b\f\n\r\t') for user in self.every)

    def may_be_in(self, body: bytes) -> bool:
        """A quick look, so that few lines are read: false only where no id can stand in any form."""
        if self._hidden or len(self.every) > _FEW or any(mark in body for mark in (b"\\u", b"%", b"\0")):
            return True
        return any(user in body for user in self._bytes)


def named(body: bytes, sought: Sought) -> set[str]:
    r"""Those of some users whom a line names.

    A text counts when it is the id as a whole, or holds it as a word and the id is no ordinary one (eight signs with a
    digit or a mark among them). A number counts under the key of a person, or where it has five digits. A line that is
    no JSON counts when the id is a word of it.

    >>> some = Sought(["böb", "ann", "17"])
    >>> named(b'{"batch": [{"who": "b\\u00f6b"}]}', some), named(b'{"text": "ask ann"}', some)
    ({'böb'}, set())
    >>> named(b"3,ann,2026-03-01", some), named(b"3,joann,2026-03-01", some), named(b'{"turn": 17}', some)
    ({'ann'}, set(), set())
    """
    if not sought.may_be_in(body):
        return set()
    fields = parsed(body)
    return _words("\0".join(_readings(body)), sought) if fields is BROKEN else _in_json(fields, sought)


def _in_json(fields: Any, sought: Sought) -> set[str]:
    texts, values = list[str](), set[str]()
    for key, _, value in walk(fields):
        if isinstance(value, dict):
            values.update(value)
        elif isinstance(value, str):
            texts.append(value)
        else:
            values.update(each for each in said(value) if len(each) >= _TELLING or re.search(_PERSON, key))
    values.update(texts)
    words = _words("\0".join(texts), sought)
    return set(sought.every & values) | {user for user in words if len(user) >= 8 and not user.isalpha()}


def _words(text: str, sought: Sought) -> set[str]:
    """Those users whose ids stand in a text as words."""
    found = sought.regular.intersection(_TOKEN.findall(text))
    if sought.numbers:
        found |= {match[0] for match in _NUMBER.finditer(text) if match[0] in sought.numbers and _is_persons(match)}
    return found | {user for user in sought.odd if user in text and _odd(user).search(text)}


@lru_cache(64)
def _odd(user: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w@-])(?<!\w\.){re.escape(user)}(?![\w@-])(?!\.\w)")


def _is_persons(number: re.Match[str]) -> bool:
    """Whether a number stands in quotes, or behind the key of a person.

    A piece of the text before it is looked at: a search for key and number together is quadratic in long words.
    """
    text, start, end = number.string, number.start(), number.end()
    left = text[max(0, start - _BEFORE) : start]
    if left[-1:] in ("'", '"') and left[-1:] == text[end : end + 1]:
        return True
    return left.rstrip("\"' ")[-1:] in (":", "=") and _PERSONS.search(left) is not None


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
            text = unescaped(text)
