"""The Kafka side of ingest: one consumer, the dead-letter producer, what is known of the topics. Knows no database."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from streams.topics import MAX_MESSAGE_BYTES, Topics, create_topics, no_broker
from warehouse.records import DeadLetter, Record, Slot

_log = logging.getLogger(__name__)


class TopicShrankError(RuntimeError):
    """The broker holds less than the warehouse has read: its log was cut or replaced."""


class Log:
    """A member of the consumer group over the events topic and the live guard's two.

    Args:
        bootstrap: `HOST:PORT`.
        group: Consumer group.
        topics: Names; those that are missing are created.
        session_seconds: After this long without a sign of life the broker gives the partitions to others.
        alone: Read all partitions without asking the group for a share.

    Raises:
        BrokerUnavailableError: Nobody answers.
    """

    def __init__(self, bootstrap: str, group: str, topics: Topics, session_seconds: float, *, alone: bool) -> None:
        self._bootstrap, self._topics = bootstrap, topics
        self._names = [topics.events, topics.flags, topics.live_metrics]
        create_topics(bootstrap, topics=topics)
        self._ids = _topic_ids(bootstrap, self._names)
        self._consumer = _consumer(bootstrap, group, session_seconds)
        self._producer: Any = None
        self._hinted: dict[Any, Any] = {}
        self._changed = threading.Event()
        self.starts, self.ends = self._bounds()
        self._patience = time.monotonic() + 3 * session_seconds + 5.0
        self._unassigned = not alone
        if alone:
            self._take_all()
        else:
            self._consumer.subscribe(self._names, listener=_listener(self._changed))

    def slot(self, topic: str, partition: int) -> Slot:
        """A partition of a topic's present life."""
        return Slot(topic, self._ids[topic], partition)

    def poll(self, messages: int) -> list[Record]:
        """Up to so many records, in the order of each partition; waits at most 0.2 s."""
        found = self._consumer.poll(timeout_ms=200, max_records=messages)
        return [
            Record(r.topic, r.partition, r.offset, r.timestamp, r.value) for records in found.values() for r in records
        ]

    def reassigned(self) -> bool:
        """Whether the assignment changed since the last call: what was read before must be forgotten.

        A coordinator that gives no share in time (Tansu waits for a leader that was killed, for good) is left: the
        worker then reads all partitions. That is safe beside others, since the warehouse refuses what somebody else has
        stored.
        """
        if self._unassigned and not self._changed.is_set() and time.monotonic() > self._patience:
            _log.warning("the group's coordinator gives no partitions: reading all of them without it")
            self._consumer.unsubscribe()
            self._take_all()
        changed = self._changed.is_set()
        self._unassigned = self._unassigned and not changed
        self._changed.clear()
        return changed

    def assigned(self) -> list[Slot]:
        """The partitions that this member has."""
        return [self.slot(p.topic, p.partition) for p in self._consumer.assignment()]

    def seek(self, offsets: Mapping[Slot, int]) -> None:
        """Read on from these offsets; where retention has deleted them, from the oldest left, with a warning."""
        for slot, offset in offsets.items():
            start = max(offset, self.starts.get(slot, 0))
            if start > offset:
                _log.warning(
                    "%s/%d: messages %d to %d were deleted before they were read",
                    slot.topic,
                    slot.partition,
                    offset,
                    start - 1,
                )
            self._consumer.seek(_partition(slot), start)

    def passed(self, slot: Slot, end: int) -> bool:
        """Whether the reader stands at or behind an end (its last offsets may hold nothing to read)."""
        partition = _partition(slot)
        return partition in self._consumer.assignment() and (self._consumer.position(partition) or 0) >= end

    def check_not_shrunk(self, slot: Slot, stored: int) -> None:
        """Raise TopicShrankError when the partition ends before the stored position."""
        refuse_shrunken({slot: stored}, {slot: self._consumer.end_offsets([_partition(slot)])[_partition(slot)]})

    def hint(self, offsets: Mapping[Slot, int]) -> None:
        """Tell Kafka how far we are, for tools that show lag; nothing depends on it."""
        from kafka import OffsetAndMetadata

        self._hinted |= {_partition(slot): OffsetAndMetadata(offset, "", -1) for slot, offset in offsets.items()}
        self._consumer.commit_async(dict(self._hinted))

    def send_dead_letters(self, dead: Iterable[DeadLetter]) -> None:
        """Copy dead letters to their topic, at least once: the line as it was; reason and coordinates as headers."""
        for letter in dead:
            where = letter.coordinates
            headers = {
                "reason": letter.reason,
                "detail": letter.detail,
                **{k: str(v) for k, v in where._asdict().items()},
            }
            self._dead_letters().send(
                self._topics.dead_letters, letter.body, headers=[(k, v.encode()) for k, v in headers.items()]
            )
        if self._producer is not None:
            self._producer.flush(timeout=30)

    def close(self) -> None:
        """Leave the group, so that others need not wait for the session to time out."""
        from kafka.errors import KafkaError

        with suppress(KafkaError):  # a hint under way would be cancelled, with an error in the log
            if self._hinted:
                self._consumer.commit(self._hinted, timeout_ms=2_000)
        self._consumer.close(autocommit=False, timeout_ms=5_000)
        if self._producer is not None:
            self._producer.close(timeout=5)

    def _bounds(self) -> tuple[dict[Slot, int], dict[Slot, int]]:
        from kafka import TopicPartition

        partitions = [
            TopicPartition(name, n) for name in self._names for n in self._consumer.partitions_for_topic(name) or ()
        ]
        starts, ends = self._consumer.beginning_offsets(partitions), self._consumer.end_offsets(partitions)
        return self._slots(starts), self._slots(ends)

    def _slots(self, offsets: Mapping[Any, int]) -> dict[Slot, int]:
        return {self.slot(partition.topic, partition.partition): offset for partition, offset in offsets.items()}

    def _take_all(self) -> None:
        self._consumer.assign([_partition(slot) for slot in self.ends])
        self._changed.set()

    def _dead_letters(self) -> Any:
        if self._producer is None:
            from kafka import KafkaProducer

            self._producer = KafkaProducer(
                bootstrap_servers=self._bootstrap, acks="all", max_request_size=MAX_MESSAGE_BYTES
            )
        return self._producer


