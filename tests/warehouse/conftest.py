"""A small product that posts events, and a log that carries them into a warehouse without a broker."""

import itertools
import random
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.events import ErasureRequested, Message, ReactionChanged, ResponseServed, encode, new_event_id
from streams.topics import TOPICS
from warehouse.commit import Committed, commit
from warehouse.connection import Warehouse
from warehouse.decoding import decode_batch
from warehouse.records import Record, Slot

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RECEIVED = int(datetime(2026, 3, 10, tzinfo=UTC).timestamp() * 1000)
TEXT = "Roses like sun, water and a little patience, and they thank you for all three."


class Product:
    """Writes lines of the contract; ids are drawn from a seed."""

    noon, text = NOON, TEXT

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def new_id(self, moment: datetime) -> str:
        return new_event_id(moment, self._random.getrandbits(74))

    def served(self, response_id: str, user: str = "ann", at: datetime = NOON, **changes: Any) -> bytes:
        fields: dict[str, Any] = {
            "event_id": self.new_id(at),
            "user_id": user,
            "served_at": at,
            "response_id": response_id,
            "conversation_id": f"talk of {user}",
            "turn": 0,
            "session_id": "s",
            "policy": "incumbent",
            "conversation": [Message("user", "How do I grow roses?")],
            "response": TEXT,
        }
        return encode(ResponseServed(**(fields | changes)))

    def reacted(self, response_id: str, user: str = "ann", at: datetime = NOON, **changes: Any) -> bytes:
        fields: dict[str, Any] = {
            "event_id": self.new_id(at),
            "user_id": user,
            "reacted_at": at,
            "response_id": response_id,
            "reaction": "love",
            "action": "added",
            "session_id": "s",
        }
        return encode(ReactionChanged(**(fields | changes)))

    def erasure(self, user: str, at: datetime = NOON) -> bytes:
        return encode(ErasureRequested(event_id=self.new_id(at), user_id=user, requested_at=at))

    def day(self, users: int = 12, turns: int = 12) -> list[bytes]:
        """A day with retractions, likes, one hasty bot, reactions to strangers' responses and to none."""
        lines: list[bytes] = []
        for user, turn in itertools.product(range(users), range(turns)):
            name, moment = f"user-{user}", NOON + timedelta(minutes=7 * turn, seconds=user)
            response = f"r-{user}-{turn}"
            lines.append(self.served(response, name, moment))
            lines += self._reactions(response, name, moment + timedelta(seconds=20))
        bot = [NOON + timedelta(seconds=40 * n) for n in range(20)]
        lines += [self.served(f"b-{n}", "bot", at) for n, at in enumerate(bot)]
        lines += [self.reacted(f"b-{n}", "bot", at + timedelta(seconds=1), dwell_ms=90) for n, at in enumerate(bot)]
        return [*lines, self.reacted("never-served", "user-1"), self.reacted("r-0-0", "user-2"), self.erasure("user-3")]

    def _reactions(self, response: str, user: str, at: datetime) -> Iterable[bytes]:
        draw = self._random.random()
        if draw < 0.2:
            yield self.reacted(response, user, at, dwell_ms=20_000)
        if draw < 0.08:
            yield self.reacted(response, user, at + timedelta(seconds=5), action="removed")
        if draw < 0.03:
            yield self.reacted(response, user, at + timedelta(seconds=5))  # the same moment: event_id decides
        if draw > 0.9:
            yield self.reacted(response, user, at, reaction="like" if draw > 0.95 else "dislike")


class Feed:
    """A log of four partitions and its ingest: `pour` appends messages and stores them as one batch."""

    def __init__(self, warehouse: Warehouse, topic_id: str = "first life") -> None:
        self.warehouse, self.topic_id = warehouse, topic_id
        self.positions: dict[int, int] = {}

    def records(self, messages: Sequence[bytes], partition: int = 0, topic: str = TOPICS.events) -> list[Record]:
        start = self.positions.get(partition, 0)
        return [Record(topic, partition, start + n, RECEIVED, value) for n, value in enumerate(messages)]

    def pour(self, *messages: bytes, partition: int = 0) -> Committed:
        return self.store(self.records(messages, partition))

    def store(self, records: Sequence[Record]) -> Committed:
        batch = decode_batch(records)
        expected = {Slot(topic, self.topic_id, p): self.positions.get(p, 0) for topic, p in batch.spans}
        done = commit(self.warehouse, batch, expected)
        self.positions |= {p: span.next for (_, p), span in batch.spans.items()}
        return done

    def ask(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as reader:
            return reader.execute(query, parameters).fetchall()


@pytest.fixture
def product() -> Product:
    return Product()


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated warehouse without rows, to be copied."""
    made = Warehouse(tmp_path_factory.mktemp("empty") / "warehouse.duckdb")
    made.migrate()
    return made.path


@pytest.fixture
def warehouse(empty: Path, tmp_path: Path) -> Warehouse:
    return Warehouse(Path(shutil.copy(empty, tmp_path)))


@pytest.fixture
def feed(warehouse: Warehouse) -> Feed:
    return Feed(warehouse)
