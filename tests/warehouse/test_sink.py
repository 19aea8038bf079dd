"""Ingest from real brokers, and from a process that is killed again and again."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from streams import brokers, producer, topics
from streams.consumer import read_to_end
from streams.synthetic import WorldConfig, simulate
from warehouse import queries, sink
from warehouse.connection import Target
from warehouse.fingerprint import fingerprints

WORKER = """
import sys
from warehouse import sink
from streams.topics import Topics
path, bootstrap, prefix, follow = sys.argv[1:]
sink.ingest(path, bootstrap, topics=Topics.under(prefix), until_caught_up=not int(follow),
            batch_rows=100, session_seconds=1.5, progress=False)
"""


def send(bootstrap: str, names: topics.Topics, lines: Sequence[bytes]) -> None:
    topics.create_topics(bootstrap, topics=names)
    with producer.EventProducer(bootstrap, topic=names.events) as out:
        for line in lines:
            out.send_line(line)


def ingest(path: Target, bootstrap: str, names: topics.Topics, **options: Any) -> sink.IngestReport:
    plain = {"until_caught_up": True, "session_seconds": 1.5, "progress": False}
    return sink.ingest(path, bootstrap, topics=names, **(plain | options))


def start_worker(
    path: Path, bootstrap: str, names: topics.Topics, *, follow: bool = False
) -> "subprocess.Popen[bytes]":
    prefix = names.events.removesuffix(".events")
    return subprocess.Popen([sys.executable, "-c", WORKER, str(path), bootstrap, prefix, str(int(follow))])


def test_a_stream_arrives_exactly_once_and_its_dead_letters_reach_their_topic(
    broker: str, stream: topics.Topics, product: Any, targets: Any
) -> None:
    lines = [*product.day(), b"broken", b"\xff"]
    send(broker, stream, [*lines, lines[0], lines[-1]])
    path = targets.new()
    first = ingest(path, broker, stream, batch_rows=50)
    assert (first.events, first.duplicates, first.dead_letters) == (len(lines) + 2, 1, 3)
    assert first.events == first.responses + first.reactions + first.erasures + first.duplicates + first.dead_letters
    assert sorted(letter.value or b"" for letter in read_to_end(broker, stream.dead_letters)) == [
        b"broken",
        b"\xff",
        b"\xff",
    ]

    again = ingest(path, broker, stream)
    assert (again.events, again.batches) == (0, 0)
    send(broker, stream, lines[:10])
    assert ingest(path, broker, stream).duplicates == 10


def test_ingest_follows_the_stream_until_it_is_stopped(
    broker: str, stream: topics.Topics, product: Any, tmp_path: Path
) -> None:
    stop = threading.Event()
    reports: list[sink.IngestReport] = []
    path = tmp_path / "warehouse.duckdb"
    options = {"until_caught_up": False, "stop": stop, "batch_seconds": 0.1}
    thread = threading.Thread(target=lambda: reports.append(ingest(path, broker, stream, **options)))
    thread.start()
    try:
        send(broker, stream, [product.served("r1")])
        deadline = time.monotonic() + 60
        while not _read(path) and time.monotonic() < deadline:
            time.sleep(0.3)
    finally:
        stop.set()
        thread.join(60)
    assert reports[0].responses == 1


def test_a_topic_that_ends_before_the_stored_position_is_an_error(
    tansu: str, stream: topics.Topics, product: Any, tmp_path: Path
) -> None:
    send(tansu, stream, [product.served("r1")])
    path = tmp_path / "warehouse.duckdb"
    ingest(path, tansu, stream)
    with sink.connection.open(path).transaction() as writer:
        writer.execute("UPDATE ingest_positions SET next_offset = 1000")
    with pytest.raises(sink.TopicShrankError, match="ends at 1, the warehouse has read it up to 1000"):
        ingest(path, tansu, stream)


@pytest.mark.slow
def test_a_broker_that_is_not_there_is_named(tmp_path: Path) -> None:
    nowhere = f"127.0.0.1:{brokers.free_port()}"
    with pytest.raises(topics.BrokerUnavailableError, match=f"no broker answers at {nowhere}"):
        sink.ingest(tmp_path / "warehouse.duckdb", nowhere)


@pytest.mark.slow
def test_kill_9_in_the_middle_again_and_again_ends_with_the_identical_tables(
    broker: str, stream: topics.Topics, tmp_path: Path
) -> None:
    simulate(WorldConfig.small(responses=6_000), tmp_path / "world")
    send(broker, stream, (tmp_path / "world" / "events.ndjson").read_bytes().splitlines())
    ingest(tmp_path / "calm.duckdb", broker, stream, group="calm")

    path = tmp_path / "killed.duckdb"
    kills = sum(_run_and_kill(path, broker, stream, moment) for moment in _moments(seed=7, count=4))
    assert kills == 4
    assert start_worker(path, broker, stream).wait(120) == 0

    assert fingerprints(path) == fingerprints(tmp_path / "calm.duckdb")
    counts, calm = queries.counts(path), queries.counts(tmp_path / "calm.duckdb")
    assert counts == calm
    parts = ("rows", "duplicates_dropped", "dead_letters", "erased")
    assert counts["events"] == sum(counts[part] for part in parts)


@pytest.mark.slow
def test_of_two_workers_that_share_the_partitions_one_is_killed_and_nothing_is_lost(
    kafka: str, stream: topics.Topics, tmp_path: Path
) -> None:
    simulate(WorldConfig.small(responses=6_000), tmp_path / "world")
    lines = (tmp_path / "world" / "events.ndjson").read_bytes().splitlines()
    topics.create_topics(kafka, topics=stream)
    path = tmp_path / "shared.duckdb"
    workers = [start_worker(path, kafka, stream, follow=True) for _ in range(2)]
    try:
        send(kafka, stream, lines[:4_000])
        _wait_for(path, 1_000)
        workers[0].kill()
        send(kafka, stream, lines[4_000:])
        _wait_for(path, len(lines))
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    ingest(tmp_path / "one.duckdb", kafka, stream, group="one")
    assert queries.counts(path) == queries.counts(tmp_path / "one.duckdb")
    assert fingerprints(path) == fingerprints(tmp_path / "one.duckdb")


def _moments(*, seed: int, count: int) -> list[float]:
    draw = random.Random(seed)
    return [draw.uniform(0.0, 0.4) for _ in range(count)]


def _run_and_kill(path: Path, bootstrap: str, names: topics.Topics, seconds: float) -> int:
    """Start a worker, wait until it writes, and kill it so many seconds later; 1 if it was still at work."""
    log = path.with_name(path.name + ".wal")
    before = _trace(path), _trace(log)
    worker = start_worker(path, bootstrap, names)
    while worker.poll() is None and (_trace(path), _trace(log)) == before:
        time.sleep(0.005)
    time.sleep(seconds)
    worker.send_signal(signal.SIGKILL)
    return int(worker.wait() == -signal.SIGKILL)


def _trace(path: Path) -> tuple[float, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime, found.st_size


def _wait_for(path: Path, events: int) -> None:
    """Return when that many lines have been stored."""
    deadline = time.monotonic() + 90
    while _read(path) < events:
        assert time.monotonic() < deadline, f"{_read(path)} of {events} lines after 90 s"
        time.sleep(0.3)


def _read(path: Path) -> int:
    try:
        return int(queries.counts(path)["events"])
    except sink.connection.WarehouseError:
        return 0
