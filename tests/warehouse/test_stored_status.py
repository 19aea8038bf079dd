"""What a sink tells of itself for an operator page: dead letters, waiting reactions, and what is still to be read."""

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streams import producer, topics
from streams.events import new_event_id
from warehouse import connection, sink, stored_status


def send(bootstrap: str, names: topics.Topics, *lines: bytes) -> None:
    with producer.EventProducer(bootstrap, topic=names.events) as out:
        for line in lines:
            out.send_line(line)


def ingest(path: Path, bootstrap: str, names: topics.Topics, **options: Any) -> None:
    plain = {"until_caught_up": True, "session_seconds": 1.5, "progress": False}
    sink.ingest(path, bootstrap, topics=names, **plain | options)


def test_it_tells_what_waits_what_broke_the_contract_and_what_is_not_read(
    tansu: str, stream: topics.Topics, product: Any, tmp_path: Path
) -> None:
    path, long_ago = tmp_path / "warehouse.duckdb", datetime.now(UTC) - timedelta(days=2)
    topics.create_topics(tansu, topics=stream)
    connection.open(path).migrate()
    send(tansu, stream, product.served("r1"), product.reacted("r1"), product.reacted("never-served", at=long_ago), b"x")
    before = stored_status.status(path, tansu, names=stream)
    assert (before["events"], before["dead_letters"], before["waiting"]) == (0, 0, 0)
    assert before["lag"] > 0
    ingest(path, tansu, stream)
    after = stored_status.status(path, tansu, names=stream)
    assert after | {"made_at": ""} == {
        "made_at": "", "events": 4, "dead_letters": 1, "dead_letters_by_reason": {"not_json": 1}, "waiting": 1,
        "waiting_too_long": 1, "lag": 0,
    }  # fmt: skip
    assert new_event_id(datetime.fromisoformat(after["made_at"])) > new_event_id(long_ago)


def test_without_a_broker_the_lag_is_not_known_and_the_rest_is(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    connection.open(path).migrate()
    told = stored_status.status(path, "127.0.0.1:1")
    assert (told["lag"], told["waiting"]) == (None, 0)


@pytest.mark.slow
def test_a_sink_publishes_it_while_it_stores(tansu: str, stream: topics.Topics, product: Any, tmp_path: Path) -> None:
    path, file, stop = tmp_path / "warehouse.duckdb", tmp_path / "told" / "sink.json", threading.Event()
    topics.create_topics(tansu, topics=stream)
    connection.open(path).migrate()
    lines = product.day()
    work = threading.Thread(
        target=ingest, args=(path, tansu, stream), kwargs={"until_caught_up": False, "stop": stop, "batch_seconds": 0.1}
    )
    with stored_status.published(path, tansu, file, names=stream, every=0.05):
        work.start()
        send(tansu, stream, *lines)
        stop.set()
        work.join(60)
    assert not work.is_alive()
    ingest(path, tansu, stream)
    told = json.loads(file.read_text())
    assert set(told) == set(stored_status.status(path, tansu, names=stream))
    with stored_status.published(path, tansu, file, names=stream):
        pass
    assert json.loads(file.read_text())["events"] == len(lines)
    assert not list(file.parent.glob("*.part"))


def test_a_warehouse_that_cannot_be_looked_at_leaves_the_file_and_ends_nothing(tmp_path: Path) -> None:
    file = tmp_path / "sink.json"
    file.write_text("as it was")
    with stored_status.published(tmp_path / "missing" / "warehouse.duckdb", "127.0.0.1:1", file, every=0.01):
        pass
    assert file.read_text() == "as it was"
