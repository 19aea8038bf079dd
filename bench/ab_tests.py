"""Do A/B tests of rare loves say what is true, and how soon? [--quick] [--only PARTS] [--json FILE] [--data DIR].

    false_alarms   A/A tests in four worlds at four base rates, looked at every 1,000 exposures
    stops          when tests stop, against a confidence sequence at its usual default; what is said at the stop
    traps          five tests in which an easy reading goes wrong
    srm            sample ratios: false alarms, and how soon a leak is found
    upworthy       real tests of headlines: one half against the other, arms against themselves
    interference   friends who sway each other: tests of users and of communities against the total effect
    volume         a hundred million exposures, from the warehouse to the decision

What is tested are the product's own functions, in worlds where the truth is known. Rivals stand beside them on the same
tests: two that must not be peeked at, one that is wrong where users love more than once, and the usual default.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: every core has a process of its own

import harness
from ab_tests_parts import false_alarms, interference, leaks, stops, traps, upworthy, volume


def parts(data: Path, *, quick: bool) -> dict[str, Callable[[], dict[str, Any]]]:
    """What is measured, by name."""
    return {
        "false_alarms": lambda: false_alarms.measured(200 if quick else 2_000),
        "stops": lambda: stops.measured(*((100, 30, 150, 8) if quick else (1_000, 500, 1_000, 300))),
        "traps": lambda: traps.measured(2 if quick else 20),
        "srm": lambda: leaks.measured(*((300, 50) if quick else (6_000, 800))),
        "upworthy": lambda: upworthy.measured(data, tests=1_000 if quick else None, placebos=500 if quick else 10_000),
        "interference": lambda: interference.measured(*((3, 50_000) if quick else (12, 200_000))),
        "volume": lambda: volume.measured(10_000_000 if quick else 100_000_000),
    }


def main() -> None:
    """Measure, print, and write the figures down."""
    wanted = arguments().parse_args()
    figures: dict[str, Any] = {"quick": wanted.quick}
    seconds: dict[str, float] = {}
    for name, measure in parts(wanted.data, quick=wanted.quick).items():
        if name in wanted.only:
            started = time.perf_counter()
            found = measure()
            seconds[name] = round(time.perf_counter() - started, 1)
            print(json.dumps(found, indent=1), flush=True)
            figures |= found
            harness.write(wanted.json, figures | {"seconds": seconds})
    print(f"seconds: {seconds}")


def arguments() -> Any:
    """The command line."""
    parser = harness.arguments(__doc__, quick="fewer and smaller tests, about four minutes on two cores", data=True)
    names = tuple(parts(harness.DATA, quick=True))
    some = harness.some_of(names)
    parser.add_argument("--only", type=some, default=names, help=f"of {','.join(names)}, some")
    return parser


if __name__ == "__main__":
    main()
