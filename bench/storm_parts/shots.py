"""Records to send: their value, key, headers and stamp, how they are compressed, and whether they are rolled back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from storm_parts.lines import Line, Writer
from streams.topics import TOPICS

CODECS = (None, "gzip", "snappy", "lz4", "zstd")
PARTITIONS = 4


class Shot(NamedTuple):
    """One record.

    Attributes:
        lines: What its value holds, blank ones left out; one empty line where it holds none.
    """

    topic: str
    partition: int
    value: bytes | None
    lines: tuple[Line, ...]
    key: bytes | None
    headers: list[tuple[str, bytes]]
    stamp: int | None


class Volley(NamedTuple):
    """Records that one producer sends together.

    Attributes:
        transaction: None for no transaction, else whether it is committed.
        lying: Whether they are said to be compressed and are not: where the broker takes them, nobody can read them.
    """

    shots: list[Shot]
    codec: str | None
    transaction: bool | None
    lying: bool = False


class _RawName(str):
    """The name of a header whose bytes are no UTF-8."""

    def encode(self, *_: Any) -> bytes:
        return b"\xff\xfe\x00"


def volleys(writer: Writer, records: int) -> Iterator[Volley]:
    """So many records, 5 to 60 at once; now and then a huge one."""
    draw, left = writer.draw, records
    while left:
        size = min(left, draw.randint(5, 60))
        left -= size
        transaction = draw.choice([None, None, None, True, False])
        yield Volley([_shot(writer) for _ in range(size)], draw.choice(CODECS), transaction)


def liars(writer: Writer) -> Iterator[Volley]:
    """A batch of each codec that holds no such thing."""
    for codec in CODECS[1:]:
        yield Volley(
            [_events(writer, 0, [writer.line() for _ in range(3)], b"\n") for _ in range(5)], codec, None, lying=True
        )


def _shot(writer: Writer) -> Shot:
    draw, partition = writer.draw, writer.draw.randrange(PARTITIONS)
    chance = draw.random()
    if chance < 0.03:
        value = draw.choice([None, b"", b" ", b"\n\n", b"\r\n \t"])
        return Shot(TOPICS.events, partition, value, (Line(b""),), *_envelope(writer, keyed=value is None))
    if chance < 0.032:
        return _events(writer, partition, [writer.huge()], b"\n")
    if chance < 0.08:
        return _live(writer)
    joint = draw.choice([b"\n", b"\n", b"\r\n", b"\n \n"])
    return _events(writer, partition, [writer.line() for _ in range(draw.choice([1, 1, 1, 2, 3, 12]))], joint)


def _events(writer: Writer, partition: int, lines: list[Line], joint: bytes) -> Shot:
    kept = tuple(line for line in lines if line.text.strip()) or (Line(b""),)
    value = joint.join(line.text for line in lines) + writer.draw.choice([b"", b"\n"])
    return Shot(TOPICS.events, partition, value, kept, *_envelope(writer))


def _live(writer: Writer) -> Shot:
    """What only the live guard should write, written by somebody else."""
    draw = writer.draw
    text, number = draw.choice([writer.text(), "a\0", ""]), draw.choice([0, 1, -1, 2**31, 2**53, 2**70, 1e308, "x"])
    moment = draw.choice(
        ["2026-03-01T12:00:00Z", "2026-03-01T12:00:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", 5]
    )
    flag = {"rule": text, "user_id": text, "score": number, "evidence": {text: number}, "flagged_at": moment}
    window = {
        "experiment": text,
        "arm": text,
        "policy": text,
        "window_start": moment,
        "window_seconds": number,
        "served": number,
        "loves": 1,
        "value": 0.5,
        "measured_at": moment,
        "partition": number,
        "through": draw.choice([-1, 3]),
    }
    trip = {
        "experiment": text,
        "arm": text,
        "metric": "love_rate",
        "against": text,
        "rate": 0.1,
        "reference": 0.2,
        "served": number,
        "log_evidence": 8.0,
        "alpha": 0.001,
        "tripped_at": moment,
    }
    change = [0, [[3, "device", text, number, number]]]
    topic, told = draw.choice(
        [
            (TOPICS.flags, flag),
            (TOPICS.live_metrics, window),
            (TOPICS.kill_switch, trip),
            (TOPICS.guard_counts, change),
        ]
    )
    value = json.dumps(told).encode() if draw.random() < 0.9 else draw.randbytes(30).replace(b"\n", b"") or b"x"
    return Shot(topic, 0, value, (Line(value),), *_envelope(writer, keyed=topic in TOPICS[3:5]))


def _envelope(writer: Writer, *, keyed: bool = False) -> tuple[bytes | None, list[tuple[str, bytes]], int | None]:
    """Key, headers and stamp; a compacted topic takes no record without a key, nor the client one without a value."""
    draw, now = writer.draw, int(time.time())
    key = draw.choice([b"k", b"\xff\x00", b"k" * 9_000] if keyed else [None, b"", b"u1", b"\xff\x00", b"k" * 9_000])
    header = draw.choice([("", b""), ("h", b""), ("h", b"\xff" * 300), ("❤" * 40, b"x"), (_RawName("h"), b"x")])
    headers = [header] * draw.choice([0, 0, 1, 2, 120])
    stamps = [
        None,
        now,
        now * 1000,
        now * 10**6,
        now * 10**9,
        0,
        (now - 3 * 86_400) * 1000,
        (now - 900 * 86_400) * 1000,
        (now + 300 * 86_400) * 1000,
        2**62,
    ]
    return key, headers, draw.choice(stamps)
