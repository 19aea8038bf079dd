"""Messages read the lean way are those that kafka-python itself reads."""

import random
from typing import Any

import pytest
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords
from kafka.structs import TopicPartition

from warehouse.ingest.lean_records import LeanRecords

PARTITION = TopicPartition("t", 3)


def batch(seed: int, count: int, *, compression: int = 0, headers: bool = False) -> bytearray:
    """A record batch with values of all sizes, keys and none, time stamps in any order."""
    draw = random.Random(seed)
    made = DefaultRecordBatchBuilder(
        magic=2, compression_type=compression, is_transactional=False, producer_id=-1, producer_epoch=-1,
        base_sequence=-1, batch_size=10_000_000,
    )  # fmt: skip
    for offset in range(count):
        value = draw.choice([None, b"", b"x", draw.randbytes(draw.choice([60, 63, 64, 200, 9_000, 70_000]))])
        key = draw.choice([None, b"", b"u1", draw.randbytes(100)])
        stamp = 1_700_000_000_000 + draw.choice([0, 1, -1, 63, 64, -65, 10_000_000])
        made.append(offset, stamp, key, value, [("h", b"v" * draw.randrange(300)), ("n", None)] if headers else [])
    return made.build()


def read(kind: Any, data: bytes, start: int = 0) -> list[tuple[int, int, bytes | None]]:
    taken = kind(start, PARTITION, MemoryRecords(bytes(data))).take(None)
    return [(each.offset, each.timestamp, each.value) for each in taken]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("options", [{}, {"headers": True}, {"compression": 1}])  # 1: gzip
def test_a_batch_is_read_as_kafka_python_reads_it(seed: int, options: dict[str, Any]) -> None:
    data = batch(seed, 150, **options)
    assert read(LeanRecords, data) == read(Fetcher.PartitionRecords, data)


def test_reading_begins_at_the_offset_that_was_asked_for_and_goes_on_where_it_stopped() -> None:
    data = batch(1, 30)
    found = LeanRecords(7, PARTITION, MemoryRecords(bytes(data)))
    assert [each.offset for each in found.take(5)] == [7, 8, 9, 10, 11]
    assert found.next_fetch_offset == 12
    assert [each.offset for each in found.take(None)] == list(range(12, 30))
    assert found.next_fetch_offset == 30
    assert not found


def test_a_changed_byte_is_noticed() -> None:
    data = batch(2, 10)
    data[-1] ^= 1
    with pytest.raises(CorruptRecordError, match="fails its checksum"):
        read(LeanRecords, data)
