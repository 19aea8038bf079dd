"""The Kafka side of ingest: one consumer, and what is known of the topics. Knows no database."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from streams.topics import Topics, create_topics
from warehouse.ingest import client
from warehouse.ingest.records import Record, TopicPartition

_log = logging.getLogger(__name__)
_PATIENCE, _QUIET = 5.0, 3.0


class TopicShrankError(RuntimeError):
    """The broker holds less than the warehouse has read: its log was cut or replaced."""


class Log:
    """A member of the consumer group over the events topic and the live guard's three.

    Args:
        bootstrap: `HOST:PORT`.
        group: Consumer group.
        topics: Names; those that are missing are created.
        session_seconds: After this long without a sign of life the broker gives the partitions to others.
        poll_seconds: After this long without a call of `poll` or `heartbeat` it does so too.
        alone: Read all partitions without asking the group for a share.
        timeout: Seconds to wait for the broker.

    Raises:
        BrokerUnavailableError: Nobody answers.
    """

    def __init__(
        self, bootstrap: str, group: str, topics: Topics, session_seconds: float, poll_seconds: float, *,
        alone: bool, timeout: float = 10.0,
    ) -> None:  # fmt: skip
        self._bootstrap = bootstrap
        self._topics = topics
        self._names = [topics.events, topics.flags, topics.live_metrics, topics.kill_switch]
        create_topics(bootstrap, topics=topics, timeout=timeout)
        with client.or_no_broker(bootstrap):
            self._ids = client.topic_ids(bootstrap, self._names)
            self._consumer, self._stable = client.consumer(bootstrap, group, session_seconds, poll_seconds)
        self._committed: dict[Any, Any] = {}
        self._accepted: dict[Any, Any] = {}
        self._passed_on = 0.0
        self._changed = threading.Event()
        with client.or_no_broker(bootstrap):
            self.starts, self.ends = self._bounds()
        self._endless: set[TopicPartition] = set()
        self._heard = self._asked = self._sought = time.monotonic()
        self._patience = time.monotonic() + 3 * session_seconds + 5.0
        self._alone = alone
        self._unassigned = not alone
        if alone:
            self._take_all()
        else:
            self._consumer.subscribe(self._names, listener=client.listener(self._changed))

    def slot(self, topic: str, partition: int) -> TopicPartition:
        """A partition of a topic's present life."""
        return TopicPartition(topic, self._ids[topic], partition)

    def poll(self, messages: int) -> dict[TopicPartition, list[Record]]:
        """At most `messages` records by partition, in order; waits at most 0.2 s."""
        self._pass_hints_on()
        found = self._poll(200, messages)
        if found:
            self._hear()
        return {self.slot(*partition): received for partition, received in found.items()}

    def heartbeat(self) -> None:
        """Stay in the group while the worker is busy with something long: answer the coordinator, read nothing.

        What comes in all the same is read again later. Partitions are not paused for it: kafka-python 3.0 never goes on
        with one that was paused in the middle of a fetch when another, that it holds since, is read meanwhile.
        """
        if self._alone:
            return
        for partition, received in self._poll(50, 1).items():
            with self._unless_lost():
                self._consumer.seek(partition, received[0].offset)

    def silence(self) -> float:
        """Seconds for which the broker has not answered; 0 while it does.

        kafka-python goes on trying to reach a broker that went away, and `poll` then returns nothing. So who has read
        nothing for 5 s asks for an offset, at most once in 5 s.
        """
        from kafka.errors import KafkaError

        now = time.monotonic()
        if now - max(self._heard, self._asked) >= _PATIENCE:
            try:
                self._consumer.end_offsets([client.partition(next(iter(self.starts)))], timeout_ms=2_000)
                self._hear()
            except KafkaError:
                _log.warning("%s does not answer for %.0f s; waiting for it", self._bootstrap, now - self._heard)
            self._asked = time.monotonic()
        return now - self._heard if self._asked > self._heard else 0.0

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
        if changed:
            self._stable.clear()
        self._unassigned = self._unassigned and not changed
        self._changed.clear()
        return changed

    def assigned(self) -> list[TopicPartition]:
        """The partitions that this member has."""
        return [self.slot(p.topic, p.partition) for p in self._consumer.assignment()]

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read on from these offsets; where retention has deleted them, from the oldest left, with a warning."""
        self._endless = set(offsets)
        self._sought = time.monotonic()
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
            with self._unless_lost():
                self._consumer.seek(client.partition(slot), start)
        self.commit_offsets(offsets)

    def learn_ends(self, expected: Mapping[TopicPartition, int]) -> bool:
        """Learn the end of each partition from its first fetch since `seek`; whether all are known.

        The end is where the first transaction begins that is still open: what lies behind it is not sent yet. Tansu
        tells the first offset of a partition's last record batch + 1 as its end, and 0 while a transaction is open.
        That is too low, and only a fetch tells the truth. A broker that keeps fetch sessions may leave out a partition
        of which it has told before: after 3 s in which nothing came, what is known counts.

        Raises:
            TopicShrankError: A partition ends before its expected position.
        """
        for slot in list(self._endless):
            with self._unless_lost():
                high = self._stable.get(client.partition(slot))
                if high is not None:
                    self._endless.discard(slot)
                    self.ends[slot] = max(self.ends.get(slot, 0), high)
                    if high < expected[slot]:
                        self.check_not_shrunk(slot, expected[slot])
        if time.monotonic() - max(self._heard, self._sought) > _QUIET:
            self._endless.clear()
        return not self._endless

    def lag(self, expected: Mapping[TopicPartition, int]) -> int:
        """Messages between the expected positions and the ends of the partitions, as far as fetches have told."""
        lag = 0
        for slot, offset in expected.items():
            with self._unless_lost():
                lag += max(0, self._stable.get(client.partition(slot), 0) - offset)
        return lag

    def passed(self, slot: TopicPartition, end: int) -> bool:
        """Whether the reader stands at or behind an end (its last offsets may hold nothing to read)."""
        with self._unless_lost():
            return bool((self._consumer.position(client.partition(slot), timeout_ms=2_000) or 0) >= end)
        return False

    def check_not_shrunk(self, slot: TopicPartition, stored: int) -> None:
        """Raise TopicShrankError when the partition ends before the stored position, by fetch and by question."""
        partition, end = client.partition(slot), stored
        with self._unless_lost():
            end = max(self._consumer.highwater(partition) or 0, self._consumer.end_offsets([partition])[partition])
        if stored > end:
            raise TopicShrankError(
                f"{slot.topic}/{slot.partition} ends at {end}, the warehouse has read it up to {stored}: "
                "the broker's log was cut or replaced. Delete and create the topic, then send everything again "
                "(copies are dropped)"
            )

    def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Have Kafka told how far we are, for tools that show lag; nothing depends on it."""
        from kafka import OffsetAndMetadata

        held = self._consumer.assignment()
        new = {client.partition(slot): OffsetAndMetadata(offset, "", -1) for slot, offset in offsets.items()}
        self._committed = {
            partition: offset for partition, offset in (self._committed | new).items() if partition in held
        }

    def close(self) -> None:
        """Leave the group, so that others need not wait for the session to time out."""
        from kafka.errors import KafkaError

        with suppress(KafkaError):  # a commit under way would be cancelled, with an error in the log
            silent = self._heard < self._asked  # when last asked; it is not waited for once more
            if self._committed and not silent:
                self._consumer.commit(self._committed, timeout_ms=2_000)
        with suppress(KafkaError):
            self._consumer.close(autocommit=False, timeout_ms=5_000)

    def _bounds(self) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        from kafka import TopicPartition

        partitions = [
            TopicPartition(name, n) for name in self._names for n in self._consumer.partitions_for_topic(name) or ()
        ]
        starts, ends = self._consumer.beginning_offsets(partitions), self._consumer.end_offsets(partitions)
        return self._slots(starts), self._slots(ends)

    def _slots(self, offsets: Mapping[Any, int]) -> dict[TopicPartition, int]:
        return {self.slot(partition.topic, partition.partition): offset for partition, offset in offsets.items()}

    def _pass_hints_on(self) -> None:
        """At most once a second; again, when a rebalance under way has refused it."""
        if self._committed != self._accepted and time.monotonic() - self._passed_on > 1.0:
            self._passed_on = time.monotonic()
            self._consumer.commit_async(self._committed, callback=self._hints_passed_on)

    def _hints_passed_on(self, offsets: dict[Any, Any], outcome: object) -> None:
        if not isinstance(outcome, Exception):
            self._accepted = offsets

    def _hear(self) -> None:
        if self._asked > self._heard and time.monotonic() - self._heard > 2 * _PATIENCE:
            _log.warning("%s answers again", self._bootstrap)
        self._heard = time.monotonic()

    @contextmanager
    def _unless_lost(self) -> Iterator[None]:
        """Leave the block when the partition (the next `reassigned` says so) or the broker was lost meanwhile."""
        from kafka.errors import IllegalStateError, KafkaError

        try:
            yield
        except (IllegalStateError, ValueError, KeyError):
            self._changed.set()
        except KafkaError as error:
            if not error.retriable:
                raise

    def _poll(self, milliseconds: int, messages: int) -> dict[Any, list[Any]]:
        """Nothing, too, while the broker is away: kafka-python goes on trying, and now and then says so by an error.

        A batch that cannot be read is fetched once more, and then read as one that never can be (`record_parser`).
        """
        from kafka.errors import CorruptRecordError, KafkaError

        try:
            found: dict[Any, list[Any]] = self._consumer.poll(timeout_ms=milliseconds, max_records=messages)
        except CorruptRecordError as error:
            _log.warning("%s", error)
            return {}
        except KafkaError as error:
            if not error.retriable:
                raise
            time.sleep(milliseconds / 1000)
            return {}
        return found

    def _take_all(self) -> None:
        self._consumer.assign([client.partition(slot) for slot in self.ends])
        self._changed.set()
