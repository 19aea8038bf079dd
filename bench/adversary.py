"""Both ends of the adversary filter: what it catches at which cost, and what attacks do to a model that learns.

    .venv/bin/python bench/adversary.py [--quick] [--json FILE] [--only ATTACK,...] [--seeds N] [--resume DIR]

For each seed one honest world, for each cell (attack x share of all loves) the same world under attack; the daily job
judges it day by day, as in production. docs/benchmarks.md explains the method. Each cell's figures are a file under
the work folder: run it again with the same --resume to go on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import harness
from adversary_parts import cells, pictures, product, report, words
from adversary_parts.run import measure_all
from adversary_parts.worlds import Seed, Size
from harness import some_of

from warehouse.adversary.daily.versions import filter_version

NAMES = (cells.NONE, *cells.ATTACKS, *cells.UNSEEN, cells.ALL)
QUICK, QUICK_SHARES = Size(responses=60_000, users=4_000, later=30_000, draws=2), (0.05, 0.2)


def main() -> None:
    """Measure, print, and write down."""
    wanted = arguments()
    folder = wanted.resume or Path(tempfile.mkdtemp(prefix="loveloop-adversary-"))
    print(f"work folder: {folder}", flush=True)
    found = measured(folder, wanted)
    print("\n" + "\n".join(words.lines(found)))
    harness.write(wanted.json, found)
    if wanted.pictures:
        wanted.pictures.mkdir(parents=True, exist_ok=True)
        pictures.recall(found, wanted.pictures / "adversary-recall.png")
        pictures.shift(found, wanted.pictures / "adversary-shift.png")


def measured(folder: Path, wanted: argparse.Namespace) -> dict[str, Any]:
    """All figures, with the settings that they were measured under."""
    began = time.perf_counter()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the jobs share the processors
    size = QUICK if wanted.quick else Size()
    numbers = list(range(1, wanted.seeds + 1))
    shares = QUICK_SHARES if wanted.quick else cells.SHARES
    every = cells.cells(wanted.only, shares)
    settings = {**size._asdict(), "honest_loss": wanted.honest_loss, "filter": filter_version()}
    check(folder / "settings.json", settings)
    done = list(measure_all(folder, numbers, every, size, honest_loss=wanted.honest_loss, jobs=wanted.jobs))
    seeds = {number: Seed(number, folder / f"seed-{number}", size) for number in numbers}
    found = report.summary(done, {number: seed.clean() for number, seed in seeds.items()})
    confirmed = [cell for cell in every if cell.name in product.CELLS]
    if wanted.trainer and confirmed:
        found["trainer"] = product.confirm(seeds[1], confirmed, honest_loss=wanted.honest_loss)
    settings |= {"shares": shares, "together": cells.TOGETHER, "only": wanted.only}
    return found | {"seeds": numbers, "settings": settings, "seconds": round(time.perf_counter() - began)}


def check(kept: Path, settings: dict[str, Any]) -> None:
    """What lies in the work folder must have been measured in the same way."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    if not kept.exists():
        kept.write_text(json.dumps(settings))
    elif (before := json.loads(kept.read_text())) != settings:
        other = ", ".join(f"{name} {before.get(name)}" for name in settings if before.get(name) != settings[name])
        raise SystemExit(f"{kept.parent} was begun with {other}: take the same options and code, or another folder")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = harness.arguments(__doc__, quick="one small world, two shares: rough")
    parser.add_argument("--only", type=some_of(NAMES), default=NAMES, help=f"some of: {','.join(NAMES)}")
    parser.add_argument("--seeds", type=int, help="worlds (5; quick 1)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--honest-loss", type=float, default=0.01, help="the filter's dial (0.01)")
    parser.add_argument("--trainer", action="store_true", help="confirm two worlds with the product's own trainer")
    parser.add_argument("--resume", type=Path, help="work folder to go on in, about 2 GB (a new one)")
    parser.add_argument("--pictures", type=Path, help="draw recall and shifts into this folder (PNG)")
    wanted = parser.parse_args()
    wanted.seeds = wanted.seeds or (1 if wanted.quick else 5)
    return wanted


if __name__ == "__main__":
    main()
