"""The broker dies under load and comes back: the sink waits for it, and nothing is lost."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams import brokers, kafka_jars, producer, topics
from warehouse import sink
from warehouse.ingest import log, worker


class Mortal:
    """An Apache Kafka of the test's own, that can be killed and started again on the same port and data."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.broker = brokers.start("kafka", directory)
        self.bootstrap = self.broker.bootstrap

    def kill(self) -> None:
        os.kill(self.broker.pid, signal.SIGKILL)
        self.broker.stop()  # it is gone; this waits for it

    def restart(self) -> None:
        self.broker = brokers.start("kafka", self.directory, port=int(self.bootstrap.rpartition(":")[2]))


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Mortal]:
    if kafka_jars.missing():
        pytest.skip(kafka_jars.missing())
    made = Mortal(tmp_path / "kafka")
    yield made
    made.broker.stop()


@pytest.mark.slow
def test_kafka_is_killed_and_restarted_under_load_and_the_same_sink_goes_on(
    mortal: Mortal, new_sinks: Any, world: list[bytes]
) -> None:
    sinks = new_sinks(mortal.bootstrap)
    process = sinks.start()
    with sinks.load(world, seconds=6):
        sinks.wait_for(1_000)
        mortal.kill()
        mortal.restart()
    sinks.wait_for(len(world))
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert "does not answer" in sinks.log()
    sinks.assert_exact(len(world))


@pytest.mark.slow
def test_a_bounded_read_whose_broker_goes_away_ends_with_a_clear_error(
    stream: topics.Topics, product: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = brokers.start("tansu", tmp_path / "tansu")
    topics.create_topics(broker.bootstrap, topics=stream)
    with producer.EventProducer(broker.bootstrap, topic=stream.events) as out:
        out.send_line(product.served("r1"))
    poll = log.Log.poll

    def after_the_end(reader: log.Log, messages: int) -> Any:
        broker.stop()
        return poll(reader, messages)

    monkeypatch.setattr(log.Log, "poll", after_the_end)
    monkeypatch.setattr(log, "_PATIENCE", 0.5)
    monkeypatch.setattr(worker, "_SILENCE_SECONDS", 1.0)
    with pytest.raises(topics.BrokerUnavailableError, match="0 events were stored; start the broker and run the same"):
        sink.ingest(tmp_path / "w.duckdb", broker.bootstrap, topics=stream, until_caught_up=True, progress=False)
