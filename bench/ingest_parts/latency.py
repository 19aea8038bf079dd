"""Latency from the call that posts an event to the end of the commit that makes its row visible.

A producer of ours posts 5,000 events a second, each with the moment of its posting as `served_at`; the sink follows in
a process of its own and notes when each commit ended. An event's commit is the first one whose position lies behind it.
Once without readers, and once beside a reader who opens the warehouse every second: DuckDB's file lock lets nobody in
beside a writer.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ingest_parts import child, feed, load
from ingest_parts.bench import Bench
from streams.producer import EventProducer
from streams.topics import Topics, create_topics
from warehouse import connection
from warehouse.storage.transaction import WarehouseError

PER_SECOND = 5_000
TICK = 0.01
"""Seconds between two handfuls of events."""


def measure(bench: Bench) -> dict[str, Any]:
    """Latencies without and with a reader; `latency_p99_s` is the higher p99."""
    seconds = 10 if bench.wanted.quick else 30
    found = {}
    for reading in (False, True):
        name = "beside_a_reader" if reading else "alone"
        found[name] = _once(bench, f"latency{int(reading)}", seconds, reading=reading)
        bench.say(f"latency {name}: " + "  ".join(f"{key} {value:.2f}" for key, value in found[name].items()))
    return {"latency_p99_s": max(each["p99_s"] for each in found.values()), "latency": found}


def _once(bench: Bench, prefix: str, seconds: int, *, reading: bool) -> dict[str, Any]:
    topics, path = Topics.under(prefix), bench.fresh(prefix)
    create_topics(bench.bootstrap, feed.PARTITIONS, topics=topics)
    sink = child.start("ours.py", bootstrap=bench.bootstrap, prefix=prefix, warehouse=path, follow=True)
    try:
        with EventProducer(bench.bootstrap, topic=topics.events) as producer:
            _post(producer, 1, 0.0)
            _until_visible(path)
            reader = child.start("reader.py", warehouse=path) if reading else None
            late = _post(producer, seconds * PER_SECOND, time.perf_counter())
        time.sleep(3.0)
        seen = child.figures(reader) if reader else {}
    finally:
        sink_figures = child.figures(sink)
    latencies = _latencies(path, sink_figures["commits"], topics.events)
    if len(latencies) != seconds * PER_SECOND:
        raise SystemExit(f"latency: {len(latencies):,} events were stored, not {seconds * PER_SECOND:,}")
    p50, p99 = np.quantile(latencies, [0.5, 0.99])
    return {"p50_s": p50, "p99_s": p99, "max_s": max(latencies), "producer_late_s": late, **seen}


def _post(producer: EventProducer, count: int, started: float) -> float:
    """Post events at an even pace from a moment on (0: at once); returns the longest that it fell behind (seconds)."""
    drawn, late = random.Random(count), 0.0
    for number in range(count):
        due = started + number // (PER_SECOND * TICK) * TICK
        if started and (ahead := due - time.perf_counter()) > 0:
            time.sleep(ahead)
        elif started:
            late = max(late, -ahead)
        moment = datetime.now(UTC)
        producer.send(load.response(moment, f"l{count:x}-{number:06x}", f"u{drawn.randrange(10_000):05x}", drawn))
    return late


def _until_visible(path: Path, seconds: float = 60.0) -> None:
    """Wait for the first row: the sink has its partitions."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with connection.open(path).read() as opened:
                if opened.execute("SELECT count(*) FROM responses").fetchall()[0][0]:
                    return
        except WarehouseError:  # not there yet
            pass
        time.sleep(0.2)
    raise SystemExit(f"latency: no row within {seconds:g} s")


def _latencies(path: Path, commits: list[tuple[float, int, dict[str, int]]], topic: str) -> np.ndarray[Any, Any]:
    """Seconds from an event's posting to the end of its commit, for every event but the one that woke the sink."""
    with connection.open(path).read() as opened:
        rows = opened.execute(
            """SELECT kafka_partition, kafka_offset, epoch_us(served_at) AS moment FROM responses
            WHERE served_at > (SELECT min(served_at) FROM responses)"""
        ).fetchnumpy()
    found = []
    for partition in range(feed.PARTITIONS):
        mine = rows["kafka_partition"] == partition
        name = f"{topic}/{partition}"
        moments, ends = np.array([(moment, at[name]) for moment, _, at in commits if name in at] or [(0, 0)]).T
        first = np.searchsorted(ends, rows["kafka_offset"][mine], side="right")
        found.append(moments[first] - rows["moment"][mine] / 1e6)
    return np.concatenate(found)
