"""What travels between the consumer and the transaction: messages, coordinates, what was read of each partition."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from warehouse.ingest.owners import users_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TopicPartition(NamedTuple):
    """One partition of one topic in one life of that topic (a topic made anew has another id)."""

    topic: str
    topic_id: str
    partition: int


# A tuple, though it has five fields: one is made for every message of the stream, and columns are made of them by one
# `zip`. A frozen dataclass takes .8 us to make, where this takes .35.
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

    def is_same_partition(self, other: Coordinates) -> bool:
        """Whether both were read from one partition: there, what was read first is smaller."""
        return (self.topic, self.partition) == (other.topic, other.partition)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A line that broke the contract: reason code, what was seen and the rule, its bytes, and when it was received.

    Attributes:
        user_columns: Where rows of its table may hold their user; an import with a mapping says so.
    """

    coordinates: Coordinates
    reason: str
    detail: str
    body: bytes
    received_at: datetime
    user_columns: tuple[str, ...] = ("user_id",)

    @property
    def users(self) -> tuple[str, ...]:
        """Whose it is, as far as its bytes tell."""
        found = (user for column in self.user_columns for user in users_of(self.body, column))
        return tuple(dict.fromkeys(found))

    @property
    def user_id(self) -> str | None:
        """The first of those."""
        return next(iter(self.users), None)


@dataclass
class OffsetRange:
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