def refuse_shrunken(stored: Mapping[Slot, int], ends: Mapping[Slot, int]) -> None:
    """Raise TopicShrankError for a partition that ends before its stored position."""
    for slot, end in ends.items():
        if stored.get(slot, 0) > end:
            raise TopicShrankError(
                f"{slot.topic}/{slot.partition} ends at {end}, the warehouse has read it up to {stored[slot]}: "
                "the broker's log was cut or replaced. Delete and create the topic, then send everything again "
                "(copies are dropped)"
            )


def _consumer(bootstrap: str, group: str, session_seconds: float) -> Any:
    from kafka import KafkaConsumer
    from kafka.errors import KafkaTimeoutError

    try:
        return KafkaConsumer(
            bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
            session_timeout_ms=int(session_seconds * 1000), heartbeat_interval_ms=int(session_seconds * 1000 / 3),
            max_partition_fetch_bytes=MAX_MESSAGE_BYTES, fetch_max_wait_ms=100,
        )  # fmt: skip
    except (KafkaTimeoutError, OSError):
        raise no_broker(bootstrap, 30) from None


def _topic_ids(bootstrap: str, names: list[str]) -> dict[str, str]:
    """The id of each topic's present life; a broker that gives none always tells the same."""
    from kafka.admin import KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        return {topic["name"]: str(topic.get("topic_id") or "") for topic in admin.describe_topics(names)}
    finally:
        admin.close()


def _listener(changed: threading.Event) -> Any:
    """Runs on the client's own thread, so it only leaves word."""
    from kafka import ConsumerRebalanceListener

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
        def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002
            changed.set()

        def on_partitions_assigned(self, assigned: Any) -> None:  # noqa: ARG002
            changed.set()

    return Listener()


def _partition(slot: Slot) -> Any:
    from kafka import TopicPartition

    return TopicPartition(slot.topic, slot.partition)
