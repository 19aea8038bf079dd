"""kafka-python's fetches read as `Record`s, which are all that ingest needs.

kafka-python makes two objects a message, with thirteen fields. Where every event is a message of its own, that is most
of what ingest costs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from kafka.errors import CorruptRecordError

from streams import batches, fetches, receipt
from warehouse.ingest.records import Record, Unreadable


def read_lean(consumer: Any) -> dict[Any, int]:
    """Let a consumer return `Record`s from `poll`; returns the ends as `fetches.give` does."""
    return fetches.give(consumer, type("LeanRecords", (LeanRecords,), {"suspects": set()}))


class LeanRecords(fetches.PlainRecords):
    """The messages of one fetch of one partition, as `Record`s.

    Attributes:
        suspects: Batches that could not be read once, by topic, partition and offset: read again, they are `Unreadable`
            and the log goes on behind them.
    """

    suspects: set[tuple[str, int, int]] = set()  # noqa: RUF012  (each consumer has its own, by `read_lean`)

    def _of(self, run: batches.BatchContent, topic: str, partition: int) -> Iterator[Record]:
        new = tuple.__new__  # a NamedTuple's own way costs half as much again as reading the message
        received = receipt.received(run.stamp, by_broker=run.by_broker, now=int(time.time() * 1000))
        if run.broken:
            yield self._unreadable(run, topic, partition, received)
        for offset, value in run.messages:
            self.next_fetch_offset = offset + 1
            yield new(Record, (topic, partition, offset, received, value))

    def _unreadable(self, run: batches.BatchContent, topic: str, partition: int, received: int) -> Unreadable:
        """A batch that was fetched twice and could not be read twice, so that the fault is not the network's."""
        place = topic, partition, run.next_offset
        if place not in self.suspects:
            self.suspects.add(place)
            self.drain()  # what failed must not be asked again: the fetcher would do so without end
            raise CorruptRecordError(f"{topic}/{partition}: {run.broken}; fetching it once more")
        self.next_fetch_offset = run.next_offset
        found = Unreadable(topic, partition, run.next_offset - 1, received, run.raw)
        return found.because(f"{run.broken}; the messages before and behind it are not affected")
