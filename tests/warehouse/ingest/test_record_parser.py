"""Messages read the lean way are those that kafka-python itself reads."""

import random
import struct
import time
from typing import Any

import pytest
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords
from kafka.record.util import calc_crc32c
from kafka.structs import TopicPartition

from streams import batches, compression
from warehouse.ingest.record_parser import LeanRecords

PARTITION = TopicPartition("t", 3)


def builder(compression: int = 0, producer: int = -1) -> DefaultRecordBatchBuilder:
    return DefaultRecordBatchBuilder(
        magic=2, compression_type=compression, is_transactional=producer >= 0, producer_id=producer,
        producer_epoch=0 if producer >= 0 else -1, base_sequence=-1, batch_size=10_000_000,
    )  # fmt: skip


def batch(seed: int, count: int, *, compression: int = 0, headers: bool = False) -> bytearray:
    """A record batch with values of all sizes, keys and none, time stamps in any order."""
    draw, made = random.Random(seed), builder(compression)
    for offset in range(count):
        value = draw.choice([None, b"", b"x", draw.randbytes(4) * draw.choice([15, 16, 50, 2_000, 20_000])])
        key = draw.choice([None, b"", b"u1", draw.randbytes(100)])
        stamp = 1_700_000_000_000 + draw.choice([0, 1, -1, 63, 64, -65, 10_000_000])
        made.append(offset, stamp, key, value, [("h", b"v" * draw.randrange(300)), ("n", None)] if headers else [])
    return made.build()


def read(kind: Any, data: bytes, start: int = 0) -> list[tuple[int, bytes | None]]:
    taken = kind(start, PARTITION, MemoryRecords(bytes(data))).take(None)
    return [(each.offset, each.value) for each in taken]


def placed(made: Any, first: int, *, attributes: int = 0) -> bytes:
    """A built batch at another offset, with more bits among its attributes, and its checksum."""
    data = bytearray(made.build())
    struct.pack_into(">q", data, 0, first)
    struct.pack_into(">h", data, 21, struct.unpack_from(">h", data, 21)[0] | attributes)
    struct.pack_into(">I", data, 17, calc_crc32c(bytes(data[21:])))
    return bytes(data)


def plain(first: int, *values: bytes, stamp: int = 1_700_000_000_000, **options: Any) -> bytes:
    made = builder(**options)
    for offset, value in enumerate(values):
        made.append(offset, stamp, b"k", value, [])
    return placed(made, first)


def mark(first: int, producer: int, *, abort: bool) -> bytes:
    """A control batch: how the producer's transaction ended."""
    made = builder(producer=producer)
    made.append(0, 0, struct.pack(">hh", 0, 0 if abort else 1), struct.pack(">hi", 0, 0), [])
    return placed(made, first, attributes=0x20)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("options", [{}, {"headers": True}, *({"compression": codec} for codec in range(1, 5))])
def test_a_batch_is_read_as_kafka_python_reads_it(seed: int, options: dict[str, Any]) -> None:
    data = batch(seed, 150, **options)
    assert MemoryRecords(bytes(data)).next_batch().compression_type == options.get("compression", 0)
    assert read(LeanRecords, data) == read(Fetcher.PartitionRecords, data)


def test_reading_begins_at_the_offset_that_was_asked_for_and_goes_on_where_it_stopped() -> None:
    data = batch(1, 30)
    found = LeanRecords(7, PARTITION, MemoryRecords(bytes(data)))
    assert [each.offset for each in found.take(5)] == [7, 8, 9, 10, 11]
    assert found.next_fetch_offset == 12
    assert [each.offset for each in found.take(None)] == list(range(12, 30))
    assert found.next_fetch_offset == 30
    assert not found


def test_a_batch_that_cannot_be_read_is_fetched_once_more_and_then_told_as_such() -> None:
    broken = bytearray(plain(2, b"b", b"c"))
    broken[-3] ^= 1
    data = plain(0, b"a", b"a") + bytes(broken) + plain(4, b"d")
    Lean = type("Lean", (LeanRecords,), {"suspects": set()})  # noqa: N806
    first = Lean(0, PARTITION, MemoryRecords(data))
    assert [each.value for each in first.take(None)] == [b"a", b"a"]
    assert (first.next_fetch_offset, bool(first)) == (2, False)
    again = Lean(2, PARTITION, MemoryRecords(bytes(broken) + plain(4, b"d"))).take(None)
    assert [(type(each).__name__, each.offset) for each in again] == [("Unreadable", 3), ("Record", 4)]
    assert again[0].value == bytes(broken)
    assert "2 messages from offset 2: its checksum does not match" in again[0].why
    with pytest.raises(CorruptRecordError, match="fetching it once more"):
        read(type("Lean", (LeanRecords,), {"suspects": set()}), bytes(broken))


