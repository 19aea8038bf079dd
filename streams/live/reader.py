"""aiokafka's fetches read the way of `streams.batches`: committed messages only, and no batch stops the guard.

aiokafka ends at the first batch that it cannot read, and at a header whose name is no UTF-8.
"""

import logging
from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.structs import ConsumerRecord
from kafka.record import MemoryRecords

from streams import batches

_log = logging.getLogger(__name__)


def give() -> None:
    """Let every consumer of aiokafka in this process read so; each asks for `read_committed` itself."""
    fetcher.MemoryRecords = _records
    fetcher.PartitionRecords = CommittedRecords


def _records(data: bytes | None) -> MemoryRecords:
    return MemoryRecords(data or b"")


SILENT: dict[tuple[str, int], range] = {}
"""By topic and partition the newest offsets that hold no message: marks of transactions, what was rolled back."""


def behind_silence(topic: str, partition: int, offset: int) -> int:
    """The offset, or where its partition goes on when it is known that nothing comes before.

    >>> SILENT["t", 0] = range(7, 9)
    >>> [behind_silence("t", 0, offset) for offset in (6, 7, 8, 9)]
    [6, 9, 9, 9]
    >>> SILENT.clear()
    """
    known = SILENT.get((topic, partition), range(0))
    return known.stop if offset in known else offset


class CommittedRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """The messages of one fetch of one partition, without keys and headers."""

    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[Any]:
        topic, partition = self._tp
        for run in batches.runs(self._records, self._aborted_transactions):
            if run.broken:
                _log.warning("%s/%d: %s; the sink keeps it as a dead letter", topic, partition, run.broken)
            for offset, value in run.messages:
                if offset >= self.next_fetch_offset:  # a fetch begins with the whole batch that holds its offset
                    self.next_fetch_offset = offset + 1
                    size = -1 if value is None else len(value)
                    kind = int(run.by_broker)
                    yield ConsumerRecord(topic, partition, offset, run.stamp, kind, None, value, None, -1, size, ())
            before, self.next_fetch_offset = self.next_fetch_offset, max(run.next_offset, self.next_fetch_offset)
            if before < self.next_fetch_offset:
                known = SILENT.get((topic, partition), range(0))
                SILENT[topic, partition] = range(
                    known.start if known.stop == before else before, self.next_fetch_offset
                )
