"""Single values of other people's tables as the contract writes them. What cannot be converted stays as it is."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from streams.faults import EXACT

_EXPONENT = re.compile(r"[+-]?\d+(\.\d+)?[eE]\+\d+", re.ASCII)
_FLOAT = re.compile(r"[+-]?\d+\.0*", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_BEGINS_NUMBERS = frozenset("+-0123456789")
_NOTHING = frozenset(
    {"", "null", "(null)", "none", "nil", "nan", "-nan", "na", "n/a", "<na>", "#n/a", "nat", "undefined", r"\n"}
)


def name(value: Any) -> Any:
    """A name as text. Whole numbers are written out, since tables like to number their users.

    A float of 2^53 or more stays one, which no name is: its neighbours look the same, and users would become one.

    >>> name(12), name(12.0), name(Decimal("12")), name("12.0"), name(2.0**53), name("7.20575940631798e+17")
    ('12', '12', '12', '12.0', 9007199254740992.0, 7.20575940631798e+17)
    """
    if isinstance(value, str):
        return float(value) if "+" in value and _EXPONENT.fullmatch(value) else value
    if isinstance(value, float | Decimal) and _is_whole(value):
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def is_nobody(value: Any) -> bool:
    """Whether a text is what programs write for a name that is missing.

    >>> is_nobody("undefined"), is_nobody("None"), is_nobody("Nina")
    (True, True, False)
    """
    return isinstance(value, str) and value.strip().lower() in _NOTHING


def typed(text: Any) -> Any:
    """What a cell without a type (of a CSV file) says where a name belongs: `12.0` is 12, `NULL` is none.

    >>> typed("12.0"), typed("NULL"), typed("v7")
    (12.0, None, 'v7')
    """
    if not isinstance(text, str):
        return text
    if is_nobody(text):
        return None
    return float(text) if _FLOAT.fullmatch(text) else text


def number(value: Any) -> Any:
    """A whole number.

    >>> number(2.0), number("2"), number("2.0"), number(2.5)
    (2, 2, 2, 2.5)
    """
    if isinstance(value, str) and (_WHOLE.fullmatch(value) or _FLOAT.fullmatch(value)):
        value = Decimal(value)
    return int(value) if isinstance(value, float | Decimal) and _is_whole(value) else value


def reaction(value: Any) -> Any:
    """A reaction's name. Of the numbers 1 and -1 alone have one: any other says nothing by itself, and stays a number.

    >>> reaction("Love"), reaction(1), reaction("-1.0"), reaction("5"), reaction(0.5)
    ('Love', '1', '-1', 5, 0.5)
    """
    if isinstance(value, str) and value[:1] not in _BEGINS_NUMBERS:
        return value
    plain = number(value)
    if plain in (1, -1) and not isinstance(plain, bool):
        return str(plain)
    return plain


def _is_whole(value: float | Decimal) -> bool:
    """Whether a number is a whole one beyond doubt."""
    if isinstance(value, Decimal):
        return value.is_finite() and value.adjusted() < 40 and value == value.to_integral_value()
    return value.is_integer() and abs(value) < EXACT
