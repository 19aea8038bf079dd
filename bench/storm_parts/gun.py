"""Sends volleys, and notes where each record lies that a reader of committed messages must see."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.record import default_records

from storm_parts.shots import Shot, Volley
from streams.topics import MAX_MESSAGE_BYTES


class Landed(NamedTuple):
    """A record that the broker took and nobody rolled back.

    Attributes:
        group: Records with the same number above -1 lie in a batch that cannot be read.
    """

    shot: Shot
    partition: int
    offset: int
    group: int = -1


class Gun:
    """The producers of a storm, one of each kind.

    Attributes:
        landed: What must be found.
        rolled_back: How many records must not.
        refused: How many the broker did not take.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producers: dict[tuple[str | None, bool], Any] = {}
        self._groups = itertools.count()
        self.landed: list[Landed] = []
        self.rolled_back = self.refused = 0

    def fire(self, volleys: Iterable[Volley]) -> None:
        """Send them, one after the other."""
        for volley in volleys:
            (self._lie if volley.lying else self._send)(volley)

    def close(self) -> None:
        """Let go of the broker."""
        for producer in self._producers.values():
            producer.close()

    def _send(self, volley: Volley) -> None:
        producer = self._producer(volley.codec, transactional=volley.transaction is not None)
        if volley.transaction is not None:
            producer.begin_transaction()
        sent = [(shot, self._shoot(producer, shot)) for shot in volley.shots]
        producer.flush()
        if volley.transaction is False:
            producer.abort_transaction()
            self.rolled_back += len(sent)
            return
        if volley.transaction:
            producer.commit_transaction()
        for shot, future in sent:
            self._note(shot, future)

    def _lie(self, volley: Volley) -> None:
        """Send one batch of whose compression only the header tells."""
        name = f"{volley.codec}_encode"
        honest = getattr(default_records, name)
        setattr(default_records, name, lambda data: bytes(data[: len(data) // 2]))
        producer = KafkaProducer(**self._options(volley.codec), linger_ms=500)
        try:
            futures = [(shot, self._shoot(producer, shot)) for shot in volley.shots]
            producer.flush()
        finally:
            setattr(default_records, name, honest)
        group = next(self._groups)
        for shot, future in futures:
            self._note(shot, future, group)
        producer.close()

    def _shoot(self, producer: Any, shot: Shot) -> Any:
        return producer.send(
            shot.topic,
            value=shot.value,
            key=shot.key,
            headers=shot.headers,
            partition=shot.partition,
            timestamp_ms=shot.stamp,
        )

    def _note(self, shot: Shot, future: Any, group: int = -1) -> None:
        try:
            found = future.get(30)
        except KafkaError:
            self.refused += 1
        else:
            self.landed.append(Landed(shot, found.partition, found.offset, group))

    def _producer(self, codec: str | None, *, transactional: bool) -> Any:
        known = self._producers.get((codec, transactional))
        if known is None:
            named = {"transactional_id": f"storm-{codec}"} if transactional else {}
            known = self._producers[codec, transactional] = KafkaProducer(**self._options(codec), linger_ms=2, **named)
            if transactional:
                known.init_transactions()
        return known

    def _options(self, codec: str | None) -> dict[str, Any]:
        return {
            "bootstrap_servers": self._bootstrap,
            "compression_type": codec,
            "acks": "all",
            "max_request_size": MAX_MESSAGE_BYTES,
            "batch_size": 200_000,
        }
