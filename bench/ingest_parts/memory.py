"""Memory of the sink over five million events: its resident set, sampled four times a second."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from ingest_parts import child, feed, load
from ingest_parts.bench import Bench
from streams.producer import EventProducer
from streams.topics import Topics, create_topics

SETTLED = 0.2
"""The first fifth of the events fills caches; the slope is taken behind it."""


def measure(bench: Bench) -> dict[str, Any]:
    """The sink's memory against the events it has stored, and the slope of a straight line through it."""
    count = 500_000 if bench.wanted.quick else 5_000_000
    path = bench.fresh("memory")
    _send(bench.bootstrap, count)
    bench.say(f"memory: {count:,} events are in the broker")
    sink = child.start("ours.py", bootstrap=bench.bootstrap, prefix="memory", warehouse=path)
    samples = _sample(sink.pid, sink.poll)
    found = child.figures(sink)
    if found["rows"]["events"] != count or found["rows"]["responses"] + found["rows"]["reactions"] != count:
        raise SystemExit(f"memory: {found['rows']} are stored, not {count:,}")
    events, sizes = _against_events(samples, found["commits"])
    settled = events > SETTLED * count
    line = np.polyfit(events[settled] / 1e6, sizes[settled], 1)
    slope, peak = float(line[0]), float(sizes.max())
    bench.say(f"memory: {slope:+.1f} MB per million events, at most {peak:,.0f} MB, {found['rate']:,.0f} events/s")
    if bench.wanted.figure:
        draw(bench.wanted.figure, events / 1e6, sizes, line)
    seen = {"events": count, "peak_mb": round(peak), "rate": round(found["rate"]), "samples": len(sizes)}
    return {"memory_mb_per_million": round(slope, 2), "memory": seen}


def _against_events(samples: list[tuple[float, float]], commits: list[tuple[float, int]]) -> tuple[Any, Any]:
    """Events stored at each sample until the last commit, and the sample's MB."""
    moments, sizes = np.array(samples).T
    ended, events = np.array(commits).T
    during = moments <= ended[-1]
    return np.interp(moments[during], ended, events.cumsum(), left=0.0), sizes[during]


def draw(path: Path, events: Any, sizes: Any, line: Any) -> None:
    """Memory over events as a picture."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    axes.plot(events, sizes, lw=1, label="resident set of the sink")
    axes.plot(events, np.polyval(line, events), lw=1, ls="--", label=f"{line[0]:+.1f} MB per million events")
    axes.set(xlabel="million events stored", ylabel="MB", ylim=(0, None), title="Memory of the sink")
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _send(bootstrap: str, count: int) -> None:
    topics = Topics.under("memory")
    create_topics(bootstrap, feed.PARTITIONS, topics=topics)
    start = datetime.now(UTC) - (count + 1_000) * load.STEP
    with EventProducer(bootstrap, topic=topics.events) as producer:
        for event in load.clean(count, seed=9, start=start):
            producer.send(event)


def _sample(pid: int, ended: Any) -> list[tuple[float, float]]:
    """(moment, MB) four times a second until the process has ended."""
    process, found = psutil.Process(pid), []
    while ended() is None:
        try:
            found.append((time.time(), process.memory_info().rss / 1e6))
        except psutil.NoSuchProcess:
            break
        time.sleep(0.25)
    return found
