"""Stored samples of every version, spoilt at random: set-wise and line by line they are judged alike.

No line whatever stops the ingest transaction.
"""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streams.events import ContractError, decode
from streams.topics import TOPICS
from warehouse import redrive
from warehouse.ingest.columns import CONTENT
from warehouse.ingest.decoding import decode_batch
from warehouse.ingest.records import Record

SAMPLES = [
    json.loads(line)
    for path in sorted((Path(__file__).parents[2] / "streams" / "samples").glob("*/lines.ndjson"))
    for line in path.read_bytes().splitlines()
]
RECEIVED = datetime(2026, 3, 10, tzinfo=UTC)
FIELDS = sorted({name for sample in SAMPLES for name in sample} | {"record", "extra", "kafka_line", "latest"})
ODD: list[Any] = [
    None, "", 0, 1, 2, 3, -1, 1.0, 1.5, True, [], {}, 2**31, 2**63 - 1, 2**63, 2**70, 1e300, "x" * 256, "x" * 257, "2",
    "Love", "love", "heart", "\u2764\ufe0f", "+1", "love\n", "\n", "a b", "a\u2028b", "\u0000", "\u00c4", "\U0001f600",
    "2026-03-01T12:00:00", "2026-03-01t12:00:00z", "2026-03-01T12:00:00+02:00", "2026-03-01T24:00:00Z",
    "2026-02-30T00:00:00Z", "2026-03-01T12:00:60Z", "2026-03-01T12:00:00.1234567Z", "2026-03-01 12:00:00Z",
    "2026-03-01T12:00:00+24:00", "1999-12-31T23:59:59Z", "2026-03-11T00:00:00Z", "2026-03-11T00:00:01Z",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "019ca945-0a00-7000-8000-0000000000ff",
    "019CA945-0a00-7000-8000-000000000001", "019ca945-0a00-7000-8000-000000000001\n", "response_served",
    [{"role": "user", "content": "x", "e": None}], [{"role": "user", "content": "x", "e": 1}],
    [{"role": "user", "content": None}], [None], [{"content": "x", "role": "bot"}], ["x"],
]  # fmt: skip


def spoilt(draw: random.Random) -> bytes:
    """A sample with up to three fields changed; now and then its bytes too."""
    fields = dict(draw.choice(SAMPLES))
    for _ in range(draw.choice([0, 0, 1, 1, 1, 2, 3])):
        name = draw.choice(FIELDS if draw.random() < 0.3 else sorted(fields) or FIELDS)
        if draw.random() < 0.15:
            fields.pop(name, None)
        else:
            fields[name] = draw.choice(ODD)
    line = json.dumps(fields, ensure_ascii=draw.random() < 0.5).encode()
    if draw.random() < 0.06:
        place = draw.randrange(len(line))
        line = line[:place] + (bytes([draw.randrange(256)]) + line[place + 1 :] if draw.random() < 0.5 else b"")
    return line.replace(b"\n", b" ") or b"x"


def batches(draw: random.Random, number: int) -> Iterator[list[Record]]:
    for _ in range(number):
        packs = [[spoilt(draw) for _ in range(draw.randint(1, 6))] for _ in range(draw.randint(1, 8))]
        stamp = int(RECEIVED.timestamp() * 1000)
        yield [Record(TOPICS.events, 0, place, stamp, b"\n".join(pack)) for place, pack in enumerate(packs)]


def judged(records: list[Record]) -> tuple[dict[Any, list[Any]], set[tuple[Any, ...]]]:
    """What `streams.events.decode` says of each line: rows by kind, and dead letters."""
    rows: dict[Any, list[Any]] = {kind: [] for kind in CONTENT}
    dead = set()
    for record in records:
        for number, line in enumerate((record.value or b"").split(b"\n")):
            try:
                event, extra = decode(line.strip(), received_at=RECEIVED)
            except ContractError as error:
                dead.add((record.offset, number, error.reason, error.detail))
                continue
            row = {name: getattr(event, name) for name in CONTENT[type(event)] if name != "extra"}
            if "conversation" in row:
                row["conversation"] = [{"role": each.role, "content": each.content} for each in row["conversation"]]
            row["extra"] = json.dumps(extra, sort_keys=True, ensure_ascii=False) if extra else None
            rows[type(event)].append((record.offset, number, row))
    return rows, dead


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_set_wise_and_line_by_line_every_spoilt_line_is_judged_alike(seed: int) -> None:
    for records in batches(random.Random(seed), 60):
        batch = decode_batch(records)
        rows = {
            kind: [
                (row["kafka_offset"], row["kafka_line"], {name: row[name] for name in CONTENT[kind]})
                for row in table.to_pylist()
            ]
            for kind, table in batch.tables.items()
        }
        dead = {(*letter.coordinates[2:], letter.reason, letter.detail) for letter in batch.dead}
        assert (rows, dead) == judged(records)


@pytest.mark.slow
def test_no_line_whatever_stops_the_transaction_and_the_sums_are_exact(feed: Any) -> None:
    draw = random.Random(9)
    for _ in range(3):
        feed.pour(*(b"\n".join(spoilt(draw) for _ in range(20)) for _ in range(20)))
        redrive.redrive(feed.warehouse.target)
        ((events, others, dead, still_open, rows),) = feed.ask(
            """SELECT sum(events), sum(duplicates + erased), sum(dead_letters),
                (SELECT count(*) FROM dead_letters WHERE redriven_at IS NULL),
                (SELECT count(*) FROM responses) + (SELECT count(*) FROM reactions) + (SELECT count(*) FROM erasures)
            FROM ingest_positions"""
        )
        assert (events, dead) == (rows + others + dead, still_open)