@pytest.mark.parametrize("codec", range(1, 8))
def test_a_batch_that_is_not_compressed_as_it_says_harms_none_beside_it(codec: int) -> None:
    lying = placed(_one(b"not compressed at all"), 1, attributes=codec)
    found = list(batches.runs(MemoryRecords(plain(0, b"a") + lying + plain(2, b"c"))))
    assert [run.messages for run in found] == [[(0, b"a")], [], [(2, b"c")]]
    assert [bool(run.broken) for run in found] == [False, True, False]


@pytest.mark.parametrize(("codec", "package"), [(2, "python-snappy"), (3, "lz4"), (4, "zstandard")])
def test_a_codec_whose_package_is_missing_is_named_with_it(
    codec: int, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = batch(1, 30, compression=codec)
    name = compression.CODECS[codec][0]
    monkeypatch.setattr(f"kafka.codec.has_{name}", lambda: False)
    with pytest.raises(compression.CodecMissingError, match=f"compressed with {name} need the package {package}"):
        read(LeanRecords, data)


def test_what_an_aborted_transaction_wrote_is_left_out_whether_or_not_the_broker_lists_it() -> None:
    mine, other = {"producer": 7}, {"producer": 8}
    data = b"".join([
        plain(0, b"before"), plain(1, b"kept", **mine), mark(2, 7, abort=False), plain(3, b"dropped", **mine),
        plain(4, b"other", **other), mark(5, 7, abort=True), plain(6, b"kept", **mine), mark(7, 8, abort=False),
        mark(8, 7, abort=False), plain(9, b"after"),
    ])  # fmt: skip
    expected = [b"before", b"kept", b"other", b"kept", b"after"]
    assert [value for _, value in read(LeanRecords, data)] == expected
    cut = plain(3, b"dropped", **mine) + mark(4, 7, abort=True) + plain(5, b"kept", **mine)  # its mark comes later
    assert [run.messages for run in batches.runs(MemoryRecords(cut), [(7, 3)])] == [[], []]
    listed = list(batches.runs(MemoryRecords(plain(3, b"dropped", **mine) + plain(4, b"other")), [(7, 3)]))
    assert [run.messages for run in listed] == [[], [(4, b"other")]]


def test_a_transaction_whose_mark_lies_in_the_next_fetch_is_read_with_that_one() -> None:
    mine, other = {"producer": 7}, {"producer": 8}
    log = [
        plain(0, b"before"), plain(1, b"kept", **other), plain(2, b"dropped", **mine), mark(3, 8, abort=False),
        plain(4, b"dropped", **mine), plain(5, b"behind"), mark(6, 7, abort=True),
    ]  # fmt: skip
    cut = LeanRecords(0, PARTITION, MemoryRecords(b"".join(log[:6])))
    assert [each.value for each in cut.take(None)] == [b"before", b"kept"]
    assert cut.next_fetch_offset == 2
    again = LeanRecords(2, PARTITION, MemoryRecords(b"".join(log[2:])))
    assert [each.value for each in again.take(None)] == [b"behind"]
    assert again.next_fetch_offset == 7
    too_long = LeanRecords(2, PARTITION, MemoryRecords(b"".join(log[2:6])))
    assert [each.value for each in too_long.take(None)] == [b"dropped", b"dropped", b"behind"]


@pytest.mark.parametrize("stamp", [-1, 0, 1_700_000_000, 1_700_000_000_000_000, 2**63 - 1, -(2**62)])
def test_a_producers_stamp_and_one_that_cannot_be_true_count_as_none(stamp: int) -> None:
    now = time.time() * 1000
    for attributes in (0, 8):  # 8: the broker wrote it
        made = builder()
        made.append(0, stamp, None, b"x", [])
        data = bytearray(placed(made, 0, attributes=attributes))
        (found,) = LeanRecords(0, PARTITION, MemoryRecords(bytes(data))).take(None)
        assert abs(found.timestamp - now) < 60_000


def test_the_brokers_stamp_is_when_a_message_was_received() -> None:
    made = builder()
    made.append(0, 1_700_000_000_123, None, b"x", [])
    (found,) = LeanRecords(0, PARTITION, MemoryRecords(placed(made, 0, attributes=8))).take(None)
    assert found.timestamp == 1_700_000_000_123


def _one(value: bytes) -> Any:
    made = builder()
    made.append(0, 0, None, value, [])
    return made
