"""A storm of broken records: nothing may be lost, and nothing may stop.

Mutated records (lines, keys, headers, stamps, codecs, transactions committed and rolled back, batches that nobody can
read, lines on the live guard's topics that no guard wrote) go through Apache Kafka and through Tansu, in waves. After
each wave `loveloop ingest` reads them into a DuckDB file and into a lake on PostgreSQL, each as a process of its own,
while a live guard watches. At the end every line is looked up: it is stored, a dead letter, or a copy that was dropped;
those that keep the contract are stored as they were sent. Exit code 1: something was lost, changed or crashed.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import harness
from storm_parts import places
from storm_parts.gun import Gun
from storm_parts.lines import Writer
from storm_parts.shots import PARTITIONS, liars, volleys
from storm_parts.tally import Tally, count

from streams import brokers, topics
from streams.topics import TOPICS

TOTALS = (
    "records",
    "sent",
    "stored",
    "dead_letters",
    "duplicates",
    "erased",
    "lost",
    "good_lost",
    "changed",
    "rolled_back_stored",
    "crashed",
)
WRONG = ("lost", "good_lost", "changed", "rolled_back_stored", "crashed")
"""What must be 0."""


def old_topics(bootstrap: str) -> None:
    """Topics as they were made before: records keep whatever stamp their producer wrote, where the broker allows it."""
    from kafka.admin import KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    largest = str(2**63 - 1)
    settings = {
        "max.message.bytes": str(topics.MAX_MESSAGE_BYTES), "message.timestamp.before.max.ms": largest,
        "message.timestamp.after.max.ms": largest,
    }  # fmt: skip
    made = {"num_partitions": PARTITIONS, "replication_factor": 1, "configs": settings}
    admin.create_topics({TOPICS.events: made}, wait_for_metadata=True)
    admin.close()


@dataclass
class Storm:
    """The storm on one broker.

    Attributes:
        kind: Of broker.
        targets: Warehouses, by the name of their back end.
        records: To send.
        waves: In so many parts.
        scratch: A folder for the broker and for logs.
        seed: Of what is sent.
    """

    kind: str
    targets: dict[str, str]
    records: int
    waves: int
    scratch: Path
    seed: int
    tallies: dict[str, Tally] = field(init=False)

    def run(self) -> Iterator[dict[str, Any]]:
        """A row of figures for each back end."""
        self.tallies = {name: Tally() for name in self.targets}
        with brokers.start(self.kind, self.scratch / self.kind) as broker, ExitStack() as stack:
            old_topics(broker.bootstrap)
            topics.create_topics(broker.bootstrap, partitions=PARTITIONS)
            guard = places.LiveGuard(broker.bootstrap, self.scratch / f"{self.kind}-guard.log")
            stack.callback(guard.end)
            gun = self._blow(broker.bootstrap)
            watched = self._watched(guard, gun)
        for name, target in self.targets.items():
            tally = count(target, gun.landed, self.tallies[name])
            for words in (["warehouse", "status"], ["dead-letters", "list"], ["dead-letters", "redrive", "--all"]):
                self._judge(name, places.loveloop(*words, "--warehouse", target))
            sent = {"broker": self.kind, "warehouse": name, "refused": gun.refused, "rolled_back": gun.rolled_back}
            tally.crashed += watched["guard_crashed"]
            yield sent | tally.row() | watched

    def _blow(self, bootstrap: str) -> Gun:
        """Send and read, wave by wave; half of it before the topics get the broker's time stamps."""
        gun, writer = Gun(bootstrap), Writer(self.seed)
        for wave in range(self.waves):
            if wave == self.waves // 2:
                topics.give_brokers_clock(bootstrap)
            size = self.records * (wave + 1) // self.waves - self.records * wave // self.waves
            gun.fire(itertools.chain(volleys(writer, size), liars(writer)))
            for name, target in self.targets.items():
                began = time.monotonic()
                words = ("ingest", "--until-caught-up", "--bootstrap", bootstrap, "--warehouse", target)
                self._judge(name, places.loveloop(*words))
                part = f"{self.kind}, wave {wave + 1}/{self.waves}: {len(gun.landed):,} records"
                print(f"{part}, {name} {time.monotonic() - began:.0f} s", flush=True)
        gun.close()
        return gun

    def _watched(self, guard: places.LiveGuard, gun: Gun) -> dict[str, int]:
        """How many lines the guard has read of those that it should have, and whether it crashed."""
        mine = [each for each in gun.landed if each.shot.topic == TOPICS.events and each.group < 0]
        lines = sum(bool(line.text) for each in mine for line in each.shot.lines)
        read = guard.wait_for(lines, 600)
        ended = guard.end()
        if ended:
            print(f"the guard on {self.kind} crashed: {ended}", file=sys.stderr)
        return {"guard_sent": lines, "guard_read": read, "guard_crashed": int(bool(ended))}

    def _judge(self, name: str, done: subprocess.CompletedProcess[str]) -> None:
        said = places.crashed(done)
        if said:
            self.tallies[name].crashed += 1
            print(f"{' '.join(done.args[2:])} crashed: {said}", file=sys.stderr, flush=True)


def show(figures: dict[str, Any]) -> None:
    """The table."""
    names = ("broker", "warehouse", *TOTALS)
    rows = [
        *figures["combinations"],
        {"broker": "all", "warehouse": "", **{name: figures.get(name, "") for name in names[2:]}},
    ]
    widths = [
        max(len(name), *(len(f"{row[name]:,}" if isinstance(row[name], int) else row[name]) for row in rows))
        for name in names
    ]
    for row in [dict(zip(names, names, strict=True)), *rows]:
        cells = [f"{row[name]:,}" if isinstance(row[name], int) else str(row[name]) for name in names]
        print("  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)))


def main() -> None:
    """Send, read, look up."""
    parser = harness.arguments(__doc__, quick="2,000 records in 2 waves")
    parser.add_argument(
        "--records", type=int, default=100_000, help="mutated records, half of them through each broker"
    )
    parser.add_argument("--waves", type=int, default=5)
    parser.add_argument("--brokers", nargs="+", default=["tansu", "kafka"], choices=["tansu", "kafka"])
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    records, waves = (2_000, 2) if wanted.quick else (wanted.records, wanted.waves)
    found = measure(wanted.brokers, records, waves, wanted.seed)
    show(found)
    harness.write(wanted.json, found)
    sys.exit(int(any(found[name] for name in WRONG)))


def measure(kinds: list[str], records: int, waves: int, seed: int) -> dict[str, Any]:
    """All of it, in a folder of our own."""
    began, rows = time.monotonic(), list[dict[str, Any]]()
    missing = {kind: why for kind, why in brokers.available_kinds().items() if kind in kinds and why}
    with tempfile.TemporaryDirectory(prefix="loveloop-storm-") as directory, ExitStack() as stack:
        scratch = Path(directory)
        scratch.chmod(0o755)
        for kind in (kind for kind in kinds if kind not in missing):
            targets = {"file": str(scratch / f"{kind}.duckdb")}
            if not places.no_postgres():
                targets["lake"] = stack.enter_context(places.lake(scratch / f"{kind}-lake" / "postgres"))
            rows += Storm(kind, targets, records // len(kinds), waves, scratch, seed).run()
    totals = {name: sum(row[name] for row in rows) for name in TOTALS}
    left_out = missing | ({"lake": places.no_postgres()} if places.no_postgres() else {})
    return {
        "seed": seed,
        **totals,
        "combinations": rows,
        "left_out": left_out,
        "seconds": round(time.monotonic() - began, 1),
    }


if __name__ == "__main__":
    main()
