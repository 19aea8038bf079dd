"""What travels between the consumer and the transaction: messages, coordinates, what was read of each partition."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_USER = re.compile(rb'"user_id"\s*:\s*(?:("(?:[^"\\]|\\.)*")|(-?\d+))')


class Slot(NamedTuple):
    """One partition of one topic in one life of that topic (a topic made anew has another id)."""

    topic: str
    topic_id: str
    partition: int


class Record(NamedTuple):
    """A Kafka message: coordinates, when it was received (ms since 1970, see `streams.receipt`), bytes or None."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes | None


class Unreadable(Record):
    """A batch of messages whose bytes cannot be read: `offset` is its last one, `value` the bytes of all of it.

    Attributes:
        why: What is wrong with it.
    """

    why = ""

    def because(self, why: str) -> Unreadable:
        """The same, with what is wrong."""
        self.why = why
        return self


class Coordinates(NamedTuple):
    """Where a line was read."""

    topic: str
    partition: int
    offset: int
    line: int


class DeadLetter(NamedTuple):
    """A line that broke the contract: reason code, what was seen and the rule, its bytes, and when it was received."""

    coordinates: Coordinates
    reason: str
    detail: str
    body: bytes
    received_at: datetime

    @property
    def user_id(self) -> str | None:
        """Whose it is, as far as its bytes tell."""
        return user_of(self.body)


def user_of(line: bytes) -> str | None:
    r"""The user that a broken line names, read leniently: erasure must find it, whatever is wrong with the line.

    >>> user_of(b'{"user_id": 17'), user_of(b'[{"user_id": "ann"}]'), user_of(b'\xff"user_id":"b\u00f6b", "turn')
    ('17', 'ann', 'böb')
    >>> user_of(b"nothing of the kind") is None
    True
    """
    user = _named(line)
    if user is None or not 0 < len(user) <= 256:
        return None
    return user.encode(errors="replace").decode()  # half a surrogate pair has no UTF-8


def _named(line: bytes) -> str | None:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        fields = None
    if isinstance(fields, dict):
        user = fields.get("user_id")
        return None if user is None else str(user)
    found = _USER.search(line)
    if found is None:
        return None
    text, number = found.groups()
    try:
        return number.decode() if text is None else str(json.loads(text.decode(errors="replace"), strict=False))
    except ValueError:  # a backslash before nothing that JSON knows
        return str(text[1:-1].decode(errors="replace"))


@dataclass
class Span:
    """What a batch holds of one topic-partition.

    Attributes:
        first: Offset of its first message.
        next: Offset behind its last one.
    """

    first: int
    next: int
    messages: int = 0
    events: int = 0


def received_at(record: Record) -> datetime:
    """When a record was received."""
    return _EPOCH + timedelta(milliseconds=record.timestamp)
