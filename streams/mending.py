r"""Lines that are JSON but for a number or a character that JSON cannot hold: the field is lost, not the event.

Products in Python write NaN and Infinity, those in JavaScript cut texts within an emoji and leave half a surrogate
pair. A number of that kind becomes null, which counts as absent; the half becomes U+FFFD. What was mended is noted
beside the event, so that it can be counted. Loads nothing but the standard library, and only for lines that no JSON
reader takes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

MENDED = "mended"
"""The unknown field that says which fields lost something: path to what stood there."""
HALF = "half a character"
REPLACEMENT = "\ufffd"
NO_NUMBER = "rows with a number that no JSON can hold (NaN, Infinity): it counts as absent"
HALVES = "rows with half a character, as of an emoji that was cut: U+FFFD stands in its place"
_TOO_LARGE = "a number too large"
_LONE = re.compile("[\ud800-\udfff]")


class Mended(NamedTuple):
    """A line as JSON can hold it.

    Attributes:
        value: What the line says.
        lost: What stood where something was lost, by dotted path (`conversation.0.content`).
    """

    value: Any
    lost: dict[str, str]


def parse(line: bytes, half: str = REPLACEMENT) -> Mended:
    r"""Read a line of JSON that may hold NaN, Infinity, or half a surrogate pair, escaped or not.

    >>> parse(b'{"score": NaN, "tags": ["ok", "cut \\ud83d"]}')
    Mended(value={'score': None, 'tags': ['ok', 'cut \ufffd']}, lost={'score': 'NaN', 'tags.1': 'half a character'})

    Args:
        line: What is not quite JSON.
        half: What takes the place of half a pair.

    Raises:
        ValueError: It is no JSON otherwise.
    """
    try:
        value = json.loads(line.decode("utf-8", "surrogatepass"), parse_constant=_Constant)
    except RecursionError as error:
        raise ValueError(str(error)) from None
    if not isinstance(value, dict | list):
        raise ValueError(f"a bare {type(value).__name__}")
    return mend(value, half)


def mend(value: Any, half: str = REPLACEMENT) -> Mended:
    """A value that Python's json read, as JSON can hold it; arguments as `parse`."""
    lost: dict[str, str] = {}
    return Mended(_whole(value, (), lost, half), lost)


def numbers(lost: dict[str, str], fields: set[str] | frozenset[str]) -> dict[str, str]:
    """Those of some fields that lost a number: they, or something within them, was none."""
    return {path: what for path, what in lost.items() if what != HALF and path.split(".")[0] in fields}


def rules(lost: Iterable[str]) -> Iterator[str]:
    """What is told of a row that lost such things.

    >>> list(rules(["NaN", "half a character", "Infinity"])) == [NO_NUMBER, HALVES]
    True
    """
    kinds = {each == HALF for each in lost}
    yield from (rule for is_half, rule in ((False, NO_NUMBER), (True, HALVES)) if is_half in kinds)


class _Constant(str):
    """NaN, Infinity or -Infinity, as it stood in the line."""


def _whole(value: Any, path: tuple[str, ...], lost: dict[str, str], half: str) -> Any:
    """A value without what JSON cannot hold; notes what was lost."""
    if isinstance(value, dict):
        return {
            _text(key, (*path, "key"), lost, half): _whole(each, (*path, key), lost, half)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_whole(each, (*path, str(place)), lost, half) for place, each in enumerate(value)]
    if isinstance(value, _Constant) or (isinstance(value, float) and not math.isfinite(value)):
        lost[_named(path)] = str(value) if isinstance(value, _Constant) else _TOO_LARGE
        return None
    return _text(value, path, lost, half) if isinstance(value, str) else value


def _text(text: str, path: tuple[str, ...], lost: dict[str, str], half: str) -> str:
    if text.isascii():
        return text
    paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    whole, halves = _LONE.subn(half, paired)
    if halves:
        lost[_named(path)] = HALF
    return whole


def _named(path: tuple[str, ...]) -> str:
    return ".".join(path).encode(errors="replace").decode()
