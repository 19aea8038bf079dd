"""The product's one way to deal somebody by a salted hash, in Python, over many names at once, and in DuckDB's SQL.

A bucket depends on the UTF-8 bytes of prefix and name alone: the same on every machine, in every process and query.
Names that look alike but differ in their bytes (an accent composed or combining) are two names.
"""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from stats import limits

BUCKETS = 16**13
"""The hash's first 13 hexadecimal digits: 52 bits, exact in a double and in SQL's BIGINT."""
_DROPPED_BITS = 64 - 52


def bucket(prefix: str, name: str) -> int:
    """The place of a name in [0, `BUCKETS`): the first 52 bits of `sha256(prefix + name)` in UTF-8.

    >>> bucket("2026:warmer:", "ada") == bucket("2026:warmer:", "ada")
    True

    Args:
        prefix: Salt and purpose; names are dealt anew, and independently, under another one.
        name: Who is dealt, for instance a user id.

    Raises:
        ValueError: The name is no text, or none that UTF-8 can hold.
    """
    return int.from_bytes(_first_bytes(prefix, name), "big") >> _DROPPED_BITS


def buckets(prefix: str, names: Iterable[str]) -> npt.NDArray[np.int64]:
    """`bucket` of every name, int64[names]: about a million in a second.

    >>> buckets("2026:warmer:", ["ada", "bob"]).tolist() == [bucket("2026:warmer:", name) for name in ("ada", "bob")]
    True

    Raises:
        ValueError: As for `bucket`.
    """
    digests = b"".join([_first_bytes(prefix, name) for name in names])
    return (np.frombuffer(digests, ">u8") >> _DROPPED_BITS).astype(np.int64)


def bucket_sql(prefix: str, column: str) -> str:
    """`bucket` as a DuckDB expression; NULL for NULL.

    >>> bucket_sql("2026:warmer:", "user_id")
    "('0x' || substr(sha256('2026:warmer:' || (user_id)), 1, 13))::BIGINT"

    Args:
        prefix: As for `bucket`.
        column: An SQL expression of type VARCHAR, inserted as it is.

    Raises:
        ValueError: The prefix cannot be written in SQL.
    """
    return f"('0x' || substr(sha256({quoted(prefix)} || ({column})), 1, 13))::BIGINT"


def ends(shares: Mapping[str, float], name: str = "shares") -> dict[str, int]:
    """Where each share's range of buckets ends, one after the other in the order given.

    The last one ends at `BUCKETS` whatever the rounding.

    >>> {arm: end / BUCKETS for arm, end in ends({"control": 0.75, "treatment": 0.25}).items()}
    {'control': 0.75, 'treatment': 1.0}

    Args:
        shares: Of the names; together 1.
        name: What messages call them.

    Raises:
        ValueError: The shares are not positive or do not sum to 1.
    """
    parts = list(limits.shares(shares, name).values())
    summed = [round(sum(parts[: place + 1]) * BUCKETS) for place in range(len(parts))]
    return dict(zip(shares, [*summed[:-1], BUCKETS], strict=True))


def quoted(text: str) -> str:
    """A text as an SQL literal.

    >>> quoted("it's")
    "'it''s'"

    Raises:
        ValueError: It holds a NUL, which no literal of DuckDB can (a column's values may).
    """
    if "\0" in text:
        raise ValueError(f"{text!r} holds a NUL, which SQL cannot write: name it without")
    return "'" + text.replace("'", "''") + "'"


def _first_bytes(prefix: str, name: str) -> bytes:
    try:
        return hashlib.sha256((prefix + name).encode()).digest()[:8]
    except (TypeError, UnicodeEncodeError):
        rule = "must be text that UTF-8 can hold: no number, no missing value, no half of a surrogate pair"
        raise ValueError(f"the name to deal is {name!r}, {rule}") from None
