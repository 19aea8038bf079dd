"""The moment at which a message was received, and how far its time stamp can be trusted.

A Kafka record bears one stamp. On a topic with `message.timestamp.type=LogAppendTime` the broker wrote it as it
appended the record; on any other its producer wrote what it liked: seconds, microseconds, days ago, next year, or
nothing. The record says which. So:

1. A broker's stamp is the time of receipt. It is the same whenever the log is read again.
2. A producer's stamp is not: whoever reads such a record takes the present moment of its own clock.
3. A broker's stamp that lies before 2000, or more than a day ahead of the reader's clock, counts as none.
"""

from streams.events import EARLIEST, LATEST_AHEAD

BY_BROKER = 1
"""The kind of a stamp, as a record tells it, that the broker wrote (`LogAppendTime`); 0 is a producer's."""
_EARLIEST_MS = int(EARLIEST.timestamp() * 1000)
_AHEAD_MS = int(LATEST_AHEAD.total_seconds() * 1000)


def received(stamp: int, *, by_broker: bool, now: int) -> int:
    """The time of receipt; all moments are milliseconds since 1970.

    Args:
        stamp: Of the record.
        by_broker: Whether the broker wrote it.
        now: By the reader's clock.

    >>> received(1_780_000_000_123, by_broker=True, now=1_780_000_005_000)
    1780000000123
    >>> received(1_780_000_000_123, by_broker=False, now=1_780_000_005_000)
    1780000005000
    >>> received(1_780_000_000_123_000, by_broker=True, now=1_780_000_005_000)
    1780000005000
    """
    return stamp if by_broker and _EARLIEST_MS <= stamp <= now + _AHEAD_MS else now


def bounded(stamp: float, *, now: float) -> float:
    """A stamp, whoever wrote it, kept between 1970 and the reader's clock: for what only needs to tell old from new.

    Args:
        stamp: Of the record.
        now: By the reader's clock, in the same unit.

    >>> bounded(58_873e9, now=1.78e9), bounded(-1, now=1.78e9), bounded(1.7e9, now=1.78e9)
    (1780000000.0, 0.0, 1700000000.0)
    """
    return min(max(float(stamp), 0.0), now)
