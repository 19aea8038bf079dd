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
from typing import Any, NamedTuple

from streams import topics
from streams.gateway import topic_writer
from streams.group_commit import MOST_WAITING, BusyError
from streams.producer import LONGEST_SENDABLE, LineTooLongError

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
        self._changed = asyncio.Event()
        self._size = 0
        self._closed = False
        self._writer: topic_writer.TopicWriter | None = None
        self._events = self._commits = 0
        self._away_since: float | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the connection is made at once, so that the first request need not wait for it."""
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
        broker = "away" if since is not None else "connected" if self._writer else "connecting"
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
            if self._writer is not None:
                await self._changed.wait()
            ending = self._closed
            self._changed.clear()
            if self._writer is None and not (ending and not self._waiting) and not await self._connect():
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
            self._writer = await topic_writer.connected(self._bootstrap, self._topic, self.timeout)
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

    async def _commit(self, round_: list[_Waiting]) -> None:
        try:
            assert self._writer is not None
            await self._writer.write(line for request in round_ for line in request.lines)
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

    def _note_away(self, error: Exception) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            _log.warning("events are turned away until the broker is back: %s", _words(error))

    async def _disconnect(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(Exception):  # it was told already
                await asyncio.wait_for(writer.close(), self.timeout)


def _sendable(line: bytes) -> int:
    """The length of a line that may be sent."""
    if len(line) > LONGEST_SENDABLE:
        raise LineTooLongError(len(line))
    if b"\n" in line:
        raise ValueError(f"a line with a newline at byte {line.index(10)}, one event is one line: send compact JSON")
    return len(line)


def _words(error: Exception) -> str:
    """What an error says; a timeout says nothing."""
    return str(error) or type(error).__name__


def _fail(request: _Waiting, error: Exception) -> None:
    """Tell a request, unless it has been given up: that one was told to send again."""
    if not request.told.done():
        request.told.set_exception(ConnectionError(_words(error)))
