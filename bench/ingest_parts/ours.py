"""Our sink, with clocks on its three joints: reading from Kafka, decoding, committing.

As a script: `ours.py '{"bootstrap": ..., "prefix": ..., "warehouse": ...}'` reads a topic to its end. The clock
runs from the first poll that returns records to the end of the last commit.
"""

from __future__ import annotations

import functools
import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pyarrow.dataset  # noqa: F401  # DuckDB imports it at the first table: part of the start, not of the rate

from streams.topics import Topics
from warehouse import connection, sink
from warehouse.ingest import log, worker


class Clocks:
    """Wraps the sink's joints; `commits` tells when each transaction ended, its events, and the positions behind it."""

    def __init__(self) -> None:
        self.first_records = self.cpu_started = 0.0
        self.last_commit = 0.0
        self.seconds = {"poll": 0.0, "decode": 0.0, "commit": 0.0}
        self.cpu = dict(self.seconds)
        self.commits: list[tuple[float, int, dict[str, int]]] = []
        log.Log.poll = self._timed("poll", log.Log.poll)  # type: ignore[method-assign]
        worker.decode_batch = self._timed("decode", worker.decode_batch)
        worker.commit = self._timed("commit", worker.commit)

    def _timed(self, joint: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*arguments: Any, **options: Any) -> Any:
            started, cpu = time.perf_counter(), time.thread_time()
            result = function(*arguments, **options)
            ended = time.perf_counter()
            self.seconds[joint] += ended - started
            self.cpu[joint] += time.thread_time() - cpu
            if joint == "poll" and result and not self.first_records:
                self.first_records, self.cpu_started = ended, time.process_time()
            if joint == "commit":
                self.last_commit = ended
                self._note(arguments)
            return result

        return timed

    def _note(self, arguments: tuple[Any, ...]) -> None:
        spans = arguments[1].spans
        next_offsets = {f"{topic}/{partition}": span.next for (topic, partition), span in spans.items()}
        self.commits.append((time.time(), sum(span.events for span in spans.values()), next_offsets))


def rows(warehouse: str) -> dict[str, int]:
    """What stands in the tables and in the positions, as `load.Truth` names it."""
    with connection.open(warehouse).read() as opened:
        one = opened.execute(
            """SELECT (SELECT count(*) FROM responses), (SELECT count(*) FROM reactions),
            (SELECT count(*) FROM dead_letters), sum(events), sum(duplicates) FROM ingest_positions"""
        ).fetchone()
    assert one is not None
    names = ("responses", "reactions", "dead_letters", "events", "duplicates")
    return {name: int(value) for name, value in zip(names, one, strict=True)}


def run(bootstrap: str, prefix: str, warehouse: str, **options: Any) -> dict[str, Any]:
    """Read a stream to its end."""
    clocks = Clocks()
    report = sink.ingest(
        warehouse, bootstrap, topics=Topics.under(prefix), until_caught_up=True, progress=False, **options
    )
    seconds = clocks.last_commit - clocks.first_records
    return {
        "seconds": seconds,
        "cpu_seconds": time.process_time() - clocks.cpu_started,
        "events": report.events,
        "batches": report.batches,
        "rate": report.events / seconds,
        **{f"{joint}_seconds": spent for joint, spent in clocks.seconds.items()},
        **{f"{joint}_cpu_seconds": spent for joint, spent in clocks.cpu.items()},
        "commits": [(moment, events) for moment, events, _ in clocks.commits],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "rows": rows(warehouse),
    }


def follow(bootstrap: str, prefix: str, warehouse: str) -> dict[str, Any]:
    """Follow a stream until a line comes on stdin; returns when each commit ended."""
    clocks, stop = Clocks(), threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
    sink.ingest(warehouse, bootstrap, topics=Topics.under(prefix), stop=stop, progress=False)
    return {"commits": clocks.commits, "rows": rows(warehouse)}


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    print(json.dumps(follow(**wanted) if wanted.pop("follow", False) else run(**wanted)))
