"""Reads what was committed to a topic, from its beginning to its present end.

Following a stream with stored positions is the work of the warehouse's sink.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from streams import topics

if TYPE_CHECKING:
    from streams.batches import BatchMessage


def read_to_end(bootstrap: str, topic: str = topics.EVENTS, *, timeout: float = 10.0) -> Iterator["BatchMessage"]:
    """Every message that the topic holds now, in the order of each partition.

    Args:
        bootstrap: `HOST:PORT` of the broker.
        topic: Which; one that does not exist is empty.
        timeout: Seconds to wait for the broker.

    Raises:
        BrokerUnavailableError: Nobody answers there.
    """
    count = topics.partition_count(bootstrap, topic, timeout=timeout)
    if not count:
        return
    from kafka import KafkaConsumer, TopicPartition

    from streams import fetches

    partitions = [TopicPartition(topic, number) for number in range(count)]
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    told = fetches.give(consumer, fetches.PlainRecords)
    try:
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        yield from _until(consumer, ends, told)
    finally:
        consumer.close()


def _until(consumer: Any, ends: dict[Any, int], told: dict[Any, int]) -> Iterator["BatchMessage"]:
    """Read to the ends; the first answer for a partition may move its end up: what Tansu says of it may be too low."""
    settled = dict(ends)
    unsettled = set(ends)
    while any(consumer.position(partition) < end for partition, end in settled.items()):
        for partition, records in consumer.poll(timeout_ms=500).items():
            if partition in unsettled:
                unsettled.remove(partition)
                settled[partition] = max(settled[partition], told.get(partition, 0))
            yield from records
