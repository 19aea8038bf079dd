"""The Kafka client of ingest: the consumer and its settings, the topics' ids, one error for a broker that is away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from streams.topics import MAX_MESSAGE_BYTES, no_broker
from warehouse.ingest.records import TopicPartition


def consumer(bootstrap: str, group: str, session_seconds: float, poll_seconds: float) -> tuple[Any, dict[Any, int]]:
    """A consumer whose positions are ours to keep, of what was committed.

    Returns:
        The consumer, and by topic-partition the end that its fetches tell (see `read_lean`).
    """
    from kafka import KafkaConsumer

    from warehouse.ingest.record_parser import read_lean

    made = KafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
        session_timeout_ms=int(session_seconds * 1000), heartbeat_interval_ms=int(min(session_seconds / 3, 3.0) * 1000),
        max_poll_interval_ms=int(poll_seconds * 1000), max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
        fetch_max_wait_ms=100, reconnect_backoff_max_ms=1_000, isolation_level="read_committed",
    )  # fmt: skip
    return made, read_lean(made)


@contextmanager
def or_no_broker(bootstrap: str) -> Iterator[None]:
    """Raise BrokerUnavailableError where kafka-python gives up, after its 30 s."""
    from kafka.errors import KafkaError

    try:
        yield
    except (KafkaError, OSError):
        raise no_broker(bootstrap, 30) from None


def topic_ids(bootstrap: str, names: list[str]) -> dict[str, str]:
    """The id of each topic's present life; a broker that gives none always tells the same."""
    from kafka.admin import KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        return {topic["name"]: str(topic.get("topic_id") or "") for topic in admin.describe_topics(names)}
    finally:
        admin.close()


def listener(changed: threading.Event) -> Any:
    """Runs on the client's own thread, so it only leaves word."""
    from kafka import ConsumerRebalanceListener

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
        def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002
            changed.set()

        def on_partitions_assigned(self, assigned: Any) -> None:  # noqa: ARG002
            changed.set()

    return Listener()


def partition(slot: TopicPartition) -> Any:
    """A slot as kafka-python names it."""
    from kafka import TopicPartition

    return TopicPartition(slot.topic, slot.partition)
