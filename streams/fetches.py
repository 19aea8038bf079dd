"""kafka-python's fetches read the way of `streams.batches`: no record stops a consumer.

`give` lets a consumer that asks for `read_committed` read so; all the rest (positions, sessions) stays kafka-python's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from kafka.consumer.fetcher import Fetcher

from streams import batches

_log = logging.getLogger(__name__)


def give(consumer: Any, kind: type[PlainRecords]) -> dict[Any, int]:
    """Let a consumer return from `poll` what `kind` makes of messages.

    Returns:
        By topic-partition, filled as fetches are read: where the messages end that can be read. That is where the first
        open transaction begins; the consumer itself keeps only the high watermark, behind which it waits for nothing.
    """
    fetcher, ends = consumer._fetcher, dict[Any, int]()
    fetcher.PartitionRecords = kind
    parse = fetcher._parse_fetched_data

    def parse_and_note(completed: Any) -> Any:
        told = completed.partition_data
        found = [each for each in (told.last_stable_offset, told.high_watermark) if each is not None and each >= 0]
        if not told.error_code and found:
            ends[completed.topic_partition] = min(found)
        return parse(completed)

    fetcher._parse_fetched_data = parse_and_note
    return ends


class PlainRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """The messages of one fetch of one partition; a batch that cannot be read is passed over, with a warning."""

    def _unpack_records(self, tp: Any, records: Any, *_: Any) -> Iterator[Any]:
        aborted = [(each.producer_id, each.first_offset) for each in self.aborted_transactions]
        for run in batches.runs(records, aborted):
            yield from self._of(run, *tp)
            self.records_read += len(run.messages)
            # the last offsets of a batch may hold nothing any more
            self.next_fetch_offset, self.leader_epoch = run.next_offset, run.leader_epoch
        self.drain()

    def _of(self, run: batches.BatchContent, topic: str, partition: int) -> Iterator[Any]:
        if run.broken:
            _log.warning("%s/%d: %s; passed over", topic, partition, run.broken)
        for offset, value in run.messages:
            self.next_fetch_offset = offset + 1
            yield batches.BatchMessage(topic, partition, offset, run.stamp, value)
