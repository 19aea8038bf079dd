"""kafka-python's fetches read the way of `streams.batches`: as `Record`s, which are all that ingest needs.

kafka-python makes two objects a message, with thirteen fields. Where every event is a message of its own, that is most
of what ingest costs. `LeanRecords` takes the place of the class that does it; all the rest (fetching, positions) stays
kafka-python's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError

from streams import batches, receipt
from warehouse.ingest.records import Record, Unreadable


def read_lean(consumer: Any) -> dict[Any, int]:
    """Let a consumer return `Record`s from `poll`.

    Returns:
        As `batches.committed_ends`.
    """
    consumer._fetcher.PartitionRecords = type("LeanRecords", (LeanRecords,), {"suspects": set()})
    return batches.committed_ends(consumer)


class LeanRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """The messages of one fetch of one partition, as `Record`s.

    Attributes:
        suspects: Batches that could not be read once, by topic, partition and offset: read again, they are `Unreadable`
            and the log goes on behind them.
    """

    suspects: set[tuple[str, int, int]] = set()  # noqa: RUF012  (each consumer has its own, by `read_lean`)

    def _unpack_records(self, tp: Any, records: Any, *_: Any) -> Iterator[Record]:
        topic, partition = tp
        new = tuple.__new__  # a NamedTuple's own way costs half as much again as reading the message
        now = int(time.time() * 1000)
        aborted = [(each.producer_id, each.first_offset) for each in self.aborted_transactions]
        for run in batches.runs(records, aborted):
            received = receipt.received(run.stamp, by_broker=run.by_broker, now=now)
            if run.broken:
                yield self._unreadable(run, received)
            for offset, value in run.messages:
                self.next_fetch_offset = offset + 1
                yield new(Record, (topic, partition, offset, received, value))
            self.records_read += len(run.messages)
            # the last offsets of a batch may hold nothing any more
            self.next_fetch_offset, self.leader_epoch = run.next_offset, run.leader_epoch
        self.drain()

    def _unreadable(self, run: batches.Run, received: int) -> Unreadable:
        """A batch that was fetched twice and could not be read twice, so that the fault is not the network's."""
        topic, partition = self.topic_partition
        place = topic, partition, run.next_offset
        if place not in self.suspects:
            self.suspects.add(place)
            self.drain()  # what failed must not be asked again: the fetcher would do so without end
            raise CorruptRecordError(f"{self.topic_partition}: {run.broken}; fetching it once more")
        self.next_fetch_offset = run.next_offset
        found = Unreadable(topic, partition, run.next_offset - 1, received, run.raw)
        return found.because(f"{run.broken}; the messages before and behind it are not affected")
