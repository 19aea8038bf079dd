"""The Faust application around a guard: two agents, two tasks, the pages. All that is left to it is I/O.

Left out on purpose: Faust's tables, `take` (it loses a batch whose work fails) and `exactly_once` (it is not). An
exception in the work ends the worker: what is in memory may be half done then, and a start from the log is exact.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from streams import topics
from streams.live import metrics, page, view
from streams.live.follower import Follower
from streams.live.guard import Guard
from streams.live.messages import Trip, pack
from streams.live.outage import passes
from streams.live.probe import Probe

GROUP = "loveloop-guard"
_POLL = 50
_SECONDS_TO_SEND = 40.0
"""What the broker has not taken by then is sent again."""
_log = logging.getLogger(__name__)


def _look_at(message: Any) -> None:
    """Look at how a message ended: Faust hands its error to a second future too, and asyncio logs what nobody sees."""
    message.cancelled() or message.exception()


class _Place:
    """Where a message was: all that Faust asks of one that is acknowledged, long after the message was let go."""

    def __init__(self, tp: Any, offset: int) -> None:
        self.tp, self.topic, self.offset, self.acked = tp, tp.topic, offset, False


class GuardWorker:
    """Moves a guard's messages in and out.

    Args:
        bootstrap: `HOST:PORT` of the broker.
        guard: State.
        names: Topics.
        web: Host and port of the live view.
        scratch: For Faust's own files.
        session_seconds: After so long without a sign of life a worker loses its partitions.
        counts_partitions: Of the guard-counts topic.

    Attributes:
        app: To be run.
        failure: What ended the work, None while it goes well.
    """

    def __init__(
        self, bootstrap: str, guard: Guard, *, names: topics.Topics, web: tuple[str, int], scratch: Path,
        session_seconds: float, counts_partitions: int,
    ) -> None:  # fmt: skip
        import faust

        from streams.live import reconnection

        self.guard, self.names = guard, names
        self._counts_partitions = counts_partitions
        self.failure: Exception | None = None
        self._lock, self._broken = asyncio.Lock(), False
        self._caught_up: int | None = None
        self._held: set[int] = set()
        self.follower = Follower(bootstrap, names, guard.follow)
        self.probe = Probe(
            bootstrap, names, counts_partitions, guard=guard, follower=self.follower, held=lambda: set(self._held)
        )
        self.app = faust.App(
            f"{GROUP}-{names.events}", broker=f"kafka://{bootstrap}", store="memory://", datadir=str(scratch),
            autodiscover=False, topic_disable_leader=True, topic_allow_declare=False, stream_wait_empty=False,
            key_serializer="raw", value_serializer="raw", producer_max_batch_size=1,
            producer_max_request_size=topics.MAX_MESSAGE_BYTES, web_bind=web[0], web_port=web[1], web_host=web[0],
            producer_request_timeout=_SECONDS_TO_SEND,
            broker_session_timeout=session_seconds, broker_heartbeat_interval=session_seconds / 3,
            broker_commit_livelock_soft_timeout=86_400.0, stream_processing_timeout=86_400.0,
        )  # fmt: skip
        reconnection.give(self.app)
        self._channels = {name: self.app.topic(name, value_type=bytes, value_serializer="raw") for name in names}
        self._add_agents()
        self._add_tasks()
        self._add_pages()

    async def _observe(self, events: list[Any]) -> None:
        """Count some packs, then publish what they gave rise to, before anything else may count or tell."""
        async with self._alone():
            for event in events:
                message = event.message
                if self._is_ours(message) and self._must_catch_up(message):
                    await self.probe.check_log()
                    await self.follower.catch_up()
                    self._caught_up = message.generation_id
                if self._is_ours(message):  # asked again after every wait: a partition may have gone meanwhile
                    self.guard.observe(message, self.app.consumer.highwater(message.tp))
                await asyncio.sleep(0)  # a pack takes milliseconds: let heartbeats and pages through
            await self._speak()

    def _must_catch_up(self, message: Any) -> bool:
        """At a partition's first message, and when its log begins again under us: what was told may be another's."""
        back = message.partition in self.guard.partitions
        return self.guard.begins(message) and (back or self._caught_up != message.generation_id)

    async def _add(self, events: list[Any]) -> None:
        async with self._alone():
            for event in events:
                if self._is_ours(event.message):
                    self.guard.add(event.message)
            await self._speak()

    async def _or_end(self, work: Awaitable[None]) -> None:
        """Do a piece of work to its end, also when Faust cancels the agent; end the worker when it fails.

        Faust would go on with the next messages. SIGTERM stops it in order and leaves the group, where a crash inside
        an agent can hang it.
        """
        await asyncio.shield(asyncio.ensure_future(self._done_or_ended(work)))

    async def _done_or_ended(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:
            if not self.app.should_stop:
                self.failure = error
                _log.exception("the guard ends: start it again, and it goes on from the log")
                signal.raise_signal(signal.SIGTERM)
            await asyncio.Event().wait()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One piece of work at a time, and none after one has failed: it may have counted half a message."""
        async with self._lock:
            if self._broken:
                await asyncio.Event().wait()
            self._broken = True
            yield
            self._broken = False

    async def _speak(self) -> None:
        flags, changes = self.guard.outbox(self._counts_partitions)
        sent = [self._send(self.names.flags, value, key=key) for key, value in flags]
        sent += [self._send(self.names.guard_counts, value, partition=number) for number, value in changes]
        await asyncio.gather(*sent)

    async def _tell(self) -> None:
        """Publish the counts that changed and the arms that trip, and acknowledge what no restart needs any more."""
        async with self._alone():
            await asyncio.gather(
                *(self._send(self.names.live_metrics, value, key=key) for key, value in self.guard.snapshots())
            )
            for trip in self.guard.new_trips():
                _log.warning("tripped: %s, arm %s, by its %s", trip.experiment, trip.arm, trip.metric)
                await self._send(self.names.kill_switch, pack([trip]), key=trip.key)
                self.guard.follow(Trip, pack([trip]))
            for events, partition, offsets in self.guard.releases():
                self._acknowledge(self.names.events if events else self.names.guard_counts, partition, offsets)

    def _acknowledge(self, topic: str, partition: int, offsets: range) -> None:
        from faust.types import TP

        place = TP(topic, partition)
        for offset in offsets:
            self.app.consumer.ack(_Place(place, offset))

    async def _send(self, topic: str, value: bytes, *, key: bytes | None = None, partition: int | None = None) -> None:
        """Wait until the broker has a message, however long it is away; whoever reads drops the second copy."""
        while True:
            try:
                message = self._channels[topic].as_future_message(key, value, partition)
                message.add_done_callback(_look_at)
                await (await self._channels[topic].publish_message(message))
            except Exception as error:
                if not passes(error):
                    raise
                await asyncio.sleep(1)
            else:
                return

    def _is_ours(self, message: Any) -> bool:
        """Whether a message's partition is ours now: Faust's buffers may hold some from before a rebalance."""
        return bool(self.app.flow_control.is_active() and message.generation_id == self.app.consumer_generation_id)

    def _add_agents(self) -> None:
        async def watch(stream: Any) -> None:
            async for events in stream.noack_take(_POLL, within=0.2):
                await self._or_end(self._observe(events))

        async def add_up(stream: Any) -> None:
            async for events in stream.noack_take(_POLL, within=0.2):
                await self._or_end(self._add(events))

        self.app.agent(self._channels[self.names.events])(watch)
        self.app.agent(self._channels[self.names.guard_counts])(add_up)

        async def revoked(sender: Any, partitions: set[Any], **_: Any) -> None:  # noqa: ARG001
            for partition in partitions:
                self.guard.forget(events=partition.topic == self.names.events, partition=partition.partition)
            self._held = set()

        async def assigned(sender: Any, partitions: set[Any], **_: Any) -> None:  # noqa: ARG001
            self._held = {each.partition for each in partitions if each.topic == self.names.events}
            self.guard.pulse.held = True
            self.probe.hurry()

        self.app.on_partitions_revoked.connect(revoked, weak=False)
        self.app.on_partitions_assigned.connect(assigned, weak=False)

    def watches(self) -> Iterator[Awaitable[None]]:
        """What must run from the start on; Faust's own tasks wait until partitions are assigned."""
        yield self._done_or_ended(self.probe.run())
        yield self._done_or_ended(self.follower.run())

    def _add_tasks(self) -> None:
        async def tell() -> None:
            while not self.app.should_stop:
                await self.app.sleep(self.guard.rules.publish_seconds)
                await self._or_end(self._tell())

        self.app.task(tell)

    def _add_pages(self) -> None:
        for path, show in (
            ("/", view.totals), ("/arms", view.arms), ("/evidence", view.evidence), ("/flags", view.flags),
            ("/users", view.users), ("/kill-switch", view.trips),
        ):  # fmt: skip
            self._add_page(path, show)

        async def live(web: Any, request: Any) -> Any:  # noqa: ARG001
            return web.html(page.page(self.guard))

        async def health(web: Any, request: Any) -> Any:  # noqa: ARG001
            seen = view.health(self.guard)
            return web.json(seen, status=200 if seen["healthy"] else 503)

        async def prometheus(web: Any, request: Any) -> Any:  # noqa: ARG001
            return web.bytes(metrics.exposition(self.guard).encode(), content_type=metrics.CONTENT_TYPE)

        self.app.page("/live", name="live")(live)
        self.app.page("/health", name="health")(health)
        self.app.page("/metrics", name="metrics")(prometheus)

    def _add_page(self, path: str, show: Any) -> None:
        async def answer(web: Any, request: Any) -> Any:  # noqa: ARG001
            return web.json(show(self.guard))

        self.app.page(path, name=show.__name__)(answer)
