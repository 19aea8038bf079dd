"""What the reactions of another table mean: words, numbers and stars as reactions that figures count.

A rule says `NAME=REACTION`, or `>=4=love` for numbers (`stars>=4=love` where the column's name helps the reader). An
exact name comes before a bound; of several bounds the first that holds counts. A value without a rule stays as it is.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.upcasters import CANONICAL
from warehouse import connection
from warehouse.storage.transaction import WarehouseError

if TYPE_CHECKING:
    from warehouse.connection import Target

_BOUND = re.compile(r"(?P<column>[\w.]*)\s*(?P<sign>>=|<=|>|<)\s*(?P<number>-?\d+(?:\.\d+)?)")
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip


class Rule(NamedTuple):
    """One `--map-reaction`.

    Attributes:
        value: The name that it is for, or the bound.
        reaction: What that means.
    """

    value: str
    reaction: str


def parse(text: str) -> Rule:
    """A rule from what was typed; the reaction stands behind the last `=`.

    >>> parse("1=like"), parse("stars>=4=love")
    (Rule(value='1', reaction='like'), Rule(value='>=4', reaction='love'))

    Raises:
        WarehouseError: No two sides, or a reaction whose name is not canonical.
    """
    value, equals, reaction = (part.strip() for part in text.rpartition("="))
    if not value or not equals or value in _SIGNS or not re.fullmatch(CANONICAL, reaction):
        raise WarehouseError(f"{text!r} maps no reaction: write NAME=love (or like, dislike), or >=4=love for numbers")
    bound = _BOUND.fullmatch(value)
    return Rule(f"{bound['sign']}{bound['number']}" if bound else value, reaction)


def meaning(value: Any, rules: Sequence[Rule]) -> str | None:
    """The reaction that a value means by these rules, None where none is for it.

    >>> rules = [parse("1=like"), parse("true=like"), parse(">=4=love"), parse("<=2=dislike")]
    >>> [meaning(value, rules) for value in (1, "1.0", True, 5, "4.5", 2, 3, "great")]
    ['like', 'like', 'like', 'love', 'love', 'dislike', None, None]
    """
    names: Mapping[str, str] = {rule.value: rule.reaction for rule in reversed(rules)}
    number = _number(value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    spelt = text if number is None else f"{number:g}"
    found = names.get(text, names.get(spelt))
    if found is None and number is not None:
        found = next((rule.reaction for rule in rules if _holds(number, rule.value)), None)
    return found


def read_as(target: Target, topics: Sequence[str]) -> list[tuple[str, str, int]]:
    """What stood in the reactions of some topics, what it was read as by a mapping, and how often."""
    with connection.open(target).read() as reader:
        found: list[tuple[str, str, int]] = reader.execute(
            """SELECT json_extract_string(extra, '$.original.reaction') AS seen, reaction, count(*) AS times
            FROM reactions WHERE list_contains(CAST(? AS VARCHAR[]), kafka_topic) AND contains(extra, '"original"')
            GROUP BY ALL HAVING seen IS NOT NULL ORDER BY times DESC, seen""",
            [list(topics)],
        ).fetchall()
    return found


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _holds(number: float, bound: str) -> bool:
    found = _BOUND.fullmatch(bound)
    return found is not None and _SIGNS[found["sign"]](number, float(found["number"]))
