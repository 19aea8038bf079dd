"""Throughput: the same events through every contender, in turns, and its tables compared with the truth each time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ingest_parts import child, environments
from ingest_parts.bench import Bench

BATCH_ROWS = 20_000
"""Rows of a rival's transaction, and of the append limit's. Ours has its own default."""
Measured = dict[str, list[dict[str, Any]]]


def ours(bench: Bench, prefix: str) -> dict[str, Any]:
    """Our sink, on packs or on single events."""
    name = f"ours-{prefix}"
    return child.measure(
        "ours.py", bootstrap=bench.bootstrap, prefix=getattr(bench, prefix), warehouse=bench.fresh(name)
    )


def rival(bench: Bench, name: str, prefix: str) -> dict[str, Any]:
    """A rival in its environment, with a fresh file and from the start of the topic."""
    python = environments.make(name, bench.wanted.envs)
    topic = f"{getattr(bench, prefix)}.events"
    options = {"messages": bench.messages[prefix]} if name == "quixstreams" else {}
    return child.measure(
        f"rival_{name}.py", python=python, bootstrap=bench.bootstrap, topic=topic,
        warehouse=bench.fresh(name), batch_rows=BATCH_ROWS, packed=prefix == "packed", **options,
    )  # fmt: skip


def limit(bench: Bench, batch_rows: int, *, as_ours: bool = False) -> dict[str, Any]:
    """Arrow append of the rows that our sink stored, to a plain file or through our warehouse's transactions."""
    source = bench.folder / "ours-packed.duckdb"
    if not source.exists():
        ours(bench, "packed")
    return child.measure(
        "append_limit.py", source=source, file=bench.fresh("limit"), batch_rows=batch_rows, as_ours=as_ours
    )


CONTENDERS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "ours_packed": partial(ours, prefix="packed"),
    "ours_single": partial(ours, prefix="single"),
    "bytewax": partial(rival, name="bytewax", prefix="single"),
    "quixstreams": partial(rival, name="quixstreams", prefix="single"),
    "append_limit": partial(limit, batch_rows=BATCH_ROWS),
    "append_limit_200k": partial(limit, batch_rows=200_000),
    "append_as_ours": partial(limit, batch_rows=50_000, as_ours=True),
    "bytewax_packed": partial(rival, name="bytewax", prefix="packed"),
    "quixstreams_packed": partial(rival, name="quixstreams", prefix="packed"),
}
NAMES = tuple(CONTENDERS)


def measure(bench: Bench, names: list[str]) -> Measured:
    """Every contender as often as wanted: A B C A B C."""
    found: Measured = {name: [] for name in names}
    left_out: set[str] = set()
    for _ in range(bench.wanted.repeats):
        for name in names:
            if name not in left_out:
                try:
                    found[name].append(_one(bench, name))
                except environments.EnvironmentMissingError as error:
                    bench.say(f"{name} left out: {error}")
                    left_out.add(name)
    return found


def _one(bench: Bench, name: str) -> dict[str, Any]:
    result = CONTENDERS[name](bench)
    wrong = bench.load[1].of(result["rows"]) if "rows" in result else ""
    if wrong:
        raise SystemExit(f"{name} is wrong: {wrong}")
    bench.say(f"{name:20} {result['rate']:>9,.0f} events/s")
    return result
