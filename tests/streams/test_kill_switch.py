import time
from datetime import UTC, datetime

import pytest

from streams import brokers, topics
from streams.kill_switch import KillSwitch, TrippedArm, tripped
from streams.live.messages import Trip, pack


def trip(arm: str) -> Trip:
    return Trip(
        experiment="tone", arm=arm, metric="closing_rate", against="limit", rate=0.3, reference=0.1, served=900,
        log_evidence=20.0, alpha=0.001, tripped_at=datetime(2026, 3, 1, tzinfo=UTC),
    )  # fmt: skip


def publish(bootstrap: str, names: topics.Topics, *trips: Trip) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=bootstrap, batch_size=0)
    for each in trips:
        producer.send(names.kill_switch, key=each.key, value=pack([each])).get(10)
    producer.close()


def test_a_serving_process_asks_which_arms_have_tripped(tansu: str, stream: topics.Topics) -> None:
    topics.create_topics(tansu, topics=stream)
    assert tripped(tansu, names=stream) == set()
    publish(tansu, stream, trip("b"), trip("b"), trip("c"))
    assert tripped(tansu, names=stream) == {TrippedArm("tone", "b"), TrippedArm("tone", "c")}


@pytest.mark.slow
def test_a_serving_process_follows_and_knows_the_past_at_once(tansu: str, stream: topics.Topics) -> None:
    topics.create_topics(tansu, topics=stream)
    publish(tansu, stream, trip("b"))
    with KillSwitch(tansu, names=stream) as switch:
        assert switch.is_off("tone", "b")
        assert not switch.is_off("tone", "c")
        assert not switch.is_off("other", "b")
        publish(tansu, stream, trip("c"))
        deadline = time.monotonic() + 20
        while not switch.is_off("tone", "c") and time.monotonic() < deadline:
            time.sleep(0.02)
        assert switch.is_off("tone", "c")
    assert switch.is_off("tone", "b"), "what was known stays known"


@pytest.mark.slow
def test_a_broker_that_is_not_there_is_named() -> None:
    nowhere = f"127.0.0.1:{brokers.free_port()}"
    with pytest.raises(topics.BrokerUnavailableError, match="no broker answers"), KillSwitch(nowhere, timeout=0.3):
        pass
