"""A small product that posts events, a log that carries them into a warehouse without a broker, and both back ends.

A test that asks for `warehouse`, `feed` or `targets` runs on a DuckDB file and, as a slow test, on DuckLake with a
PostgreSQL server that the tests start for themselves.
"""

import importlib.util
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.events import ErasureRequested, Message, ReactionChanged, ResponseServed, encode, new_event_id
from streams.topics import TOPICS
from warehouse import connection
from warehouse.connection import Target, Warehouse
from warehouse.ingest.commit import Committed, commit
from warehouse.ingest.decoding import decode_batch
from warehouse.ingest.records import Record, TopicPartition
from warehouse.storage.lake import LakeWarehouse

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
        expected = {TopicPartition(topic, self.topic_id, p): self.positions.get(p, 0) for topic, p in batch.spans}
        done = commit(self.warehouse, batch, expected)
        self.positions |= {p: span.next for (_, p), span in batch.spans.items()}
        return done

    def ask(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as reader:
            return reader.execute(query, parameters).fetchall()


class Postgres:
    """A PostgreSQL server of the tests' own, on a free port of loopback, with a password."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.password = directory, "not to be shown"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._drop = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        secret = directory / "password"
        secret.write_text(self.password)
        if self._drop:
            for path in (directory, secret):
                shutil.chown(path, "postgres", "postgres")
        self._run("initdb", "--username=loveloop", "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync")

    def start(self) -> None:
        fast = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB")
        plain = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200", f"port={self.port}")
        options = [word for option in fast + plain for word in ("-c", option)]
        self._server = subprocess.Popen(
            [_postgres("postgres"), "-D", self._data, *options],
            cwd=self.directory,
            stderr=subprocess.DEVNULL,
            **self._drop,
        )
        deadline = time.monotonic() + 30
        while True:
            try:
                return self.run("SELECT 1")
            except Exception:
                assert time.monotonic() < deadline, "PostgreSQL does not come up"
                time.sleep(0.05)

    def stop(self) -> None:
        self._server.send_signal(signal.SIGINT)  # ends sessions, then itself
        self._server.wait(30)

    def run(self, query: str, database: str = "postgres") -> Any:
        """Its rows, or None for a statement that has none."""
        import psycopg2

        session = psycopg2.connect(self.keywords(database))
        try:
            session.autocommit = True
            cursor = session.cursor()
            cursor.execute(query)
            return cursor.fetchall() if cursor.description else None
        finally:
            session.close()

    def keywords(self, database: str) -> str:
        return f"dbname={database} host=127.0.0.1 port={self.port} user=loveloop password='{self.password}'"

    @property
    def _data(self) -> str:
        return str(self.directory / "data")

    def _run(self, program: str, *arguments: str) -> None:
        command = [_postgres(program), "-D", self._data, *arguments]
        subprocess.run(command, cwd=self.directory, check=True, capture_output=True, **self._drop)


def _postgres(program: str) -> str:
    """Its path, from PATH or from Debian's packages; the newest."""
    places = [
        shutil.which(program),
        *sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{program}")), reverse=True),
    ]
    return next(place for place in places if place)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running server; skips where there is none to run."""
    if importlib.util.find_spec("psycopg2") is None or importlib.util.find_spec("duckdb_extension_ducklake") is None:
        pytest.skip("no DuckLake: install the extra `lake`")
    try:
        _postgres("initdb")
    except StopIteration:
        pytest.skip("no PostgreSQL: neither initdb on PATH nor /usr/lib/postgresql (Debian: apt install postgresql)")
    with tempfile.TemporaryDirectory(prefix="loveloop-postgres-", ignore_cleanup_errors=True) as directory:
        server = Postgres(Path(directory))
        server.start()
        yield server
        server.stop()


@dataclass
class Files:
    """Warehouses of one test, as DuckDB files."""

    directory: Path
    empty: Path

    def new(self, name: str = "warehouse") -> Target:
        """A place where no warehouse is yet."""
        return self.directory / f"{name}.duckdb"

    def migrated(self, name: str = "warehouse") -> Warehouse:
        """A warehouse without rows."""
        return connection.open(Path(shutil.copy(self.empty, self.directory / f"{name}.duckdb")))


@dataclass
class Lakes:
    """Warehouses of one test, as lakes: each has a database of its own."""

    server: Postgres
    directory: Path
    template: str = "template0"
    template_data: Path = Path()
    made: dict[str, str] = field(default_factory=dict)

    def new(self, name: str = "warehouse") -> Target:
        """A place where no warehouse is yet."""
        return self._made(name, "template0")

    def migrated(self, name: str = "warehouse") -> Warehouse:
        """A warehouse without rows: a copy of the template's catalogue and folder."""
        target = self._made(name, self.template)
        shutil.copytree(self.template_data, self.directory / name)
        moved = f"UPDATE ducklake_metadata SET value = '{self.directory / name}/' WHERE key = 'data_path'"
        self.server.run(moved, list(self.made)[-1])
        return connection.open(target)

    def drop(self) -> None:
        """Let go of all of them, and of their databases."""
        for database, target in self.made.items():
            lake = connection.open(target)
            assert isinstance(lake, LakeWarehouse)
            lake.close()
            self.server.run(f'DROP DATABASE "{database}" WITH (FORCE)')

    def _made(self, name: str, template: str) -> str:
        database = f"{self.directory.name}_{name}".lower().replace("-", "_")
        self.server.run(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        self.made[database] = f"ducklake:postgres:{self.server.keywords(database)};data={self.directory / name}"
        return self.made[database]


@pytest.fixture
def product() -> Product:
    return Product()


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file without rows, to be copied."""
    made = tmp_path_factory.mktemp("empty") / "warehouse.duckdb"
    connection.open(made).migrate()
    return made


@pytest.fixture(scope="session")
def empty_lake(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Database and folder of a migrated lake without rows, to be copied."""
    places = Lakes(postgres, tmp_path_factory.mktemp("empty"))
    lake = connection.open(places.new())
    assert isinstance(lake, LakeWarehouse)
    lake.migrate()
    lake.close()
    return next(iter(places.made)), places.directory / "warehouse"


@pytest.fixture
def lakes(postgres: Postgres, empty_lake: tuple[str, Path], tmp_path: Path) -> Iterator[Lakes]:
    """Places for lakes."""
    places = Lakes(postgres, tmp_path, *empty_lake)
    yield places
    places.drop()


@pytest.fixture(params=["file", pytest.param("lake", marks=pytest.mark.slow)])
def targets(request: pytest.FixtureRequest, tmp_path: Path) -> Files | Lakes:
    """Places for warehouses of one back end."""
    if request.param == "file":
        return Files(tmp_path, request.getfixturevalue("empty"))
    lakes: Lakes = request.getfixturevalue("lakes")
    return lakes


@pytest.fixture
def warehouse(targets: Files | Lakes) -> Warehouse:
    """A warehouse without rows."""
    return targets.migrated()


@pytest.fixture
def feed(warehouse: Warehouse) -> Feed:
    return Feed(warehouse)


@pytest.fixture
def feed_on() -> type[Feed]:
    """`Feed`, for tests that make their own warehouses."""
    return Feed
