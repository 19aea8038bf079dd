"""The copies of dead letters on their topic, for those who watch topics; the warehouse's table is the exact one."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from streams.topics import MAX_MESSAGE_BYTES
from warehouse.ingest.records import DeadLetter

_log = logging.getLogger(__name__)


class DeadLetterTopic:
    """Where ingest copies dead letters to; connects when the first one comes.

    Args:
        bootstrap: `HOST:PORT`.
        topic: Its name.
    """

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._producer: Any = None
        self._waiting: deque[Any] = deque()

    def send(self, dead: Iterable[DeadLetter]) -> None:
        """Send each line as it was, with reason and coordinates as headers; does not wait for the broker."""
        from kafka.errors import KafkaError

        for letter in dead:
            try:
                self._waiting.append(self._connected().send(self._topic, letter.body, headers=_headers(letter)))
            except KafkaError as error:
                self._warn(error)
        while self._waiting and self._waiting[0].is_done:
            self._judge(self._waiting.popleft())

    def close(self) -> None:
        """Wait until the broker has taken all, for 10 s at most, and disconnect."""
        from kafka.errors import KafkaError

        if self._producer is None:
            return
        with suppress(KafkaError):
            self._producer.flush(timeout=10)
        for future in self._waiting:
            self._judge(future)
        with suppress(KafkaError):
            self._producer.close(timeout=1)

    def _judge(self, future: Any) -> None:
        if not future.succeeded():
            self._warn(future.exception or "no answer yet")

    def _warn(self, error: object) -> None:
        _log.warning("a dead letter may be missing in topic %s (%s); the table has it", self._topic, error)

    def _connected(self) -> Any:
        if self._producer is None:
            from kafka import KafkaProducer

            self._producer = KafkaProducer(
                bootstrap_servers=self._bootstrap, acks="all", max_request_size=MAX_MESSAGE_BYTES, max_block_ms=30_000
            )
        return self._producer


def _headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    fields = {"reason": letter.reason, "detail": letter.detail, **letter.coordinates._asdict()}
    return [(name, str(value).encode()) for name, value in fields.items()]
