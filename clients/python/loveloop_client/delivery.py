"""From a bounded queue to the broker, on a thread of its own; whoever puts an event there never waits.

The thread takes what is queued, in rounds. A round is settled when the broker has acknowledged all of it; until then
it is in hand and tried again, so an event may be sent twice and is dropped downstream by its id.
"""

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from . import wire
from .link import Link
from .spool import Spool

BUFFER_BYTES = 32 * 1_048_576
"""Of memory for events that wait, by default."""
_ROUND_BYTES = 1_048_576
_LINE_COSTS = 100
"""Bytes of memory that a queued line takes beside its own."""
_LOOK_SECONDS = 0.2
"""So often an idle thread looks whether the program has ended."""
_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
"""Seconds between attempts; each pause is twice the one before."""
_TELL_SECONDS = 60.0

_log = logging.getLogger("loveloop_client")


class Stats(NamedTuple):
    """What became of events; sent + found in the spool = acknowledged + waiting + spooled + dropped.

    Attributes:
        sent: Accepted from the product.
        acknowledged: By the broker, those from the spool included.
        waiting: In memory.
        spooled: In the spool's file.
        dropped: Lost: no room was left, or the program ended while the broker was away.
        refused: They broke the contract, so they were never sent.
    """

    sent: int
    acknowledged: int
    waiting: int
    spooled: int
    dropped: int
    refused: int = 0


