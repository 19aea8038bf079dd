"""Many writers, one commit: lines of all requests that wait go to the broker together, and each request is told."""

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, NamedTuple

from streams import topics
from streams.producer import EventProducer

MOST_WAITING = 64 * 1_048_576
"""Bytes of lines that wait for a commit; more are turned away."""
_FIND_SECONDS = 2.0
"""For finding a broker; whoever waits meanwhile is told when it is not there."""
_PAUSE = 0.5

_log = logging.getLogger(__name__)


class BusyError(RuntimeError):
    """More waits than there is room for, or the end has come."""


class _Request(NamedTuple):
    lines: Sequence[bytes]
    size: int
    told: "Future[None]"


class GroupCommit:
    """A thread that sends what waits and then tells all who wait, round by round.

    While one commit is under way the next round gathers, so a slow broker makes rounds larger, not answers fewer.

    Args:
        bootstrap: `HOST:PORT` of the broker.
        topic: Where to; made, with the project's other topics, when it is one of them and not there.
    """

    timeout = 10.0
    """Seconds until the broker must have acknowledged."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap, self._topic = bootstrap, topic
        self._changed = threading.Condition()
        self._waiting: list[_Request] = []
        self._size = 0
        self._closed = False
        self._producer: EventProducer | None = None
        self._events = self._commits = 0
        self._away_since: float | None = None
        self._thread = threading.Thread(target=self._work, name="loveloop-commit", daemon=True)

    def start(self) -> None:
        """Begin; the connection is made at once, so that the first request need not wait for it."""
        self._thread.start()

    def submit(self, lines: Sequence[bytes]) -> "Future[None]":
        """Lines to store; the result comes when the broker has acknowledged all of them.

        Raises:
            BusyError: There is no room, or no broker; nothing was taken.
        """
        request = _Request(lines, sum(map(len, lines)), Future())
        with self._changed:
            if self._away_since is not None:
                raise BusyError(f"no broker answers at {self._bootstrap}")
            if self._closed or self._size + request.size > MOST_WAITING:
                raise BusyError(f"{self._size:,} bytes wait for the broker already")
            self._waiting.append(request)
            self._size += request.size
            self._changed.notify_all()
        return request.told

    def state(self) -> dict[str, Any]:
        """For a health check: whether the broker takes events, how many it has, in how many commits."""
        since = self._away_since
        broker = "away" if since is not None else "connected" if self._producer else "connecting"
        away = {} if since is None else {"away_seconds": round(time.monotonic() - since, 1)}
        return {"broker": broker, "acknowledged": self._events, "commits": self._commits} | away

    def close(self) -> None:
        """Commit what waits, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                if self._producer is not None:
                    self._changed.wait_for(lambda: self._waiting or self._closed)
                ending = self._closed
            if self._producer is None and not (ending and not self._waiting) and not self._connect():
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, _PAUSE)
            elif self._waiting:
                self._commit(self._take())
            if ending:
                break
        self._disconnect()

    def _take(self) -> list[_Request]:
        with self._changed:
            round_, self._waiting, self._size = self._waiting, [], 0
        return round_

    def _connect(self) -> bool:
        try:
            topics.wait_for_broker(self._bootstrap, _FIND_SECONDS)
            if self._topic in topics.TOPICS:
                topics.create_topics(self._bootstrap, timeout=self.timeout)
            self._producer = EventProducer(self._bootstrap, topic=self._topic, timeout=self.timeout)
        except Exception as error:  # of kafka-python, too: none may end the thread, which tries again
            self._note_away(error)
            for request in self._take():
                _tell(request, error)
            return False
        if self._away_since is not None:
            _log.info("the broker takes events again")
        self._away_since = None
        return True

    def _commit(self, round_: list[_Request]) -> None:
        assert self._producer is not None
        try:
            for request in round_:
                for line in request.lines:
                    self._producer.send_line(line)
            self._producer.flush()
        except Exception as error:  # kafka-python's are many; each request learns of it and the next round reconnects
            self._note_away(error)
            self._disconnect()
            for request in round_:
                _tell(request, error)
            return
        self._events += sum(len(request.lines) for request in round_)
        self._commits += 1
        for request in round_:
            _tell(request, None)

    def _note_away(self, error: Exception) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            _log.warning("events are turned away until the broker is back: %s", error)

    def _disconnect(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(Exception):  # it was told already
                producer.close()


def _tell(request: _Request, error: Exception | None) -> None:
    """Set the result, unless the request has been given up: that one was told to send again."""
    if not request.told.set_running_or_notify_cancel():
        return
    if error is None:
        request.told.set_result(None)
    else:
        request.told.set_exception(ConnectionError(str(error)))
