"""Events a second from the broker to committed clean rows, ours beside its rivals and beside the limit of the storage.

One command makes everything it needs (Apache Kafka, the load, the rivals' environments), measures, and prints a table:

    .venv/bin/python bench/ingest.py [--quick] [--json FILE] [--figure FILE.png] [--only ours_packed,append_limit]

Ratios are taken within one run; contenders take turns, so that a disturbance meets all of them. docs/benchmarks.md
explains the method.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from ingest_parts import contenders, environments, tables
from ingest_parts.bench import Bench


def main() -> None:
    """Measure what is wanted, print it, and write it down."""
    wanted = arguments()
    with (
        tempfile.TemporaryDirectory(prefix="loveloop-bench-", dir=wanted.work) as folder,
        Bench(Path(folder), wanted) as bench,
    ):
        found = contenders.measure(bench, tuple(wanted.only.split(",")) if wanted.only else contenders.NAMES)
    print(tables.throughput(found))
    if wanted.json:
        wanted.json.write_text(json.dumps(tables.figures(found), indent=1))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, rough figures")
    parser.add_argument("--only", help=f"parts, by comma: {', '.join(contenders.NAMES)}")
    parser.add_argument("--events", type=int, help="events of the load (400,000; quick 100,000)")
    parser.add_argument("--repeats", type=int, default=3, help="of every figure; the table shows medians")
    parser.add_argument("--envs", type=Path, default=environments.DEFAULT, help="where the rivals' environments are")
    parser.add_argument("--work", type=Path, help="where the temporary files go (the system's folder for them)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
