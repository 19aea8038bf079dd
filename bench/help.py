"""How long `loveloop --help` takes, against an interpreter that only imports click: [--quick] [--json FILE]."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import harness

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 0.3


def seconds(command: list[str], repeats: int) -> float:
    """Median wall-clock seconds of a command."""
    took = []
    for _ in range(repeats):
        started = time.perf_counter()
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def main() -> None:
    """Measure both, print the ratio, and say whether the limit held."""
    parser = harness.arguments(__doc__, quick="5 repeats instead of 21")
    wanted = parser.parse_args()
    repeats = 5 if wanted.quick else 21
    help_s = seconds([sys.executable, "-m", "assets", "--help"], repeats)
    click_s = seconds([sys.executable, "-c", "import click"], repeats)
    figures = {
        "help_s": round(help_s, 3),
        "import_click_s": round(click_s, 3),
        "ratio": round(help_s / click_s, 2),
        "limit_s": LIMIT_S,
    }
    print(
        " ".join(f"{name}={value}" for name, value in figures.items()),
        "within" if help_s < LIMIT_S else "OVER THE LIMIT",
    )
    harness.write(wanted.json, figures)


if __name__ == "__main__":
    main()
