"""Writes packs of lines to a topic from within the event loop, by aiokafka's client.

`AIOKafkaProducer` would do the same for twice the time of a processor (.19 ms a round against .10): its accumulator and
its sending task are made for streams of records, and a gateway's round is a few packs that are at hand.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from streams import topics, wire

if TYPE_CHECKING:
    from aiokafka.client import AIOKafkaClient

_ALL_REPLICAS = -1
_COMPRESSED_FROM = 4_096
"""Bytes of a pack; a shorter one would gain little and take a fifth of a millisecond of its request."""
_PAUSE = 0.1
"""Seconds before what a broker did not take is sent again."""


class TopicWriter:
    """A topic as its writer sees it; used by one event loop.

    Args:
        client: Connected; closed with the writer.
        topic: Where to.
        partitioner: Says which partition a line goes to.
        seconds: Until a pack must be acknowledged, with all its tries.
    """

    def __init__(self, client: AIOKafkaClient, topic: str, partitioner: wire.Partitioner, seconds: float) -> None:
        self._client, self._topic, self._partitioner, self._seconds = client, topic, partitioner, seconds

    async def write(self, lines: Iterable[bytes]) -> None:
        """Return when all copies of the partitions that the cluster asks for have the lines (`acks=all`).

        Lines of a partition keep their order. What is sent again may stand there twice: readers drop copies by
        event_id.

        Raises:
            KafkaError: A broker refuses a pack, or the last try's error when time is up.
            TimeoutError: Time is up.
        """
        async with asyncio.timeout(self._seconds):
            for packs in _rounds(lines, self._partitioner):
                await self._write(packs)

    async def close(self) -> None:
        """End the connections."""
        await self._client.close()

    async def _write(self, packs: dict[int, bytes]) -> None:
        """One pack a partition, sent again until all are acknowledged."""
        left = {partition: _batch(value) for partition, value in packs.items()}
        while True:
            answered = await asyncio.gather(*(self._ask(node, each) for node, each in self._by_leader(left).items()))
            for partition in (partition for each in answered for partition in each):
                del left[partition]
            if not left:
                return
            await asyncio.sleep(_PAUSE)
            await self._client.force_metadata_update()

    def _by_leader(self, batches: Mapping[int, bytes]) -> dict[int, dict[int, bytes]]:
        """Batches by the node that takes them; those whose partition has no leader now are left out."""
        from aiokafka import TopicPartition

        found: dict[int, dict[int, bytes]] = defaultdict(dict)
        for partition, batch in batches.items():
            node = self._client.cluster.leader_for_partition(TopicPartition(self._topic, partition))
            if node not in (None, -1):
                found[node][partition] = batch
        return found

    async def _ask(self, node: int, batches: Mapping[int, bytes]) -> list[int]:
        """The partitions whose batches a node has taken; none where it is away and may come back."""
        from aiokafka.errors import KafkaError
        from aiokafka.protocol.produce import ProduceRequest

        content = [(self._topic, list(batches.items()))]
        try:
            answer = await self._client.send(
                node, ProduceRequest(None, _ALL_REPLICAS, int(self._seconds * 1000), content)
            )
        except KafkaError as error:
            if not error.retriable:
                raise
            return []
        return [each[0] for _, partitions in answer.topics for each in partitions if _is_taken(each[1])]


async def connected(bootstrap: str, topic: str, seconds: float) -> TopicWriter:
    """A writer of the running event loop.

    Raises:
        KafkaError: The broker cannot be asked, or knows no such topic.
    """
    from aiokafka.client import AIOKafkaClient
    from aiokafka.errors import UnknownTopicOrPartitionError
    from kafka.partitioner.default import murmur2

    client = AIOKafkaClient(
        bootstrap_servers=bootstrap, client_id="loveloop-gateway", request_timeout_ms=int(seconds * 1000)
    )
    try:
        await client.bootstrap()
        await client.set_topics([topic])
        partitions = client.cluster.partitions_for_topic(topic)
        if not partitions:
            raise UnknownTopicOrPartitionError(f"topic {topic} is not on {bootstrap}")
    except BaseException:
        await client.close()
        raise
    return TopicWriter(client, topic, wire.Partitioner(len(partitions), murmur2), seconds)


def _rounds(lines: Iterable[bytes], partitioner: wire.Partitioner) -> list[dict[int, bytes]]:
    """Packs of each partition, one a round: nearly always one round, several where packs grow too long."""
    packer, rounds = wire.Packer(), list[dict[int, bytes]]()
    packs = [full for line in lines if (full := packer.add(partitioner.of_line(line), line, 0.0)) is not None]
    for pack in packs + packer.drain():
        place = next((each for each in rounds if pack.partition not in each), None)
        if place is None:
            rounds.append(place := {})
        place[pack.partition] = pack.value
    return rounds


def _batch(value: bytes) -> bytes:
    """A record batch of one record, as `streams.producer` sends it, too."""
    from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

    codec = DefaultRecordBatch.CODEC_ZSTD if len(value) >= _COMPRESSED_FROM else 0
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, 0, topics.MAX_MESSAGE_BYTES)
    builder.append(0, None, None, value, [])
    return bytes(builder.build())


def _is_taken(code: int) -> bool:
    """Whether a broker's word for a partition says that it has the batch.

    Raises:
        KafkaError: It never will.
    """
    from aiokafka.errors import for_code

    kind: Any = for_code(code)
    if code and not kind.retriable:
        raise kind()
    return not code
