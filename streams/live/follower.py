"""Reads the guard's own topics beside Faust, whole and from their beginning: every worker sees what any published."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from streams.live.guard import FLAGS_SHOWN
from streams.live.messages import ArmWindow, Flag, Trip
from streams.live.outage import passes
from streams.topics import MAX_MESSAGE_BYTES, Topics

_RETRY_MS = 1_000
"""A lost broker is asked again so often."""
_FETCH_MS = 100
"""How long a fetch waits for news; a broker answers in turn, so whoever asks where the log ends waits as long."""


class Follower:
    """Hands every message of the live-metrics and kill-switch topics, and the last flags, to a function.

    Args:
        bootstrap: `HOST:PORT` of the broker.
        names: Topics.
        take: Gets the kind of a message's lines and its value.

    Attributes:
        started: Set once it reads.
    """

    def __init__(self, bootstrap: str, names: Topics, take: Callable[[type[Any], bytes | None], None]) -> None:
        self._bootstrap, self._take = bootstrap, take
        self._kinds: dict[str, type[Any]] = {names.live_metrics: ArmWindow, names.kill_switch: Trip, names.flags: Flag}
        self._events, self._flags = names.events, names.flags
        self._consumer: Any = None
        self.started = asyncio.Event()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                await self._follow()
            except Exception as error:
                if self.started.is_set() or not passes(error):
                    raise
                await asyncio.sleep(_RETRY_MS / 1000)  # the broker went away before the first answer

    async def _follow(self) -> None:
        from aiokafka import AIOKafkaConsumer

        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, enable_auto_commit=False, auto_offset_reset="earliest",
            max_partition_fetch_bytes=MAX_MESSAGE_BYTES, retry_backoff_ms=_RETRY_MS,
            isolation_level="read_committed", fetch_max_wait_ms=_FETCH_MS,
        )  # fmt: skip
        try:
            await self._consumer.start()
            await self._seek()
            self.started.set()
            while True:
                for partition, records in (await self._consumer.getmany(timeout_ms=200)).items():
                    for record in records:
                        self._take(self._kinds[partition.topic], record.value)
        finally:
            await self._consumer.stop()

    async def catch_up(self) -> None:
        """Wait until everything that was published so far is taken; a broker that is away is waited for."""
        await self.started.wait()
        for partition, end in (await self._ends()).items():
            while await self._consumer.position(partition) < end:
                await asyncio.sleep(0.02)

    async def span(self, events_partitions: Iterable[int]) -> tuple[dict[int, int], dict[int, int]]:
        """First offset of partitions of the events topic, and the one behind the last, once it reads.

        Raises:
            KafkaError: The broker is away, or lacks a topic.
        """
        from aiokafka import TopicPartition

        await self.started.wait()
        asked = [TopicPartition(self._events, number) for number in events_partitions]
        starts = await self._consumer.beginning_offsets(asked)
        # of the first one, too, where none is held yet: the client then knows the topic, which takes it a second
        ends = await self._consumer.end_offsets(asked or [TopicPartition(self._events, 0)])
        return {tp.partition: starts[tp] for tp in asked}, {tp.partition: ends[tp] for tp in asked}

    async def begin_again(self) -> None:
        """Read the guard's own topics from their beginning: they are new."""
        await self.started.wait()
        await self._consumer.seek_to_beginning(*self._consumer.assignment())

    async def _ends(self) -> dict[Any, int]:
        from aiokafka.errors import KafkaError

        while True:
            try:
                ends: dict[Any, int] = await self._consumer.end_offsets(self._consumer.assignment())
            except KafkaError as error:
                if not error.retriable:
                    raise
                await asyncio.sleep(_RETRY_MS / 1000)
            else:
                return ends

    async def _seek(self) -> None:
        from aiokafka import TopicPartition

        partitions = [TopicPartition(topic, 0) for topic in self._kinds]
        self._consumer.assign(partitions)
        starts = await self._consumer.beginning_offsets(partitions)
        ends = await self._consumer.end_offsets(partitions)
        for partition in partitions:
            skipped = ends[partition] - FLAGS_SHOWN if partition.topic == self._flags else 0
            self._consumer.seek(partition, max(starts[partition], skipped))
