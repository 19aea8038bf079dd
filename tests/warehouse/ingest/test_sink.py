"""Ingest from real brokers; see `sinks/` for processes that are killed, frozen and cut off."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from streams import brokers, producer, topics
from streams.consumer import read_to_end
from warehouse import queries, sink
from warehouse.connection import Target


def send(bootstrap: str, names: topics.Topics, lines: Sequence[bytes]) -> None:
    topics.create_topics(bootstrap, topics=names)
    with producer.EventProducer(bootstrap, topic=names.events) as out:
        for line in lines:
            out.send_line(line)


def ingest(path: Target, bootstrap: str, names: topics.Topics, **options: Any) -> sink.IngestReport:
    plain = {"until_caught_up": True, "session_seconds": 1.5, "progress": False}
    return sink.ingest(path, bootstrap, topics=names, **(plain | options))


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
        sink.ingest(tmp_path / "warehouse.duckdb", nowhere, timeout=0.3)


@pytest.mark.slow
def test_record_batches_of_many_messages_by_another_producer_are_read_to_their_end(
    broker: str, stream: topics.Topics, product: Any, tmp_path: Path
) -> None:
    from kafka import KafkaProducer

    topics.create_topics(broker, topics=stream)
    other = KafkaProducer(bootstrap_servers=broker, linger_ms=500, batch_size=1_000_000)
    for number in range(60):
        other.send(stream.events, product.served(f"r{number}"), partition=number % 2)
    other.flush()
    other.close()
    path = tmp_path / "warehouse.duckdb"
    assert ingest(path, broker, stream).responses == 60
    assert ingest(path, broker, stream).events == 0  # Tansu says that both partitions end at 1


def _read(path: Path) -> int:
    try:
        return int(queries.counts(path)["events"])
    except sink.connection.WarehouseError:
        return 0
