"""Kafka's record batches read for what ingest needs of a message: offset, time stamp, value.

kafka-python makes two objects a message, with thirteen fields, and reads keys and headers on the way. Where every event
is a message of its own, that is most of what ingest costs. `LeanRecords` takes the place of the class that does it; all
the rest (fetching, checksums, compression, positions) stays kafka-python's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record.util import decode_varint

from warehouse.ingest.records import Record


def read_lean(consumer: Any) -> None:
    """Let a consumer return `Record`s from `poll`. One that is built otherwise is left as it is."""
    fetcher = getattr(consumer, "_fetcher", None)
    if fetcher is not None and hasattr(fetcher, "PartitionRecords"):
        fetcher.PartitionRecords = LeanRecords


class LeanRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """The messages of one fetch of one partition, as `Record`s."""

    def _unpack_records(self, tp: Any, records: Any, *_: Any) -> Iterator[Record]:
        topic, partition = tp
        new = tuple.__new__  # a NamedTuple's own way costs half as much again as reading the message
        while (batch := records.next_batch()) is not None:
            for offset, timestamp, value in self._messages(batch):
                self.next_fetch_offset = offset + 1
                yield new(Record, (topic, partition, offset, timestamp, value))
            self.records_read += batch.records_count if batch.magic == 2 else 1
            if batch.magic == 2:  # the last offsets of a batch may hold nothing any more
                self.next_fetch_offset, self.leader_epoch = batch.next_offset, batch.leader_epoch
        self.drain()

    def _messages(self, batch: Any) -> list[tuple[int, int, bytes | None]]:
        if self.check_crcs and not batch.validate_crc():
            raise CorruptRecordError(f"{self.topic_partition}: the batch at {batch.base_offset} fails its checksum")
        if batch.magic != 2:
            return [(each.offset, each.timestamp, each.value) for each in batch]
        if batch.is_control_batch:  # says how a transaction ended; no message
            return []
        iter(batch)  # uncompresses
        try:
            return _messages(batch, bytes(batch._buffer), batch._pos)
        except (IndexError, ValueError) as error:
            raise CorruptRecordError(f"{self.topic_partition}: the batch at {batch.base_offset}: {error}") from None


def _messages(batch: Any, data: bytes, at: int) -> list[tuple[int, int, bytes | None]]:
    """The messages of a batch (message format 2): varints of one byte are read here, longer ones by kafka-python.

    Args:
        batch: What its header says.
        data: Its bytes, uncompressed.
        at: Where its first message begins.
    """
    count, base_offset, first_timestamp = batch.records_count, batch.base_offset, batch.first_timestamp
    stamp = batch.max_timestamp if batch.timestamp_type == batch.LOG_APPEND_TIME else None
    found: list[tuple[int, int, bytes | None]] = []
    for _ in range(count):
        length, at = decode_varint(data, at)
        end = at + length
        at += 1  # attributes
        if data[at] < 0x80:
            delta, at = (data[at] >> 1) ^ -(data[at] & 1), at + 1
        else:
            delta, at = decode_varint(data, at)
        if data[at] < 0x80:
            offset, at = base_offset + (data[at] >> 1), at + 1
        else:
            offset, at = decode_varint(data, at)
            offset += base_offset
        size, at = ((data[at] >> 1) ^ -(data[at] & 1), at + 1) if data[at] < 0x80 else decode_varint(data, at)
        at += max(size, 0)  # the key
        size, at = decode_varint(data, at)
        if end > len(data) or at + max(size, 0) > end:
            raise ValueError(f"a message of {length} bytes ends at {end} of {len(data)}")
        found.append(
            (offset, first_timestamp + delta if stamp is None else stamp, data[at : at + size] if size >= 0 else None)
        )
        at = end  # past the headers
    return found
