"""The connection to the broker: made on first use, closed after a failure, made again."""

import importlib.util
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from . import topics, wire


class Link:
    """Sends lines, packed per partition, and waits until the broker has acknowledged them.

    Args:
        bootstrap: `HOST:PORT` of the broker.
        topic: Where to.
        timeout: Seconds for connecting, and for an acknowledgement.
    """

    def __init__(self, bootstrap: str, topic: str, timeout: float) -> None:
        self._bootstrap, self._topic, self._timeout = bootstrap, topic, timeout
        self._kafka: Any = None
        self._partitioner: wire.Partitioner | None = None

    def send(self, lines: Iterable[bytes]) -> int:
        """Return when the broker has them.

        Returns:
            How many of them it will never take, because their message is longer than it allows.

        Raises:
            ConnectionError: It did not acknowledge all of them in time; some may have arrived.
            ValueError: The topic is not there.
        """
        from kafka.errors import KafkaError

        packs = self._packs(lines)
        try:
            under_way = [
                (pack, self._kafka.send(self._topic, value=pack.value, partition=pack.partition)) for pack in packs
            ]
            return sum(self._refused(pack, future) for pack, future in under_way)
        except KafkaError as error:
            raise ConnectionError(f"no acknowledgement from {self._bootstrap}: {error}") from None

    def close(self) -> None:
        """Let go of the connection at once; what is under way is no longer waited for."""
        from kafka.errors import KafkaError

        kafka, self._kafka = self._kafka, None
        if kafka is None:
            return
        try:
            kafka.close(timeout=0)
        except KafkaError:  # with packs under way it raises before it has stopped its own thread
            with suppress(KafkaError):
                kafka._sender.force_close()

    def forget(self) -> None:
        """After a fork: the connection is the parent's, so it is not closed here."""
        self._kafka = None

    def _packs(self, lines: Iterable[bytes]) -> list[wire.Pack]:
        lines = list(lines)
        if not lines:
            return []
        if self._kafka is None:
            self._connect()
        assert self._partitioner is not None
        packer = wire.Packer()
        full = [packer.add(self._partitioner.of_line(line), line, time.monotonic()) for line in lines]
        return [*(pack for pack in full if pack is not None), *packer.drain()]

    def _refused(self, pack: wire.Pack, future: Any) -> int:
        from kafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

        try:
            future.get(timeout=self._timeout + 1)
        except (MessageSizeTooLargeError, RecordListTooLargeError):
            return pack.lines
        return 0

    def _connect(self) -> None:
        from kafka import KafkaProducer
        from kafka.errors import KafkaError
        from kafka.partitioner.default import murmur2

        partitions = topics.partition_count(self._bootstrap, self._topic, timeout=self._timeout)
        if not partitions:
            raise ValueError(f"topic {self._topic} is not on {self._bootstrap}; make it with 'loveloop topics create'")
        milliseconds = int(self._timeout * 1000)
        try:
            self._kafka = KafkaProducer(
                bootstrap_servers=self._bootstrap,
                acks="all",
                batch_size=0,  # a pack is a batch of its own
                compression_type="zstd" if importlib.util.find_spec("zstandard") else "gzip",
                max_request_size=topics.MAX_MESSAGE_BYTES,
                request_timeout_ms=milliseconds,
                delivery_timeout_ms=milliseconds + 5,
                max_block_ms=milliseconds,
                bootstrap_timeout_ms=milliseconds,
                reconnect_backoff_ms=500,
            )
        except (KafkaError, OSError) as error:
            raise ConnectionError(f"no connection to {self._bootstrap}: {error}") from None
        self._partitioner = wire.Partitioner(partitions, murmur2)
