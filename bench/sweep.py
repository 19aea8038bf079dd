"""A sweep of four Love weights against four separate runs of one weight each: [--quick] [--json FILE].

Each is `loveloop sweep` in a home of its own, from events to candidate and report. What counts is CPU seconds of the
process and its children, which other work on the machine does not change much; wall clock stands beside. Keys:
sweep_ratio (CPU), wall_ratio, drawn_ratio (responses drawn in training: the part that the store shares), sweep_cpu_s,
separate_cpu_s, added_cpu_s (one weight more in the finished sweep).

With --quick the four runs are one run counted four times: they differ in the weight alone.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import harness

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

AIM = 0.4
WEIGHTS = ("0", "0.1", "0.2", "0.3")
ADDED = "0.05"


class Cost(NamedTuple):
    """What a command took: seconds of CPU and wall clock, and responses that its run's store holds in all."""

    cpu: float
    wall: float
    drawn: int


def sweep(recipe: Path, home: Path, weights: tuple[str, ...]) -> Cost:
    """Run a sweep in a home.

    Raises:
        RuntimeError: It failed; the text ends with what it said.
    """
    said = home.parent / f"{home.name}.log"
    words = [
        "sweep",
        "--recipe",
        str(recipe),
        "--home",
        str(home),
        "--name",
        "run",
        "--love-weights",
        ",".join(weights),
    ]
    started = time.perf_counter()
    with said.open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "assets", *words], cwd=ROOT, stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"loveloop {' '.join(words)} ended with {process.returncode}: {said.read_text()[-2000:]}")
    return Cost(used.ru_utime + used.ru_stime, time.perf_counter() - started, drawn(home / "run" / "rollouts"))


def drawn(store: Path) -> int:
    """Responses that a store of rollouts holds."""
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(file).num_rows for file in store.glob("rollouts-*.parquet"))


def measure(recipe: Path, place: Path, *, quick: bool) -> dict[str, float]:
    """Every figure."""
    together = sweep(recipe, place / "together", WEIGHTS)
    alone = WEIGHTS[-1:] if quick else WEIGHTS
    times = len(WEIGHTS) / len(alone)
    runs = [sweep(recipe, place / f"alone-{weight}", (weight,)) for weight in alone]
    more = sweep(recipe, place / "together", (*WEIGHTS, ADDED))
    cpu, wall, responses = (times * sum(values) for values in zip(*runs, strict=True))
    return {
        "sweep_ratio": round(together.cpu / cpu, 3),
        "wall_ratio": round(together.wall / wall, 3),
        "drawn_ratio": round(together.drawn / responses, 3),
        "sweep_cpu_s": round(together.cpu, 1),
        "separate_cpu_s": round(cpu, 1),
        "added_cpu_s": round(more.cpu, 1),
    }


def main() -> None:
    """Measure, print, and say whether the aim is reached."""
    parser = harness.arguments(__doc__, quick="a tiny loop, and one separate run counted four times")
    parser.add_argument("--recipe", type=Path, help="another recipe than the demo's, or --quick's")
    wanted = parser.parse_args()
    small, demo = ROOT / "bench" / "sweep_parts" / "quick.toml", ROOT / "deploy" / "recipes" / "demo.toml"
    with tempfile.TemporaryDirectory() as place:
        recipe = wanted.recipe or (small if wanted.quick else demo)
        figures = measure(recipe.resolve(), Path(place), quick=wanted.quick)
    for name, value in figures.items():
        print(f"{name:>16} {value:,.3g}" if value < 10 else f"{name:>16} {value:,.1f}")
    print("within the aim" if figures["sweep_ratio"] <= AIM else f"ABOVE THE AIM of {AIM}")
    harness.write(wanted.json, figures)


if __name__ == "__main__":
    main()
