"""Reaction rates of devices and networks, which are seen in many partitions of the events topic.

The workers tell each other what they saw through the guard-counts topic, keyed by device or network: small counts, no
text, all of one poll in one message per partition. Whoever holds a partition of that topic adds them up. A minute is
one of the clock: sums over such minutes come out the same in whatever order the partitions arrive, which a sliding
window would not; the price is that a burst across two minutes may pass with almost twice the line.
"""

import time
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from streams import receipt
from streams.live.messages import Changes, Flag, ReactionCount, Subject
from streams.live.rules import Rules

RULE = "{}_reactions_per_minute"
MOST_REMEMBERED = 250_000
"""Minutes of devices and networks in one generation, some 200 bytes each; at more it ends before its time."""

Minute = tuple[Subject, str, int]


def spread(partition: int, changes: Iterable[ReactionCount], partitions: int) -> dict[int, bytes]:
    """One message for each partition of the guard-counts topic that a change belongs to.

    Args:
        partition: Of the events topic, in which they were seen.
        changes: In the order of their offsets.
        partitions: Of the guard-counts topic.
    """
    found: dict[int, list[ReactionCount]] = defaultdict(list)
    for change in changes:
        found[zlib.crc32(change.key.encode()) % partitions].append(change)
    return {target: msgspec.json.encode(Changes(partition, each)) for target, each in found.items()}


class SharedRates:
    """Adds up the changes of one partition of the guard-counts topic, in two generations as `partition` does.

    Args:
        rules: Dials.
    """

    def __init__(self, rules: Rules, start: int) -> None:
        self.next = start
        self.flags: list[Flag] = []
        self._rules = rules
        self._old: dict[Minute, int] = {}
        self._new: dict[Minute, int] = {}
        self._flagged: tuple[set[Minute], set[Minute]] = set(), set()
        self._starts = [-1, -1]
        self._number: int | None = None
        self._last = -1
        self._done: dict[int, int] = {}

    def observe(self, message: Any) -> None:
        """Add what a message tells, but for what was told before: a restarted guard tells some of it again."""
        self._turn(message)
        try:
            told = msgspec.json.decode(message.value or b"", type=Changes)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):  # no guard's: nothing to count
            told = Changes(-1, [])
        before = self._done.get(told.partition, -1)
        for change in told.changes:
            if change.offset > before:
                self._add((change.subject, change.key, change.minute), change.count)
                self._done[told.partition] = max(self._done.get(told.partition, -1), change.offset)
        message.value = None
        self._last, self.next = message.offset, message.offset + 1

    def release(self) -> int:
        """Offset of the last message that no restarted guard needs, -1 when there is none yet."""
        return self._starts[0]

    def rates(self) -> Iterator[tuple[Minute, int]]:
        """Devices' and networks' minutes of this generation."""
        for minute, count in self._new.items():
            yield minute, count + self._old.get(minute, 0)

    def _add(self, minute: Minute, count: int) -> None:
        self._new[minute] = self._new.get(minute, 0) + count
        total, line = self._new[minute] + self._old.get(minute, 0), self._rules.line(minute[0])
        if total < line or any(minute in flagged for flagged in self._flagged):
            return
        self._flagged[1].add(minute)
        subject, key, number = minute
        self.flags.append(
            Flag(
                rule=RULE.format(subject), subject=subject, key=key, score=total / line,
                evidence={"reactions": total, "seconds": 60, "line": line},
                flagged_at=datetime.fromtimestamp(number * 60, UTC),
            )
        )  # fmt: skip

    def _turn(self, message: Any) -> None:
        number = int(receipt.bounded(message.timestamp, now=time.time()) // self._rules.memory_seconds)
        if self._number is None:
            self._number = number
        elif number > self._number or len(self._new) >= MOST_REMEMBERED:
            self._number = max(number, self._number)
            self._old, self._new = self._new, {}
            self._flagged = self._flagged[1], set()
            self._starts = [self._starts[1], self._last]
