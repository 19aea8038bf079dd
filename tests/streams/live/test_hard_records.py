"""What the guard makes of stamps that cannot be true, of batches that nobody can read, and of lines no guard wrote."""

import json
import struct
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.structs import TopicPartition
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.util import calc_crc32c

from streams.events import ReactionChanged, encode, new_event_id
from streams.live.guard import Guard
from streams.live.messages import ArmWindow, Flag, Trip
from streams.live.reader import SILENT, CommittedRecords, behind_silence
from streams.live.rules import Rules


def reaction(at: datetime) -> bytes:
    return encode(
        ReactionChanged(
            event_id=new_event_id(at), user_id="u", reacted_at=at, response_id="r", reaction="love", action="added",
            session_id="s",
        )
    )  # fmt: skip


@pytest.mark.parametrize("stamp", [-0.001, 0.0, 1.78e6, 1.78e12, 1.78e15, 9.2e15, -9.2e15, 1.0e9])
@pytest.mark.parametrize("kind", [0, 1])
def test_no_stamp_stops_the_guard_and_a_producers_decides_nothing(stamp: float, kind: int) -> None:
    now, guard = datetime.now(UTC), Guard(Rules())
    lines = [reaction(now - timedelta(hours=1)), reaction(now + timedelta(days=300)), b"broken"]
    for offset in (0, 1):  # a stamp of 2001 is old, and a broker may have written it
        guard.observe(
            SimpleNamespace(
                partition=0, offset=offset, timestamp=stamp, timestamp_type=kind, value=b"\n".join(lines[offset:])
            )
        )
    assert (guard.lines, guard.unreadable) == (5, 5 if (kind, stamp) == (1, 1.0e9) else 4)
    guard.add(SimpleNamespace(partition=0, offset=0, timestamp=stamp, value=b"[0,[]]"))


def test_a_stamp_far_ahead_does_not_end_the_forgetting_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    guard, now = Guard(Rules(memory_seconds=10)), time.time()
    for offset, (stamp, clock) in enumerate([(now - 100, now), (9.2e15, now), (now + 30, now + 30)]):
        monkeypatch.setattr("streams.live.partition.time.time", lambda clock=clock: clock)
        guard.observe(SimpleNamespace(partition=0, offset=offset, timestamp=stamp, timestamp_type=0, value=b"x"))
    assert guard.partitions[0].release() == 0


@pytest.mark.parametrize(
    "told",
    [
        [0, [[1, "device", "d", 10**14, 9]]], [0, [[1, "device", "d", -1, 9]]], [0, [[1, "device", "d", 2, 10**30]]],
        [0, [[1, "device", "\0", 2, 9]]], {}, None, 7,
    ],
)  # fmt: skip
def test_counts_of_devices_that_no_guard_wrote_are_left_out(told: Any) -> None:
    guard = Guard(Rules(device_line=2))
    guard.add(SimpleNamespace(partition=0, offset=0, timestamp=1.78e9, value=json.dumps(told).encode()))
    assert guard.outbox(1).flags == []


ODD = {
    "flagged_at": "2026-03-01T00:00:00", "window_start": "2026-03-01T00:00:00", "tripped_at": "2026-03-01T00:00:00",
    "user_id": "\0", "experiment": "\0", "served": -1, "window_seconds": 0, "rule_version": 2**31, "partition": 2**31,
}  # fmt: skip
SOUND: dict[type[Any], dict[str, Any]] = {
    Flag: {"rule": "r", "user_id": "u", "score": 1, "evidence": {}, "flagged_at": "2026-03-01T00:00:00Z"},
    ArmWindow: {
        "experiment": None, "arm": None, "policy": "p", "window_start": "2026-03-01T00:00:00Z", "window_seconds": 60,
        "served": 1, "loves": 0, "value": 0, "measured_at": "2026-03-01T00:00:00Z", "partition": 0, "through": 1,
    },
    Trip: {
        "experiment": "e", "arm": "a", "metric": "love_rate", "against": "control", "rate": 0.1, "reference": 0.2,
        "served": 9, "log_evidence": 8, "alpha": 0.001, "tripped_at": "2026-03-01T00:00:00Z",
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", SOUND)
def test_flags_windows_and_trips_that_no_guard_wrote_are_left_out(kind: type[Any]) -> None:
    guard = Guard(Rules(window_seconds=60))
    for name in kind.__struct_fields__:
        if name in ODD:
            guard.follow(kind, json.dumps(SOUND[kind] | {name: ODD[name]}).encode())
    assert (len(guard.recent), guard.trips, guard.board.totals()) == (0, {}, {})
    guard.follow(kind, json.dumps(SOUND[kind]).encode())
    assert len(guard.recent) + len(guard.trips) + len(guard.board.totals()) == 1


def batch(first: int, value: bytes, header: str = "h", codec: int = 0) -> bytes:
    made = DefaultRecordBatchBuilder(
        magic=2, compression_type=codec, is_transactional=False, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=1_000_000,
    )  # fmt: skip
    made.append(0, 5, b"k", value, [(header, b"x")])
    data = bytearray(made.build())
    data[:8] = first.to_bytes(8, "big")  # not under the checksum
    return bytes(data)


class Raw(str):
    def encode(self, *_: Any) -> bytes:
        return b"\xff\xfe"


def mark(first: int) -> bytes:
    """A control batch: a transaction was committed."""
    data = bytearray(batch(first, struct.pack(">hi", 0, 0)))
    struct.pack_into(">h", data, 21, 0x30)
    struct.pack_into(">I", data, 17, calc_crc32c(bytes(data[21:])))
    return bytes(data)


def fetched(data: bytes, offset: int = 0) -> CommittedRecords:
    return CommittedRecords(
        tp=TopicPartition("t", 0), records=MemoryRecords(data), aborted_transactions=None, fetch_offset=offset,
        key_deserializer=None, value_deserializer=None, check_crcs=True, isolation_level=1,
    )  # fmt: skip


def test_marks_behind_the_last_message_are_nothing_to_wait_for() -> None:
    assert [each.offset for each in fetched(batch(0, b"a") + mark(1))] == [0]
    assert list(fetched(mark(2), offset=2)) == []
    assert [behind_silence("t", 0, offset) for offset in (0, 1, 2, 3)] == [0, 3, 3, 3]
    assert [each.offset for each in fetched(batch(3, b"b") + mark(4), offset=3)] == [3]
    assert [behind_silence("t", 0, offset) for offset in (3, 4)] == [3, 5]
    SILENT.clear()


def test_a_batch_that_cannot_be_read_and_a_header_without_utf8_stop_no_fetch() -> None:
    broken = bytearray(batch(2, b"b"))
    broken[-1] ^= 1
    data = b"".join(
        [batch(0, b"a", Raw("h")), bytes(broken), *(batch(3 + n, b"y" * 999, codec=n) for n in range(1, 5))]
    )
    records = fetched(data)
    found = [(each.offset, each.value[:1], each.timestamp, each.timestamp_type) for each in records]
    assert found == [(0, b"a", 5, 0), *((3 + n, b"y", 5, 0) for n in range(1, 5))]
    assert records.next_fetch_offset == 8
