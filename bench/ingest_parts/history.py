"""The rate with a long history beside the rate on an empty warehouse, for what history could slow down.

The past is made in the database itself (10 million events over 30 days, in the order of time, a million a transaction),
copied for every measurement, and followed by new events of the same density. Empty and loaded take turns.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from ingest_parts import after, child, feed, load
from ingest_parts.bench import Bench
from streams.events import SCHEMA_VERSION
from warehouse import connection, rules

SQL = (Path(__file__).parent / "history.sql").read_text().split(";\n")[:2]
SLICE = 1_000_000
_LINE = (
    "history: {:16} empty {empty:,}  loaded {loaded:,} = {ratio:.2f}  (CPU us/event {empty_cpu_us}, {loaded_cpu_us})"
)

_RESPONSES = """
INSERT INTO responses BY NAME
SELECT
    event_id, user_id, moment AS served_at, 'r' || name AS response_id, 'c' || name AS conversation_id, 0 AS turn,
    's' || name AS session_id, 'v7' AS policy, $version AS schema_version,
    '[{"role":"user","content":"' || substr($text, 1 + number * 37 % 200, 25) || '"}]' AS conversation,
    substr($text, 1 + number * 53 % 180, 20 + number % 30) AS response,
    'past' AS kafka_topic, 0 AS kafka_partition, number AS kafka_offset, 0 AS kafka_line
FROM events WHERE number % 20 <> 19
"""
_REACTIONS = """
INSERT INTO reactions BY NAME
SELECT
    event_id, user_id, moment AS reacted_at, 'r' || name AS response_id,
    (['love', 'like', 'like', 'like', 'dislike'])[1 + number // 20 % 5] AS reaction, 'added' AS action,
    's' || name AS session_id, 'd' || user_id AS device_id, 'n' || user_id[-4:] AS network_id,
    1000 + number % 29000 AS dwell_ms, $version AS schema_version,
    'past' AS kafka_topic, 0 AS kafka_partition, number AS kafka_offset, 0 AS kafka_line
FROM events WHERE number % 20 = 19
"""
_FLAGS = """
INSERT INTO flags BY NAME
SELECT
    'ingest' AS source, 'faster_than_reading' AS rule, $rule_version AS rule_version, 'reaction' AS subject,
    user_id, event_id, 'r' || name AS response_id, 1.5 AS score, '{}' AS evidence, moment AS flagged_at
FROM events WHERE number % 2000 = 1999
"""


def preload(path: Path, count: int, end: datetime) -> None:
    """Make a warehouse that holds `count` events (95 responses to 5 reactions) up to a moment."""
    store = connection.open(path)
    store.migrate()
    start = int((end - count * load.STEP).timestamp() * 1e6)
    step = load.STEP // timedelta(microseconds=1)
    version = next(rule.version for rule in rules.rules() if rule.name == "faster_than_reading")
    words = {"text": " ".join((*load.QUESTIONS, *load.ANSWERS)), "version": SCHEMA_VERSION}
    with store.connect() as opened:
        opened.execute("SET threads = 2; SET checkpoint_threshold = '4GB'")
        for first in range(0, count, SLICE):
            numbers = {"first": first, "last": min(first + SLICE, count)}
            opened.execute(SQL[0], {**numbers, "first_us": start, "step_us": step})
            opened.execute(SQL[1], {"users": max(10, count // 17)})
            opened.execute("BEGIN")
            opened.execute(_RESPONSES, words)
            opened.execute(_REACTIONS, {"version": SCHEMA_VERSION})
            opened.execute(_FLAGS, {"rule_version": version})
            opened.execute("COMMIT")
            opened.execute("CHECKPOINT")


def measure(bench: Bench) -> dict[str, Any]:
    """The rate on an empty and on a loaded warehouse, for every kind of new events, and the lowest of the ratios."""
    count = 1_000_000 if bench.wanted.quick else 10_000_000
    new = bench.events // 2
    begin = datetime.fromtimestamp(datetime.now(UTC).timestamp() // 1 - 60, UTC) - new * load.STEP
    past = bench.fresh("past")
    bench.say(f"history: {count:,} events are made")
    preload(past, count, begin)
    bench.say(f"history: made, {past.stat().st_size / 1e6:,.0f} MB")
    kinds: dict[str, Any] = {}
    for name, mixed in after.KINDS.items():
        truths = after.write(bench.folder / f"{name}.ndjson", new, begin, mixed, past)
        feed.packed(bench.bootstrap, name, bench.folder / f"{name}.ndjson")
        kinds[name] = _in_turns(bench, name, past, truths)
        bench.say(_LINE.format(name, **kinds[name]))
    return {"history_ratio": min(kind["ratio"] for kind in kinds.values()), "history": {"past": count, **kinds}}


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
