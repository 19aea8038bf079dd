"""Moments as products and their tables write them, read as moments in UTC. Pure; one home for all paths.

1. A number, or a text of digits alone, counts from 1970: seconds, milli-, micro- or nanoseconds, told apart by size.
2. Eight digits are a date (`20251120`); other texts are of ISO 8601, with `Z`, an offset, ` UTC` or ` GMT`.
3. What is finer than a microsecond is cut off, never rounded: no moment lies later than it was. A leap second, which
   Python does not have, is the last microsecond before it.
4. A local time is read in the zone that the caller names. One that came twice, when clocks were put back, is the first
   of the two; one that never was, when they were put forward, counts by the offset before it. Both are told.

What no rule knows is left as it is, for the judge of the contract to refuse.
"""

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Final

TWICE: Final = "local times that came twice, since clocks were put back: read as the first of the two"
NEVER: Final = "local times that never were, since clocks were put forward: read by the offset before"
_PLAIN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DIGITS = re.compile(r"[+-]?\d{1,20}(\.\d*)?", re.ASCII)
_TOO_FINE = re.compile(r"([.,]\d{6})\d+", re.ASCII)
_SIXTY = re.compile(r"(?<=:[0-5]\d):60(?:[.,]\d*)?(?=\D|$)", re.ASCII)
_ZONE = re.compile(r"\s+([+-]\d\d:?\d\d)$|\s*(?:UTC|GMT)$", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ((10**11, 1), (10**14, 1_000), (10**17, 1_000_000))
"""Numbers below the first count so many to a second."""


def is_plain(value: object) -> bool:
    """Whether a moment is written as the contract writes it, so that nothing is to be read."""
    return isinstance(value, str) and _PLAIN.fullmatch(value) is not None


def read(value: Any, zone: tzinfo | None = None, told: Counter[str] | None = None) -> Any:
    """A moment in UTC; what is none, or lacks a zone, as it was.

    Args:
        value: A datetime, a date, a text or a number.
        zone: In which local times are meant; without it they are left as they are.
        told: Counts local times that came twice or never were.

    >>> [read(text).isoformat() for text in ("1763640000123", "2025-11-20 12:00:00.1234567 UTC", "2025-11-20T13:00+01")]
    ['2025-11-20T12:00:00.123000+00:00', '2025-11-20T12:00:00.123456+00:00', '2025-11-20T12:00:00+00:00']
    """
    found = value
    if isinstance(value, str):
        found = _parsed(value) if is_plain(value) else _of_text(value.strip())
    if isinstance(found, int | float | Decimal) and not isinstance(found, bool):
        found = _since_1970(found)
    if isinstance(found, date) and not isinstance(found, datetime):
        found = datetime(found.year, found.month, found.day)
    if not isinstance(found, datetime) or (found.tzinfo is None and zone is None):
        return value
    try:
        return found.astimezone(UTC) if found.tzinfo else _in_zone(found, zone, told)
    except (OverflowError, ValueError):  # at the ends of the calendar
        return value


def _of_text(text: str) -> Any:
    if _DIGITS.fullmatch(text) and not (len(text) == 8 and text.isdigit()):
        return Decimal(text)
    found = _parsed(_plainer(_TOO_FINE.sub(r"\1", _SIXTY.sub(":59.999999", text))))
    if found is not None and _SIXTY.search(text):
        ahead = found.utcoffset() or timedelta()
        minute = (found.hour * 60 + found.minute - ahead // timedelta(minutes=1)) % (24 * 60)
        return found if minute == 24 * 60 - 1 else None  # in UTC no other minute ever had 61 seconds
    return found


def _parsed(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:  # no such day, or none at all
        return None


def _plainer(text: str) -> str:
    """The zone as ISO 8601 writes it: `12:00 UTC`, `12:00 +0000`, and Go's `12:00 +0000 UTC`."""
    found = _ZONE.search(text)
    if found is None:
        return text
    head = text[: found.start()]
    if found[1]:
        return head + found[1]
    return _plainer(head) if re.search(r"[+-]\d\d:?\d\d$", head[10:]) else f"{head}+00:00"


def _since_1970(value: float | Decimal) -> Any:
    size = abs(float(value))
    unit = next((unit for limit, unit in _UNITS if size < limit), 1_000_000_000)
    try:
        # a float of seconds is a little off what was written: the nearest microsecond is what was meant
        moved = round(value * 1_000_000 / unit) if isinstance(value, float) else int(value * 1_000_000 // unit)
        return _EPOCH + timedelta(microseconds=moved)
    except (ArithmeticError, ValueError):  # beyond the calendar, infinite, or not a number
        return None


def _in_zone(local: datetime, zone: tzinfo | None, told: Counter[str] | None) -> datetime:
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first != second and told is not None:
        told[TWICE if first < second else NEVER] += 1
    return first
