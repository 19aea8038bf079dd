"""Kill the sink again and again: nothing may be lost or stored twice.

A synthetic stream is sent to a broker of its own. The sink runs as a child process that dies by SIGKILL, over and over:
at a random moment of its work, right before BEGIN, between two statements of the transaction, within COMMIT (a timer of
the child fires while it runs), and right after COMMIT, before anything else. At the end every event id is looked up,
and counts and fingerprints of all clean tables are compared with what one undisturbed reader stores. Exit code 1: they
differ.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import harness

RANDOM, BEFORE_BEGIN, BETWEEN, IN_COMMIT, AFTER_COMMIT = (
    "a random moment", "before BEGIN", "between statements", "within COMMIT", "after COMMIT",
)  # fmt: skip
PLACES = (RANDOM, BEFORE_BEGIN, BETWEEN, IN_COMMIT, AFTER_COMMIT)
STAGES = ("outside a transaction", "between statements", "within COMMIT", "right after COMMIT")
"""Where a child really died, by what it last wrote into the memory that it shares with us."""
STATEMENTS = 20
PRELOAD = ["duckdb", "pyarrow", "kafka", "kafka.admin", "tqdm", "warehouse.sink", "warehouse.fingerprint"]


class Plan(NamedTuple):
    """How one child dies.

    Attributes:
        place: One of `PLACES`.
        commits: Transactions that it may end first.
        at: Seconds (a random moment: after it began to write; within COMMIT: after it was called) or which statement.
    """

    place: str
    commits: int
    at: float


def plans(kills: int, seed: int) -> list[Plan]:
    """As many plans, all places equally often."""
    draw = random.Random(seed)
    seconds = {RANDOM: lambda: draw.uniform(0, 0.3), IN_COMMIT: lambda: 10 ** draw.uniform(-4, -2.3)}
    places = [PLACES[n % len(PLACES)] for n in range(kills)]
    return [Plan(p, draw.randint(0, 2), seconds.get(p, lambda: draw.randint(1, STATEMENTS))()) for p in places]


class Doomed:
    """A connection that carries a plan out."""

    left = 0

    def __init__(self, connection: Any, plan: Plan, stage: Any) -> None:
        self._connection, self._plan, self._stage, self._statements = connection, plan, stage, 0
        if plan.place == RANDOM:
            timer = threading.Timer(plan.at, die)
            timer.daemon = True  # it need not outlive a sink that had nothing left to do
            timer.start()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, *arguments: Any) -> Any:
        """The statement, unless the plan says that it is never reached."""
        word = arguments[0].strip()
        now = Doomed.left <= 0
        self._statements += 1
        if now and self._plan.place == BEFORE_BEGIN and word == "BEGIN":
            die()
        inside = self._stage.value == 1
        if now and inside and self._plan.place == BETWEEN and (self._statements == self._plan.at or word == "COMMIT"):
            die()
        if word == "COMMIT":
            return self._commit(now)
        found = self._connection.execute(*arguments)
        if word == "BEGIN":
            self._stage.value, self._statements = 1, 0
        return found

    def _commit(self, now: bool) -> Any:
        self._stage.value = 2
        if now and self._plan.place == IN_COMMIT:
            threading.Timer(self._plan.at, die).start()
        found = self._connection.execute("COMMIT")
        self._stage.value = 3
        if now and self._plan.place in (IN_COMMIT, AFTER_COMMIT):
            die()
        Doomed.left -= 1
        self._stage.value = 0
        return found


def die() -> None:
    """No handler, no cleaning up."""
    os.kill(os.getpid(), signal.SIGKILL)


class Life(NamedTuple):
    """What all children do: read the topics under a prefix into a warehouse."""

    target: str
    bootstrap: str
    prefix: str
    batch_rows: int


def child(life: Life, plan: Plan, stage: Any) -> None:
    """One life of the sink."""
    from tqdm import tqdm

    from streams.topics import Topics
    from warehouse import connection, sink

    tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system, and a killed child leaves it behind
    store = type(connection.open(life.target))
    connect = store.connect

    @contextmanager
    def doomed(self: Any, *, read_only: bool = False, create: bool = False) -> Iterator[Any]:
        with connect(self, read_only=read_only, create=create) as opened:
            yield opened if read_only or create else Doomed(opened, plan, stage)

    Doomed.left = plan.commits
    store.connect = doomed  # type: ignore[method-assign]
    options: dict[str, Any] = {"topics": Topics.under(life.prefix), "batch_rows": life.batch_rows, "progress": False}
    sink.ingest(life.target, life.bootstrap, until_caught_up=True, **options)


def run_and_kill(wanted: list[Plan], life: Life) -> Counter[tuple[str, str]]:
    """Start a child for each plan; how often which place was asked for, and where the child died."""
    from tqdm import tqdm

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    died: Counter[tuple[str, str]] = Counter()
    for plan in tqdm(wanted, desc="kills", unit="kill", mininterval=5):
        stage = context.RawValue("i", 0)
        process = context.Process(target=child, args=(life, plan, stage))
        process.start()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            died[plan.place, STAGES[stage.value]] += 1
        elif process.exitcode:
            raise SystemExit(f"the sink failed by itself, exit code {process.exitcode}; plan: {plan}")
    return died


def send_world(bootstrap: str, prefix: str, events: int, directory: Path) -> None:
    """Write a synthetic stream of at least so many lines, and send it."""
    from streams import producer
    from streams.synthetic import WorldConfig, simulate
    from streams.topics import Topics, create_topics

    names = Topics.under(prefix)
    print(f"simulating {events:,} events ...", flush=True)
    simulate(WorldConfig(responses=int(events * 0.95)), directory)
    create_topics(bootstrap, topics=names)
    print(producer.send_file(directory / "events.ndjson", bootstrap, topic=names.events), flush=True)


def ids(target: Any) -> list[str]:
    """The id of every stored event, a row each."""
    from warehouse import connection

    tables = ("responses", "reactions", "erasures")
    query = " UNION ALL ".join(f"SELECT CAST(event_id AS VARCHAR) AS id FROM {table}" for table in tables)
    with connection.open(target).read() as reader:
        return [row[0] for row in reader.execute(query).fetchall()]


def verdict(target: Any, calm: Any) -> dict[str, Any]:
    """What the killed sink's warehouse lacks, has twice, or says otherwise than the undisturbed one."""
    from warehouse import queries
    from warehouse.fingerprint import fingerprints

    stored, should = ids(target), set(ids(calm))
    mine, theirs = queries.counts(target), queries.counts(calm)
    prints, other = fingerprints(target), fingerprints(calm)
    return {
        "events": mine["events"],
        "rows": mine["rows"],
        "lost": len(should - set(stored)),
        "duplicated": len(stored) - len(set(stored)),
        "counts_equal": mine == theirs,
        "tables_that_differ": [name for name in prints if prints[name] != other[name]],
    }


