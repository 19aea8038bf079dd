"""What all parts share: one broker, one folder, the load and its topics, which are made when they are first needed."""

from __future__ import annotations

import argparse
import os
import time
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType

from ingest_parts import feed, load
from streams import brokers


class Bench:
    """One run of the benchmark.

    Attributes:
        folder: For files, gone afterwards.
        wanted: The command line.
        messages: How many messages the topics under a prefix hold.
    """

    def __init__(self, folder: Path, wanted: argparse.Namespace) -> None:
        self.folder, self.wanted = folder, wanted
        self.messages: dict[str, int] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @cached_property
    def bootstrap(self) -> str:
        """Apache Kafka, started when it is first needed."""
        return self._stack.enter_context(brokers.start("kafka", self.folder / "kafka")).bootstrap

    @cached_property
    def events(self) -> int:
        """Lines of the load."""
        return int(self.wanted.events or (100_000 if self.wanted.quick else 1_000_000))

    @cached_property
    def load(self) -> tuple[Path, load.Truth]:
        """The load's file, and what is true of it."""
        path = self.folder / "load.ndjson"
        return path, load.write(path, self.events, seed=1)

    @cached_property
    def packed(self) -> str:
        """Prefix of the topics that hold the load as packs."""
        self.messages["packed"] = feed.packed(self.bootstrap, "packed", self.load[0])
        return "packed"

    @cached_property
    def single(self) -> str:
        """Prefix of the topics that hold the load one event a message."""
        self.messages["single"] = feed.single(self.bootstrap, "single", self.load[0])
        return "single"

    def fresh(self, name: str) -> Path:
        """A path where nothing is yet."""
        path = self.folder / f"{name}.duckdb"
        for leftover in self.folder.glob(f"{name}.duckdb*"):
            leftover.unlink()
        return path

    def say(self, text: str) -> None:
        """One line of progress, with the machine's load."""
        print(f"{time.strftime('%H:%M:%S')} load {os.getloadavg()[0]:.1f}  {text}", flush=True)
