"""What values of another table mean: words, numbers and stars as reactions that figures count, say.

A rule says `NAME=REACTION`, or `>=4=love` for numbers (`stars>=4=love` where the column's name helps the reader). An
exact name comes before one in other letters (`True` for `true`), and that before a bound; of several bounds the first
that holds counts. A value without a rule stays as it is.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from streams.upcasters import CANONICAL
from warehouse.storage.transaction import WarehouseError

Rules = Mapping[str, str]
"""A name or a bound (`>=4`) to what it means."""
_BOUND = re.compile(r"(?P<column>[\w.]*)\s*(?P<sign>>=|<=|>|<)\s*(?P<number>-?\d+(?:\.\d+)?)")
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip


class Meaning(NamedTuple):
    """What a value means, and the rule that says so."""

    rule: str
    means: str


def parse(text: str) -> Meaning:
    """A rule from what was typed; the reaction stands behind the last `=`.

    >>> parse("1=like"), parse("stars>=4=love")
    (Meaning(rule='1', means='like'), Meaning(rule='>=4', means='love'))

    Raises:
        WarehouseError: No two sides, or a reaction whose name is not canonical.
    """
    value, equals, reaction = (part.strip() for part in text.rpartition("="))
    if not value or not equals or value in _SIGNS or not re.fullmatch(CANONICAL, reaction):
        raise WarehouseError(f"{text!r} maps no reaction: write NAME=love (or like, dislike), or >=4=love for numbers")
    bound = _BOUND.fullmatch(value)
    return Meaning(f"{bound['sign']}{bound['number']}" if bound else value, reaction)


def meaning(value: Any, rules: Rules) -> Meaning | None:
    """What a value means by these rules, None where none is for it.

    >>> rules = dict(map(parse, ["1=like", "true=like", ">=4=love", "<=2=dislike"]))
    >>> found = [meaning(value, rules) for value in (1, "1.0", True, 5, "4.5", 2, 3, "great")]
    >>> [each and each.means for each in found]
    ['like', 'like', 'like', 'love', 'love', 'dislike', None, None]
    """
    if not isinstance(value, str | int | float):
        return None
    number = _number(value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    for name in (text, text if number is None else f"{number:g}"):
        if name in rules:
            return Meaning(name, rules[name])
    alike = text.strip().casefold()
    for rule, means in rules.items():
        if rule.casefold() == alike:
            return Meaning(rule, means)
    if number is None:
        return None
    return next((Meaning(rule, means) for rule, means in rules.items() if _holds(number, rule)), None)


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _holds(number: float, bound: str) -> bool:
    found = _BOUND.fullmatch(bound)
    return found is not None and _SIGNS[found["sign"]](number, float(found["number"]))