class Delivery:
    """The queue and its thread.

    Args:
        bootstrap: `HOST:PORT` of the broker.
        topic: Where to.
        spool: A file, or None.
        buffer_bytes: Bound of the queue.
        timeout: Seconds for one attempt, and for the last flush.
    """

    def __init__(self, bootstrap: str, topic: str, spool: Path | None, buffer_bytes: int, timeout: float) -> None:
        self._link = Link(bootstrap, topic, timeout)
        self._bound, self._timeout = buffer_bytes, timeout
        self._begin(spool)
        reference = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _after_fork(reference))

    def _begin(self, spool: Path | None) -> None:
        self._changed = threading.Condition()
        self._queue: deque[bytes] = deque()
        self._hand: list[bytes] = []
        self._bytes = 0
        self._sent = self._acknowledged = self._dropped = self._told_dropped = 0
        self._spool = Spool(spool) if spool else None
        self._parts: Iterator[list[bytes]] | None = None
        self._closed = False
        self._pause, self._next_try, self._told_at = 0.0, 0.0, -_TELL_SECONDS
        self._thread: threading.Thread | None = None
        if self._spool and self._spool.lines:
            self._start()

    def begin_in_child(self) -> None:
        """What was queued is the parent's to send; the child has a queue, a link and a spool of its own."""
        self._link.forget()
        self._begin(self._spool.path.with_name(f"{self._spool.path.name}.{os.getpid()}") if self._spool else None)

    def put(self, line: bytes) -> None:
        """Queue a line, or drop it when there is no room."""
        with self._changed:
            self._sent += 1
            if self._closed or self._bytes + len(line) + _LINE_COSTS > self._bound:
                self._dropped += 1
                return
            self._queue.append(line)
            self._bytes += len(line) + _LINE_COSTS
            self._start()
            if len(self._queue) == 1:
                self._changed.notify_all()

    def stats(self) -> Stats:
        """The counts of this moment."""
        with self._changed:
            spooled = self._spool.lines if self._spool else 0
            return Stats(self._sent, self._acknowledged, self._waiting(), spooled, self._dropped)

    def flush(self, timeout: float | None) -> bool:
        """Wait until nothing waits; whether all of it was acknowledged."""
        with self._changed:
            lost = self._dropped
            self._next_try = 0.0
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: not self._is_busy(), self._timeout if timeout is None else timeout)
            return done and self._dropped == lost

    def close(self) -> None:
        """Flush and end; returns when the thread has ended."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _start(self) -> None:
        """Begin at the first event. No daemon: the interpreter waits for it, before kafka-python's own exit handler."""
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._work, name="loveloop-client")
            self._thread.start()

    def _waiting(self) -> int:
        return len(self._queue) + len(self._hand)

    def _is_busy(self) -> bool:
        return bool(self._waiting() or (self._spool and self._spool.lines))

    def _is_ending(self) -> bool:
        return self._closed or not threading.main_thread().is_alive()

    def _work(self) -> None:
        """Rounds, until the program ends; then until nothing is left, an attempt fails, or the time is up."""
        latest: float | None = None
        while True:
            ending = self._wait()
            latest = time.monotonic() + self._timeout if ending and latest is None else latest
            self._take()
            arrived = not self._is_busy() or self._attempt()
            late = latest is not None and time.monotonic() > latest
            if not arrived or late:
                self._put_aside(drop=ending)
            if ending and (late or not arrived or not self._is_busy()):
                break
        self._link.close()
        self._tell_lost()

    def _wait(self) -> bool:
        """Return when a round is due, or when the program ends (True)."""
        with self._changed:
            while not self._is_ending():
                if self._is_busy() and time.monotonic() >= self._next_try:
                    break
                self._changed.wait(_LOOK_SECONDS)
            else:
                return True
        if not self._hand:
            time.sleep(wire.LINGER_SECONDS)  # others may join the round
        return False

    def _take(self) -> None:
        """A new round from the queue, unless one is in hand."""
        size = 0
        with self._changed:
            while self._queue and size < _ROUND_BYTES and (size or not self._hand):
                line = self._queue.popleft()
                self._hand.append(line)
                size += len(line)

    def _attempt(self) -> bool:
        """Send what is in hand, then a part of the spool; whether the broker took it."""
        try:
            self._settle(refused=self._link.send(self._hand))
            self._send_spooled()
        except Exception as error:  # of kafka-python or the file: none may end the thread
            self._link.close()
            self._parts = None
            self._pause = min(max(_PAUSE, 2 * self._pause), _LONGEST_PAUSE)
            self._next_try = time.monotonic() + self._pause
            self._tell_away(error)
            return False
        if self._pause:
            _log.warning("the broker takes events again")
        self._pause, self._told_at = 0.0, -_TELL_SECONDS if self._pause else self._told_at
        self._tell_lost()
        return True

    def _send_spooled(self) -> None:
        if not (self._spool and self._spool.lines):
            return
        self._parts = self._parts or self._spool.parts(_ROUND_BYTES)
        part = next(self._parts, None)
        if part is not None:
            self._link.send(part)
            return
        with self._changed:
            self._acknowledged += self._spool.lines
            self._spool.clear()
            self._parts = None
            self._changed.notify_all()

    def _settle(self, refused: int) -> None:
        """The round is over: all of it is acknowledged, but for what no broker ever takes."""
        with self._changed:
            self._acknowledged += len(self._hand) - refused
            self._dropped += refused
            self._forget_hand()

    def _forget_hand(self) -> None:
        self._bytes -= sum(map(len, self._hand)) + _LINE_COSTS * len(self._hand)
        self._hand = []
        self._changed.notify_all()

    def _put_aside(self, *, drop: bool) -> None:
        """Spool what waits; without a spool keep it, or drop it when the program ends."""
        if self._spool is None and not drop:
            return
        with self._changed:
            self._hand += self._queue
            self._queue.clear()
            if not self._spooled():
                self._dropped += len(self._hand)
            self._forget_hand()

    def _spooled(self) -> bool:
        if self._spool is None:
            return False
        try:
            self._spool.add(self._hand)
        except OSError as error:
            _log.error("the spool %s cannot be written: %s", self._spool.path, error)
            return False
        return True

    def _tell_away(self, error: Exception) -> None:
        if time.monotonic() - self._told_at < _TELL_SECONDS:
            return
        self._told_at = time.monotonic()
        now, self._told_dropped = self.stats(), self._dropped
        _log.warning(
            "the broker does not take events (%s); %d wait, %d are spooled, %d were dropped; it is tried again",
            error, now.waiting, now.spooled, now.dropped,
        )  # fmt: skip

    def _tell_lost(self) -> None:
        lost = self._dropped - self._told_dropped
        if lost and (self._is_ending() or time.monotonic() - self._told_at >= _TELL_SECONDS):
            self._told_dropped, self._told_at = self._dropped, time.monotonic()
            _log.warning("%d events were dropped: the buffer was full, or the broker was away at the end", lost)


def _after_fork(reference: "weakref.ref[Delivery]") -> None:
    delivery = reference()
    if delivery is not None:
        delivery.begin_in_child()
