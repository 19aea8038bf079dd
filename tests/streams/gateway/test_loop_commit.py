"""The gateway's commits: in order, to the partition that every producer takes, and each writer is told."""

import asyncio
import json
from typing import Any

import pytest

from streams import brokers, consumer, topics, wire
from streams.gateway import topic_writer
from streams.gateway.loop_commit import LoopCommit
from streams.group_commit import BusyError
from streams.producer import EventProducer, LineTooLongError


def line(user: int, number: int, more: str = "") -> bytes:
    return json.dumps({"user_id": f"u{user}", "number": number, "more": more}).encode()


def read(bootstrap: str, topic: str) -> list[tuple[int, int, int]]:
    """Partition, user and number of every line, in the topic's order."""
    found = [
        (each.partition, text) for each in consumer.read_to_end(bootstrap, topic) for text in wire.unpack(each.value)
    ]
    told = [(partition, json.loads(text)) for partition, text in found]
    return [(partition, int(event["user_id"][1:]), event["number"]) for partition, event in told]


async def connected(bootstrap: str, topic: str) -> LoopCommit:
    commit = LoopCommit(bootstrap, topic)
    commit.start()
    while commit.state()["broker"] != "connected":
        await asyncio.sleep(0.02)
    return commit


def test_lines_come_in_order_to_the_partitions_of_every_producer(broker: str, stream: topics.Topics) -> None:
    topics.create_topics(broker, topics=stream)

    async def run() -> dict[str, Any]:
        commit = await connected(broker, stream.events)
        for number in range(20):
            await asyncio.gather(*(commit.submit([line(user, number)]) for user in range(8)))
        state = commit.state()
        await commit.close()
        return state

    state = asyncio.run(run())
    assert state["acknowledged"] == 160
    assert state["commits"] < 160
    found = read(broker, stream.events)
    for user in range(8):
        assert [number for _, name, number in found if name == user] == list(range(20))
    with EventProducer(broker, topic=stream.events) as producer:
        for user in range(8):
            producer.send_line(line(user, 20))
    assert len({(partition, user) for partition, user, _ in read(broker, stream.events)}) == 8


def test_long_lines_of_one_round_are_several_packs_and_none_is_lost(broker: str, stream: topics.Topics) -> None:
    topics.create_topics(broker, topics=stream)

    async def run() -> None:
        commit = await connected(broker, stream.events)
        await asyncio.gather(*(commit.submit([line(1, number, "basil " * 20_000)]) for number in range(9)))
        await commit.close()

    asyncio.run(run())
    assert [number for _, _, number in read(broker, stream.events)] == list(range(9))


def test_what_no_broker_takes_is_refused_at_once_and_harms_nobody(tansu: str, stream: topics.Topics) -> None:
    topics.create_topics(tansu, topics=stream)

    async def run() -> None:
        commit = await connected(tansu, stream.events)
        with pytest.raises(ValueError, match="newline"):
            commit.submit([b"{}\n{}"])
        with pytest.raises(LineTooLongError):
            commit.submit([b" " * 5_000_000])
        await commit.submit([line(1, 1)])
        await commit.close()
        with pytest.raises(BusyError):
            commit.submit([line(1, 2)])

    asyncio.run(run())
    assert len(read(tansu, stream.events)) == 1


def test_a_request_that_was_given_up_before_its_round_is_not_written(tansu: str, stream: topics.Topics) -> None:
    topics.create_topics(tansu, topics=stream)

    async def run() -> None:
        commit = await connected(tansu, stream.events)
        given_up, kept = commit.submit([line(1, 1)]), commit.submit([line(1, 2)])
        given_up.cancel()
        await kept
        await commit.close()

    asyncio.run(run())
    assert [number for _, _, number in read(tansu, stream.events)] == [2]


def test_without_a_broker_each_request_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from streams.gateway import loop_commit

    monkeypatch.setattr(loop_commit, "_FIND_SECONDS", 0.2)

    async def run() -> None:
        commit = LoopCommit(f"127.0.0.1:{brokers.free_port()}", "loveloop.events")
        commit.start()
        with pytest.raises(ConnectionError, match="no broker answers"):
            await commit.submit([line(1, 1)])
        assert commit.state()["broker"] == "away"
        with pytest.raises(BusyError):
            commit.submit([line(1, 2)])
        await commit.close()

    asyncio.run(run())


@pytest.mark.slow
def test_a_broker_that_was_killed_gets_what_waits_when_it_is_back(
    tmp_path: Any, stream: topics.Topics, kafka: str
) -> None:
    port = brokers.free_port()
    first = brokers.start("kafka", tmp_path, port=port)
    topics.create_topics(first.bootstrap, topics=stream)

    async def run() -> None:
        commit = await connected(first.bootstrap, stream.events)
        commit.timeout = 60.0  # on a busy machine Kafka takes its time
        commit._writer._seconds = 60.0  # type: ignore[union-attr]
        await commit.submit([line(1, 1)])
        await asyncio.to_thread(first.stop)
        waiting = commit.submit([line(1, 2)])
        await asyncio.sleep(0.3)
        assert not waiting.done()
        with await asyncio.to_thread(lambda: brokers.start("kafka", tmp_path, port=port)) as again:
            await waiting
            await commit.close()
            assert [number for _, _, number in read(again.bootstrap, stream.events)] == [1, 2]

    asyncio.run(run())


def test_a_brokers_word_is_taken_refused_or_tried_again() -> None:
    from aiokafka.errors import MessageSizeTooLargeError

    assert topic_writer._is_taken(0)
    assert not topic_writer._is_taken(6)  # the partition has another leader now
    with pytest.raises(MessageSizeTooLargeError):
        topic_writer._is_taken(10)
