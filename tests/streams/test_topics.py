import time

import pytest

from streams import brokers, consumer, producer, topics


@pytest.mark.slow
def test_topics_are_created_once(broker: str, stream: topics.Topics) -> None:
    assert topics.create_topics(broker, partitions=3, topics=stream) == list(stream)
    assert topics.create_topics(broker, partitions=9, topics=stream) == []
    many = {stream.events, stream.guard_counts}
    assert [topics.partition_count(broker, name) for name in stream] == [3 if name in many else 1 for name in stream]


def test_a_topic_that_is_not_there_has_no_partitions_and_no_messages(broker: str, stream: topics.Topics) -> None:
    assert topics.partition_count(broker, stream.events) == 0
    assert list(consumer.read_to_end(broker, stream.events)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "call",
    [
        lambda nowhere: topics.create_topics(nowhere, timeout=0.3),
        lambda nowhere: topics.wait_for_broker(nowhere, timeout=0.3),
        lambda nowhere: list(consumer.read_to_end(nowhere, timeout=0.3)),
        lambda nowhere: producer.EventProducer(nowhere, timeout=0.3),
    ],
)  # type: ignore[misc]
def test_a_broker_that_is_not_there_is_named_within_the_timeout(call) -> None:  # type: ignore[no-untyped-def]
    nowhere = f"127.0.0.1:{brokers.free_port()}"
    started = time.monotonic()
    with pytest.raises(topics.BrokerUnavailableError) as caught:
        call(nowhere)
    assert str(caught.value) == (
        f"no broker answers at {nowhere} after 0.3 s; start one with 'loveloop broker' or set KAFKA_BOOTSTRAP"
    )
    assert time.monotonic() - started < 3


@pytest.mark.slow
@pytest.mark.parametrize("address", ["nowhere.invalid:9092", "127.0.0.1:notaport", "", ":", "127.0.0.1"])
def test_an_address_that_is_none_is_no_broker(address: str) -> None:
    with pytest.raises(topics.BrokerUnavailableError, match="no broker answers at"):
        topics.wait_for_broker(address, timeout=0.3)


def test_a_topic_is_read_to_its_end_however_its_messages_were_batched(broker: str, stream: topics.Topics) -> None:
    from kafka import KafkaProducer

    topics.create_topics(broker, partitions=2, topics=stream)
    batching = KafkaProducer(bootstrap_servers=broker, linger_ms=50)
    for number in range(60):
        batching.send(stream.events, value=b"%d" % number, partition=number % 2)
    batching.close()
    got = [(message.partition, message.value) for message in consumer.read_to_end(broker, stream.events)]
    assert sorted(got) == sorted((number % 2, b"%d" % number) for number in range(60))
