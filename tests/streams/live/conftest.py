"""A small product, and a log of two topics on which guards live, die and live again without a broker."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from streams.events import Event, Message, ReactionChanged, ResponseServed, encode, new_event_id
from streams.live.board import Board
from streams.live.guard import Guard
from streams.live.messages import ArmWindow, Flag, Trip, pack
from streams.live.partition import PartitionGuard
from streams.live.rules import Rules

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Product:
    """Writes events; ids are drawn from a seed."""

    noon = NOON

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def served(self, name: str, *, at: float = 0, arm: str | None = "a", user: str = "u", **changes: Any) -> Event:
        moment = NOON + timedelta(seconds=at)
        fields: dict[str, Any] = {
            "conversation": [Message("user", "hi")],
            "response": "hello",
            "experiment": "e" if arm else None,
            "policy": "p",
        }
        return ResponseServed(
            event_id=self._id(moment), user_id=user, served_at=moment, response_id=name, conversation_id="c", turn=0,
            session_id="s", arm=arm, **(fields | changes),
        )  # fmt: skip

    def reacted(self, name: str, *, at: float = 0, user: str = "u", **changes: Any) -> Event:
        moment = NOON + timedelta(seconds=at)
        fields = {"reaction": "love", "action": "added"} | changes
        return ReactionChanged(
            event_id=self._id(moment), user_id=user, reacted_at=moment, response_id=name, session_id="s", **fields
        )

    def message(self, *events: Event | bytes, offset: int = 0, at: float = 0, partition: int = 0) -> SimpleNamespace:
        lines = [event if isinstance(event, bytes) else encode(event) for event in events]
        return SimpleNamespace(
            partition=partition,
            offset=offset,
            timestamp=NOON.timestamp() + at,
            timestamp_type=1,
            value=b"\n".join(lines),
        )

    def guard(self, *messages: SimpleNamespace, board: Board | None = None, **dials: Any) -> PartitionGuard:
        """A guard of partition 0 that has read some messages."""
        rules = Rules(**dials)
        guard = PartitionGuard(0, rules, board or Board(rules.window_seconds), messages[0].offset if messages else 0)
        for message in messages:
            guard.observe(message)
        return guard

    def _id(self, moment: datetime) -> str:
        return new_event_id(moment, self._random.getrandbits(74))


class Cluster:
    """Topics as lists, and what the group has committed: all that outlives a guard."""

    def __init__(self, rules: Rules, partitions: int = 3) -> None:
        self.rules, self.partitions = rules, partitions
        self.topics: dict[str, list[SimpleNamespace]] = {f"events-{n}": [] for n in range(partitions)}
        self.topics |= {f"counts-{n}": [] for n in range(partitions)}
        self.committed: dict[str, int] = defaultdict(int)
        self.published: dict[type[Any], list[bytes]] = {ArmWindow: [], Flag: [], Trip: []}

    def append(self, topic: str, value: bytes, at: float) -> None:
        log = self.topics[topic]
        log.append(
            SimpleNamespace(
                partition=int(topic[-1]),
                offset=len(log),
                timestamp=NOON.timestamp() + at,
                timestamp_type=1,
                value=value,
            )
        )

    def flags(self) -> list[Flag]:
        return [msgspec.json.decode(line, type=Flag) for line in self.published[Flag]]


class Life:
    """One worker, from its start to its death; it holds all partitions."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.guard = cluster, Guard(cluster.rules)
        self.at = {topic: cluster.committed[topic] for topic in cluster.topics}
        for kind, values in cluster.published.items():
            for value in values:
                self.guard.follow(kind, value)

    def read(self, topic: str, messages: int, *, speak: bool = True) -> bool:
        """Read on in a topic; without `speak` it dies in the middle of the work."""
        found = self.cluster.topics[topic][self.at[topic] : self.at[topic] + messages]
        self.at[topic] += len(found)
        for message in found:
            copy = SimpleNamespace(**vars(message))
            (self.guard.observe if topic.startswith("events") else self.guard.add)(copy)
        if speak:
            self._speak(found[-1].timestamp - NOON.timestamp() if found else 0)
        return bool(found)

    def tell(self) -> None:
        for _, value in self.guard.snapshots():
            self._publish(ArmWindow, value)
        for trip in self.guard.new_trips():
            self._publish(Trip, pack([trip]))
        for events, partition, offsets in self.guard.releases():
            self.cluster.committed[f"{'events' if events else 'counts'}-{partition}"] = offsets[-1] + 1

    def finish(self) -> None:
        """Read everything to its end."""
        while any([self.read(topic, 5) for topic in self.cluster.topics]):  # noqa: C419 (all of them)
            pass
        self.tell()

    def _speak(self, at: float) -> None:
        flags, changes = self.guard.outbox(self.cluster.partitions)
        for _, value in flags:
            self._publish(Flag, value)
        for partition, value in changes:
            self.cluster.append(f"counts-{partition}", value, at)

    def _publish(self, kind: type[Any], value: bytes) -> None:
        self.cluster.published[kind].append(value)
        self.guard.follow(kind, value)


@pytest.fixture
def product() -> Product:
    return Product()


@pytest.fixture
def new_cluster() -> type[Cluster]:
    return Cluster


@pytest.fixture
def new_life() -> type[Life]:
    return Life
