"""Group commit within the event loop: lines of all requests that wait go to the broker together, and each is told.

`streams.group_commit` does the same with threads. Here no thread is woken: of the threads' way half a millisecond of a
processor went into handing an event from the loop to a thread, from there to the client's thread, and back again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from streams import topics, wire
from streams.group_commit import MOST_WAITING, BusyError
from streams.producer import LONGEST_SENDABLE, LineTooLongError

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

_FIND_SECONDS = 2.0
"""For finding a broker; whoever waits meanwhile is told when it is not there."""
_PAUSE = 0.5
_log = logging.getLogger(__name__)


class _Waiting(NamedTuple):
    lines: Sequence[bytes]
    size: int
    told: asyncio.Future[None]


class LoopCommit:
    """A task that sends what waits and then tells all who wait, round by round.

    While one commit is under way the next round gathers, so a slow broker makes rounds larger, not answers fewer.
    Used by one event loop alone.

    Args:
        bootstrap: `HOST:PORT` of the broker.
        topic: Where to; made, with the project's other topics, when it is one of them and not there.
    """

    timeout = 10.0
    """Seconds until the broker must have acknowledged."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap, self._topic = bootstrap, topic
        self._waiting: list[_Waiting] = []
        self._size = 0
        self._closed = False
        self._producer: AIOKafkaProducer | None = None
        self._events = self._commits = 0
        self._away_since: float | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the connection is made at once, so that the first request need not wait for it."""
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._work(), name="loveloop-commit")

    def submit(self, lines: Sequence[bytes]) -> asyncio.Future[None]:
        """Lines to store; the result comes when the broker has acknowledged all of them.

        A request that is given up (its future cancelled) before its round begins is not sent.

        Raises:
            BusyError: There is no room, or no broker; nothing was taken.
            ValueError: A line holds a newline, or is longer than a broker takes; nothing was taken.
        """
        size = sum(map(_sendable, lines))
        if self._away_since is not None:
            raise BusyError(f"no broker answers at {self._bootstrap}")
        if self._closed or self._size + size > MOST_WAITING:
            raise BusyError(f"{self._size:,} bytes wait for the broker already")
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(lines, size, told))
        self._size += size
        self._changed.set()
        return told

    def state(self) -> dict[str, Any]:
        """For a health check: whether the broker takes events, how many it has, in how many commits."""
        since = self._away_since
        broker = "away" if since is not None else "connected" if self._producer else "connecting"
        away = {} if since is None else {"away_seconds": round(time.monotonic() - since, 1)}
        return {"broker": broker, "acknowledged": self._events, "commits": self._commits} | away

    async def close(self) -> None:
        """Commit what waits, and end."""
        self._closed = True
        self._changed.set()
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        while True:
            if self._producer is not None:
                await self._changed.wait()
            ending = self._closed
            self._changed.clear()
            if self._producer is None and not (ending and not self._waiting) and not await self._connect():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), _PAUSE)
            elif self._waiting:
                await self._commit(self._take())
            if ending:
                break
        await self._disconnect()

    def _take(self) -> list[_Waiting]:
        taken, self._waiting, self._size = self._waiting, [], 0
        return [each for each in taken if not each.told.done()]

    async def _connect(self) -> bool:
        try:
            await asyncio.to_thread(self._find)
            self._producer = await _producer(self._bootstrap, self.timeout)
            partitions = await self._producer.partitions_for(self._topic)
            self._partitioner = _partitioner(len(partitions))
        except Exception as error:  # of either Kafka client, too: none may end the task, which tries again
            self._note_away(error)
            await self._disconnect()
            for request in self._take():
                _fail(request, error)
            return False
        if self._away_since is not None:
            _log.info("the broker takes events again")
        self._away_since = None
        return True

    def _find(self) -> None:
        topics.wait_for_broker(self._bootstrap, _FIND_SECONDS)
        if self._topic in topics.TOPICS:
            topics.create_topics(self._bootstrap, timeout=self.timeout)
        if not topics.partition_count(self._bootstrap, self._topic, timeout=self.timeout):
            raise ValueError(f"topic {self._topic} is not on {self._bootstrap}; make it with 'loveloop topics create'")

    async def _commit(self, round_: list[_Waiting]) -> None:
        try:
            async with asyncio.timeout(self.timeout + 1):  # a line waits no longer than its request does
                await _all([await self._send(pack) for pack in self._packs(round_)])
        except Exception as error:  # each request learns of it, and the next round connects anew
            self._note_away(error)
            await self._disconnect()
            for request in round_:
                _fail(request, error)
            return
        self._events += sum(len(request.lines) for request in round_)
        self._commits += 1
        for request in round_:
            if not request.told.done():
                request.told.set_result(None)

    def _packs(self, round_: list[_Waiting]) -> list[wire.Pack]:
        """One message for each partition, or several where a pack would be too long; lines keep their order."""
        packer, packs = wire.Packer(), list[wire.Pack]()
        for line in (line for request in round_ for line in request.lines):
            full = packer.add(self._partitioner.of_line(line), line, 0.0)
            packs += [full] if full else []
        return packs + packer.drain()

    async def _send(self, pack: wire.Pack) -> asyncio.Future[Any]:
        """A batch of one record, as `streams.producer` sends it, too."""
        assert self._producer is not None
        batch = self._producer.create_batch()
        batch.append(key=None, value=pack.value, timestamp=None)
        sent: asyncio.Future[Any] = await self._producer.send_batch(batch, self._topic, partition=pack.partition)
        return sent

    def _note_away(self, error: Exception) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            _log.warning("events are turned away until the broker is back: %s", error)

    async def _disconnect(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(Exception):  # it was told already
                await asyncio.wait_for(producer.stop(), self.timeout)


def _sendable(line: bytes) -> int:
    """The length of a line that may be sent."""
    if len(line) > LONGEST_SENDABLE:
        raise LineTooLongError(len(line))
    if b"\n" in line:
        raise ValueError(f"a line with a newline at byte {line.index(10)}, one event is one line: send compact JSON")
    return len(line)


async def _all(sent: list[asyncio.Future[Any]]) -> None:
    """Wait for every batch, also where one fails: the error of each is heard, and the first one is raised."""
    for outcome in await asyncio.gather(*sent, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def _fail(request: _Waiting, error: Exception) -> None:
    """Tell a request, unless it has been given up: that one was told to send again."""
    if not request.told.done():
        request.told.set_exception(ConnectionError(str(error) or type(error).__name__))


def _partitioner(partitions: int) -> wire.Partitioner:
    from kafka.partitioner.default import murmur2

    return wire.Partitioner(partitions, murmur2)


async def _producer(bootstrap: str, timeout: float) -> AIOKafkaProducer:
    """A client of the running loop, connected; `timeout` seconds are for a batch with all its retries."""
    from aiokafka import AIOKafkaProducer

    made = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        max_batch_size=topics.MAX_MESSAGE_BYTES,
        max_request_size=topics.MAX_MESSAGE_BYTES,
        request_timeout_ms=int(timeout * 1000),
        retry_backoff_ms=100,
    )
    try:
        await made.start()
    except BaseException:
        await made.stop()
        raise
    return made
