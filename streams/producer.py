"""Sends events to the broker, packed per partition.

Delivery is at least once: a crash, a retry or a second run of the same file may send an event again. That does no
harm, since the sink keeps one row per event_id.
"""

import codecs
import importlib.util
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from streams import drafts, topics, wire
from streams.events import BYTE_ORDER_MARK, LONGEST_LINE, Event
from streams.outgoing import encode_checked

IN_FLIGHT_PACKS = 256
"""Packs sent and not yet acknowledged, at most 64 MiB; `send` waits while there are more."""
LONGEST_SENDABLE = topics.MAX_MESSAGE_BYTES - 65_536
"""Bytes of a line that a broker still takes. The contract allows less; what lies between becomes a dead letter."""


class SendReport(NamedTuple):
    """What was sent and acknowledged by the broker.

    Attributes:
        events: Lines.
        messages: Packs.
        bytes: Of the lines.
        seconds: From the first line to the last acknowledgement.
        refused: Numbers (from 1) of lines of the file that are longer than a broker takes; they were not sent.
    """

    events: int
    messages: int
    bytes: int
    seconds: float
    refused: tuple[int, ...] = ()


class LineTooLongError(ValueError):
    """A line that no broker of ours takes; nothing of it was sent."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"a line of {size:,} bytes, a broker takes {LONGEST_SENDABLE:,} and an event has at most {LONGEST_LINE:,}; "
            "shorten the conversation before it is posted"
        )


class EventProducer:
    """Packs events of one topic and sends them, in the order of each partition.

    1. `send` finds the partition by the user's id, puts the line into that partition's pack, and hands over a pack
       that is full.
    2. A thread hands over packs whose first line has waited for 20 ms.
    3. `flush` hands over the rest and returns when the broker has acknowledged everything; `close` does the same and
       ends.

    Safe to use from several threads. Use as a context manager.

    Args:
        bootstrap: `HOST:PORT` of the broker; the topic must exist.
        topic: Where to.
        timeout: Seconds for finding the broker, and for the delivery of a pack with all its retries.

    Raises:
        BrokerUnavailableError: Nobody answers there.
        ModuleNotFoundError: The package crc32c (checksums in plain Python take two thirds of the speed) or zstandard
            is missing.
        ValueError: The topic does not exist.
    """

    def __init__(self, bootstrap: str, *, topic: str = topics.EVENTS, timeout: float = 30.0) -> None:
        _require("crc32c", "without it the producer is three times slower")
        _require("zstandard", "packs are sent compressed")
        from kafka.partitioner.default import murmur2

        topics.wait_for_broker(bootstrap, timeout)
        partitions = topics.partition_count(bootstrap, topic, timeout=timeout)
        if not partitions:
            raise ValueError(f"topic {topic} is not on {bootstrap}; create it with 'loveloop topics create'")
        self._bootstrap, self._topic, self._timeout = bootstrap, topic, timeout
        self._partitioner = wire.Partitioner(partitions, murmur2)
        self._packer = wire.Packer()
        self._kafka = _kafka_producer(bootstrap, timeout)
        self._waiting: deque[tuple[Any, wire.Pack]] = deque()
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._failure: ConnectionError | None = None
        self.events = self.messages = self.bytes = 0
        threading.Thread(target=self._linger, name="loveloop-linger", daemon=True).start()

    def send(self, event: Event) -> None:
        """Send one event of the contract; returns as soon as it is packed.

        Raises:
            ContractError: The event breaks the contract; the text names every wrong field, the rule and the cure.
        """
        line = encode_checked(event)
        self._put(self._partitioner.of_user(event.user_id), line)

    def send_draft(self, draft: Mapping[str, Any]) -> str:
        """Send an event as a product has it at hand, completed by the rules of `streams.drafts`; returns its event_id.

        Raises:
            ContractError: As for `send`.
        """
        made = drafts.to_line(draft, datetime.now(UTC))
        self._put(self._partitioner.of_user(made.user_id), made.line)
        return made.event_id

    def send_line(self, line: bytes) -> None:
        """Send one encoded event, or anything else: what breaks the contract is sent as it is.

        Raises:
            LineTooLongError: No broker takes it.
            ValueError: The line holds a newline, which would make it two.
        """
        if len(line) > LONGEST_SENDABLE:
            raise LineTooLongError(len(line))
        if b"\n" in line:
            raise ValueError(
                f"a line with a newline at byte {line.index(10)}, one event is one line: send compact JSON"
            )
        self._put(self._partitioner.of_line(line), line)

    def flush(self) -> None:
        """Return when the broker has acknowledged everything sent so far.

        Raises:
            BrokerUnavailableError: It has not; the text says how much it has.
        """
        with self._lock:
            for pack in self._packer.drain():
                self._hand_over(pack)
            self._acknowledge(leave=0)
            if self._failure is not None:  # met by the lingering thread, which cannot raise
                raise self._failure

    def close(self) -> None:
        """Flush and end; the counts `events`, `messages` and `bytes` stay readable."""
        self._ended.set()
        try:
            self.flush()
        finally:
            self._end(0.0 if self._failure else self._timeout)

    def __enter__(self) -> "EventProducer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, Exception):
            self.close()
        else:  # Ctrl-C: do not wait for a broker that may be gone
            self._ended.set()
            self._end(0.0)

    def _end(self, timeout: float) -> None:
        """Stop the client; what it could not deliver has been told, or nobody waits for it."""
        from kafka.errors import KafkaTimeoutError

        try:
            self._kafka.close(timeout=timeout)
        except KafkaTimeoutError:  # with packs under way it raises before it has stopped its own thread
            self._kafka._sender.force_close()

    def _put(self, partition: int, line: bytes) -> None:
        with self._lock:
            pack = self._packer.add(partition, line, time.monotonic())
            if pack is not None:
                self._hand_over(pack)

    def _hand_over(self, pack: wire.Pack) -> None:
        if self._failure is not None:
            raise self._failure
        future = self._kafka.send(self._topic, value=pack.value, partition=pack.partition)
        self._waiting.append((future, pack))
        self._acknowledge(leave=IN_FLIGHT_PACKS)

    def _acknowledge(self, leave: int) -> None:
        while len(self._waiting) > leave:
            future, pack = self._waiting.popleft()
            self._wait_for(future)
            self.events += pack.lines
            self.messages += 1
            self.bytes += len(pack.value) - pack.lines + 1

    def _wait_for(self, future: Any) -> None:
        from kafka.errors import KafkaError

        try:
            future.get(timeout=self._timeout + 5)
        except KafkaError as error:
            done = f"{self.events:,} events were acknowledged; send all again, copies are dropped by event_id"
            self._failure = topics.BrokerUnavailableError(
                f"the broker at {self._bootstrap} did not take a pack within {self._timeout:g} s ({error}); {done}"
            )
            raise self._failure from None

    def _linger(self) -> None:
        while not self._ended.wait(wire.LINGER_SECONDS / 2):
            with self._lock:
                try:
                    for pack in self._packer.due(time.monotonic()):
                        self._hand_over(pack)
                except ConnectionError:  # kept in self._failure: the next send or flush raises it
                    return


def send_file(path: Path, bootstrap: str, *, topic: str = topics.EVENTS, progress: bool = True) -> SendReport:
    """Send an event file: one JSON object a line, malformed lines as they are, blank ones not at all.

    Interrupted, it is simply run again: at least once, and copies are dropped downstream by event_id.

    Args:
        path: NDJSON, UTF-8.
        bootstrap: `HOST:PORT` of the broker.
        topic: Where to; it must exist.
        progress: Draw a bar on a terminal.

    Raises:
        FileNotFoundError: No such file.
        BrokerUnavailableError: Nobody answers, or the broker went away; what it acknowledged is in the text.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; an event file holds one JSON object a line")
    refused: list[int] = []
    started = time.monotonic()
    with EventProducer(bootstrap, topic=topic) as producer:
        for number, line in numbered_lines(path, progress):
            if len(line) > LONGEST_SENDABLE:
                refused.append(number)
            else:
                producer.send_line(line)
    return SendReport(producer.events, producer.messages, producer.bytes, time.monotonic() - started, tuple(refused))


