"""Events a second from the broker to committed clean rows, ours beside its rivals and beside the limit of the storage.

One command makes everything it needs (Apache Kafka, the load, the rivals' environments), measures, and prints a table:

    .venv/bin/python bench/ingest.py [--quick] [--json FILE] [--figure FILE.png] [--only ours_packed,append_limit]

Ratios are taken within one run; contenders take turns, so that a disturbance meets all of them. docs/benchmarks.md
explains the method.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import harness
from harness import some_of
from ingest_parts import contenders, environments, history, latency, memory, tables
from ingest_parts.bench import Bench

PARTS = {"latency": latency.measure, "memory": memory.measure, "history": history.measure}
NAMES = (*contenders.NAMES, *PARTS)


def main() -> None:
    """Measure what is wanted, print it, and write it down."""
    wanted = arguments()
    with (
        tempfile.TemporaryDirectory(prefix="loveloop-bench-", dir=wanted.work) as folder,
        Bench(Path(folder), wanted) as bench,
    ):
        bench.say(f"{os.cpu_count()} cores, {bench.events:,} events, {wanted.repeats} repeats")
        found = contenders.measure(bench, [name for name in contenders.NAMES if name in wanted.only])
        print("\n" + tables.throughput(found) + "\n", flush=True)
        figures = {**tables.rates(found), "runs": found}
        for name in ("", *PARTS):
            if name in wanted.only:
                figures |= PARTS[name](bench)
            harness.write(wanted.json, figures)
    print("\n" + tables.aims(figures))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = harness.arguments(__doc__, quick="small sizes and short times: rough figures")
    parser.add_argument("--only", type=some_of(NAMES), default=NAMES, help=f"some of: {','.join(NAMES)}")
    parser.add_argument("--events", type=int, help="lines of the load (1,000,000; quick 100,000)")
    parser.add_argument("--repeats", type=int, default=3, help="of every rate; medians are shown (3)")
    parser.add_argument(
        "--envs", type=Path, default=environments.DEFAULT, help="where the rivals' environments are kept"
    )
    parser.add_argument("--work", type=Path, help="folder for temporary files, about 6 GB (the system's)")
    parser.add_argument("--figure", type=Path, help="draw the sink's memory here (PNG)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
