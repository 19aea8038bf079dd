"""Ingest as processes of their own, that can be stopped, frozen and killed while a stream is being sent."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from streams import producer, topics
from streams.synthetic import WorldConfig, simulate
from warehouse import queries, sink
from warehouse.connection import Target
from warehouse.fingerprint import fingerprints
from warehouse.storage.transaction import WarehouseError

INGEST = """
import json, sys
from assets.cli import service
from streams.topics import Topics
from warehouse import sink
target, bootstrap, prefix, options = sys.argv[1:]
service.log_to_stderr()
with service.stop_on_signals() as stop:
    sink.ingest(target, bootstrap, topics=Topics.under(prefix), stop=stop, progress=False, **json.loads(options))
"""
QUICK = {"batch_rows": 400, "batch_seconds": 0.5, "session_seconds": 1.5}


class Sinks:
    """Ingest processes over one stream into one warehouse; what they log is in the files `0.log`, `1.log`, ..."""

    def __init__(self, directory: Path, bootstrap: str, names: topics.Topics, target: Target | None = None) -> None:
        self.directory, self.bootstrap, self.names = directory, bootstrap, names
        self.target: Target = target or directory / "sinks.duckdb"
        self.running: list[subprocess.Popen[bytes]] = []

    def start(
        self,
        *,
        environment: Mapping[str, str] | None = None,
        around: Sequence[str] = (),
        before: str = "",
        **options: Any,
    ) -> "subprocess.Popen[bytes]":
        """Start one more, following the stream: inside the command `around`, after the code `before`."""
        prefix = self.names.events.removesuffix(".events")
        command = [*around, sys.executable, "-c", before + INGEST, str(self.target), self.bootstrap, prefix]
        with (self.directory / f"{len(self.running)}.log").open("wb") as log:
            started = subprocess.Popen([*command, json.dumps(QUICK | options)], stderr=log, env=environment)
        self.running.append(started)
        return started

    def log(self, number: int = 0) -> str:
        return (self.directory / f"{number}.log").read_text()

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.running:
            process.kill()
            process.wait()

    def send(self, lines: Sequence[bytes]) -> None:
        topics.create_topics(self.bootstrap, topics=self.names)
        with producer.EventProducer(self.bootstrap, topic=self.names.events) as out:
            for line in lines:
                out.send_line(line)

    @contextmanager
    def load(self, lines: Sequence[bytes], seconds: float = 6.0) -> Iterator[None]:
        """Send the lines over so many seconds, beside the block; a send that fails is done again."""
        sender = threading.Thread(target=self._pour, args=(lines, seconds))
        sender.start()
        yield
        sender.join()

    def stored(self) -> int:
        """Lines that are in the warehouse."""
        try:
            return int(queries.counts(self.target)["events"])
        except WarehouseError:
            return 0

    def positions(self) -> dict[int, int]:
        """The next offset of each partition of the events topic, by the warehouse."""
        kept = queries.counts(self.target)["positions"]
        return {each["partition_id"]: each["next_offset"] for each in kept if each["topic"] == self.names.events}

    def hints(self) -> dict[int, int]:
        """The same, as Kafka tells it to tools that show lag."""
        from kafka.admin import KafkaAdminClient

        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            offsets = admin.list_group_offsets(["loveloop-ingest"])["loveloop-ingest"]
        finally:
            admin.close()
        return {key.partition: each.offset for key, each in offsets.items() if key.topic == self.names.events}

    def members(self) -> int:
        """Sinks that hold partitions, by a group that is not being rebalanced; else 0."""
        from kafka.admin import KafkaAdminClient

        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            group = admin.describe_groups(["loveloop-ingest"])["loveloop-ingest"]
        finally:
            admin.close()
        held = [each for each in group["members"] if each["member_assignment"]]
        return len(held) if group["group_state"] == "Stable" else 0

    def wait_for(self, done: int | Callable[[], bool], seconds: float = 90.0) -> None:
        """Return when so many lines are stored, or when it is true."""
        deadline = time.monotonic() + seconds
        while not (self.stored() >= done if isinstance(done, int) else done()):
            assert time.monotonic() < deadline, (
                f"after {seconds:g} s {self.stored()} lines stored; {self.log()[-2000:]}"
            )
            time.sleep(0.2)

    def assert_exact(self, lines: int) -> None:
        """What was stored is what one reader stores who is never disturbed."""
        calm = self.directory / "calm.duckdb"
        sink.ingest(calm, self.bootstrap, group="calm", topics=self.names, until_caught_up=True, progress=False)
        counts = queries.counts(self.target)
        assert counts["events"] >= lines
        assert counts == queries.counts(calm)
        assert fingerprints(self.target) == fingerprints(calm)

    def _pour(self, lines: Sequence[bytes], seconds: float) -> None:
        steps = max(1, int(seconds * 5))
        parts = [lines[n * len(lines) // steps : (n + 1) * len(lines) // steps] for n in range(steps)]
        while parts:
            try:
                with producer.EventProducer(self.bootstrap, topic=self.names.events, timeout=5) as out:
                    while parts:
                        for line in parts[0]:
                            out.send_line(line)
                        out.flush()
                        parts.pop(0)
                        time.sleep(0.2)
            except ConnectionError:  # at least once: the part under way again
                time.sleep(0.5)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Lines of a synthetic stream, dead letters and copies among them."""
    directory = tmp_path_factory.mktemp("world")
    simulate(WorldConfig.small(responses=6_000), directory)
    return (directory / "events.ndjson").read_bytes().splitlines()


@pytest.fixture
def new_sinks(stream: topics.Topics, tmp_path: Path) -> Iterator[Callable[..., Sinks]]:
    """Makes sinks from a broker's address and, if not a file, their target."""
    made: list[Sinks] = []

    def make(bootstrap: str, target: Target | None = None) -> Sinks:
        topics.create_topics(bootstrap, topics=stream)
        made.append(Sinks(tmp_path, bootstrap, stream, target))
        return made[-1]

    yield make
    for sinks in made:
        sinks.end()


@pytest.fixture
def sinks(kafka: str, new_sinks: Callable[..., Sinks]) -> Sinks:
    """On Apache Kafka, into a DuckDB file."""
    return new_sinks(kafka)
