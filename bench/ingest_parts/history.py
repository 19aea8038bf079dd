"""The rate with a long history beside the rate on an empty warehouse, for what history could slow down.

The past (10 million events over 30 days) is made in the database itself, copied for every measurement, and followed by
new events of the same density. Empty and loaded take turns.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from ingest_parts import after, child, feed, load
from ingest_parts.bench import Bench
from ingest_parts.past import Past
from warehouse import connection

NEW = 200_000
"""New events of each kind, at most."""
WORST = "copies_in_disorder"
"""Measured and shown, not part of `history_ratio`."""
_LINE = (
    "history: {:16} empty {empty:,}  loaded {loaded:,} = {ratio:.2f}  (CPU us/event {empty_cpu_us}, {loaded_cpu_us})"
)


def measure(bench: Bench) -> dict[str, Any]:
    """The rate on an empty and on a loaded warehouse, for every kind of new events, and the lowest of the ratios."""
    new = min(NEW, bench.events // 2)
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1) - new * load.STEP
    past, path = Past(1_000_000 if bench.wanted.quick else 10_000_000, end), bench.fresh("past")
    bench.say(f"history: {past.count:,} events are made")
    past.preload(path)
    bench.say(f"history: made, {path.stat().st_size / 1e6:,.0f} MB")
    kinds: dict[str, Any] = {}
    for name in after.KINDS:
        truths = after.write(bench.folder / f"{name}.ndjson", new, name, past)
        feed.packed(bench.bootstrap, name, bench.folder / f"{name}.ndjson")
        kinds[name] = _in_turns(bench, name, path, truths)
        bench.say(_LINE.format(name, **kinds[name]))
    ratio = min(kind["ratio"] for name, kind in kinds.items() if name != WORST)
    return {"history_ratio": ratio, "history": {"past": past.count, **kinds}}


def _in_turns(bench: Bench, name: str, past: Path, truths: dict[str, load.Truth]) -> dict[str, Any]:
    rates: dict[str, list[float]] = {"empty": [], "loaded": []}
    cpu: dict[str, list[float]] = {"empty": [], "loaded": []}
    for _ in range(bench.wanted.repeats):
        for where, truth in truths.items():
            path = bench.fresh("new")
            if where == "loaded":
                shutil.copyfile(past, path)
            found = child.measure("ours.py", bootstrap=bench.bootstrap, prefix=name, warehouse=path)
            wrong = truth.of(_without_past(found["rows"], where == "loaded", past))
            if wrong:
                raise SystemExit(f"history, {name}, {where} is wrong: {wrong}")
            rates[where].append(found["rate"])
            cpu[where].append(1e6 * found["cpu_seconds"] / found["events"])
    medians = {where: round(median(each)) for where, each in rates.items()}
    spent = {f"{where}_cpu_us": round(median(each), 2) for where, each in cpu.items()}
    return {**medians, "ratio": round(medians["loaded"] / medians["empty"], 3), **spent, "runs": rates}


def _without_past(rows: dict[str, int], loaded: bool, past: Path) -> dict[str, int]:
    if not loaded:
        return rows
    tables = ("responses", "reactions")
    with connection.open(past).read() as opened:
        before = {name: opened.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in tables}
    return {name: value - before.get(name, 0) for name, value in rows.items()}