def show(died: Counter[tuple[str, str]], found: dict[str, Any]) -> None:
    """The table."""
    print(f"\n{'kill asked for':<20} {'the sink died':<24} kills")
    for (asked, hit), count in sorted(died.items(), key=lambda each: PLACES.index(each[0][0])):
        print(f"{asked:<20} {hit:<24} {count:>5}")
    print(f"{'all':<45} {died.total():>5}\n")
    for name, value in found.items():
        print(f"{name:<20} {value:,}" if isinstance(value, int) else f"{name:<20} {value}")


def main() -> None:
    """Send, kill, finish, compare."""
    parser = harness.arguments(__doc__, quick="10 kills over 40,000 events")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--events", type=int, default=500_000, help="at least so many lines")
    parser.add_argument("--broker", choices=["kafka", "tansu"], default="kafka")
    parser.add_argument("--warehouse", help="an empty ducklake:... target; default: a DuckDB file")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    kills, events = (10, 40_000) if wanted.quick else (wanted.kills, wanted.events)
    with tempfile.TemporaryDirectory() as scratch:
        figures = measure(wanted, kills, events, Path(scratch))
    harness.write(wanted.json, figures)
    if figures["kills"] < kills:
        sys.exit(f"only {figures['kills']} of {kills} children died: there was too little to read; raise --events")
    wrong = figures["lost"] or figures["duplicated"] or figures["tables_that_differ"] or not figures["counts_equal"]
    sys.exit(int(bool(wrong)))


def measure(wanted: argparse.Namespace, kills: int, events: int, scratch: Path) -> dict[str, Any]:
    """All of it, on a broker and in a folder of our own."""
    from streams import brokers
    from streams.topics import Topics
    from warehouse import connection, sink

    started = time.monotonic()
    target, prefix = wanted.warehouse or str(scratch / "killed.duckdb"), "crash"
    with brokers.start(wanted.broker, scratch / "broker") as broker:
        send_world(broker.bootstrap, prefix, events, scratch / "world")
        connection.open(target).migrate()
        life = Life(target, broker.bootstrap, prefix, events // kills // 4)
        died = run_and_kill(plans(kills, wanted.seed), life)
        for place in (target, scratch / "calm.duckdb"):
            options: dict[str, Any] = {"topics": Topics.under(prefix), "until_caught_up": True, "group": "calm"}
            print(sink.ingest(place, broker.bootstrap, **options), flush=True)
    found = verdict(target, scratch / "calm.duckdb")
    show(died, found)
    table = [{"asked": asked, "died": hit, "kills": count} for (asked, hit), count in died.items()]
    seconds = round(time.monotonic() - started, 1)
    print(f"{'seconds':<20} {seconds}")
    return {"kills": died.total(), "by_place": table, **found, "seconds": seconds}


if __name__ == "__main__":
    main()
