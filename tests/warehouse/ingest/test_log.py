"""The Kafka side of ingest by itself, on each broker."""

import time
from collections.abc import Callable, Iterator

import pytest

from streams import topics
from streams.topics import Topics
from warehouse.ingest.log import Log

EACH = 20
"""Messages in each of two partitions."""


@pytest.fixture
def member(broker: str, stream: Topics) -> Iterator[Log]:
    """A member of a group, before two partitions that hold messages."""
    from kafka import KafkaProducer

    topics.create_topics(broker, topics=stream)
    producer = KafkaProducer(bootstrap_servers=broker)
    for number in range(EACH):
        for partition in (0, 1):
            producer.send(stream.events, value=b"%d" % number, partition=partition)
    producer.close()
    log = Log(broker, "staying", stream, 1.5, 60.0, alone=False)  # Tansu lets it wait for half its session
    wait_until(lambda: log.poll(1) == {} and log.reassigned() and len(log.assigned()) > 1)
    log.seek(dict.fromkeys(log.assigned(), 0))
    yield log
    log.close()


def wait_until(done: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"did not come within {seconds:g} s"


def take(log: Log, seen: dict[int, list[int]], messages: int) -> bool:
    """Read some; whether everything was read."""
    for slot, records in log.poll(messages).items():
        seen.setdefault(slot.partition, []).extend(record.offset for record in records)
    return sum(map(len, seen.values())) >= 2 * EACH


@pytest.mark.slow
def test_who_stays_in_the_group_between_any_two_messages_reads_each_once_and_in_order(member: Log) -> None:
    seen: dict[int, list[int]] = {}

    def step() -> bool:
        member.heartbeat()
        return take(member, seen, 1)

    wait_until(step)
    assert seen == {partition: list(range(EACH)) for partition in (0, 1)}


@pytest.mark.slow
def test_a_partition_that_came_while_another_was_half_read_stops_neither(
    member: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int, list[int]] = {}
    wait_until(lambda: take(member, seen, 1) or bool(seen))
    (half,) = seen
    before = {each for each in member._consumer.assignment() if each.partition == half}
    with monkeypatch.context() as patch:  # what a rebalance within `stay` shows: the other one was not there before
        patch.setattr(member._consumer, "assignment", lambda: before)
        member.heartbeat()
    wait_until(lambda: take(member, seen, 100))
    assert seen == {partition: list(range(EACH)) for partition in (0, 1)}