def numbered_lines(path: Path, progress: bool, *, does: str = "send") -> Iterator[tuple[int, bytes]]:
    """Lines of a file that are not blank, with their numbers (from 1); a bar on a terminal says what is done."""
    from tqdm import tqdm

    done, step, begun = 0, 1_048_576, False
    off = None if progress else True  # None: only where stderr is a terminal
    with (
        path.open("rb") as file,
        tqdm(total=path.stat().st_size, desc=does, unit="B", unit_scale=True, disable=off, leave=False) as bar,
    ):
        for number, raw in enumerate(file, start=1):
            if number == 1 and raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise ValueError(
                    f"{path} is UTF-16, lines of the wire are UTF-8: save it as that, or `loveloop import` it"
                )
            if line := raw.strip().removeprefix(BYTE_ORDER_MARK):
                if not begun and line.startswith(b"["):
                    raise ValueError(
                        f"{path} is a JSON array, the wire takes one event a line: `loveloop import` reads arrays; or "
                        "write its elements as lines (jq -c '.[]')"
                    )
                begun = True
                yield number, line
            done += len(raw)
            if done >= step:
                bar.update(done)
                done = 0
        bar.update(done)


def _require(package: str, reason: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise ModuleNotFoundError(f"the package {package} is missing: {reason}; install loveloop[stream]")


def _kafka_producer(bootstrap: str, timeout: float) -> Any:
    """A client that sends every pack as a record batch of its own, compressed.

    Hundreds of like lines shrink eight to nine times. That costs half a microsecond a line here and a third of one at
    the reader, who gains more by receiving less.

    Packs are large enough, and Tansu takes the end of a partition for the first offset of its last batch + 1: readers
    that ask for the end would stop before the rest of a batch with several records.
    """
    from kafka import KafkaProducer

    milliseconds = int(timeout * 1000)
    return KafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        batch_size=0,
        compression_type="zstd",
        max_request_size=topics.MAX_MESSAGE_BYTES,
        request_timeout_ms=min(10_000, milliseconds),
        delivery_timeout_ms=milliseconds + 5,
        max_block_ms=milliseconds,
        bootstrap_timeout_ms=milliseconds,
    )
