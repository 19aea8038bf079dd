"""What the gateway costs a request, and that what it accepted is in the tables once, whoever is killed under load.

    .venv/bin/python bench/gateway.py [--quick] [--json FILE]

1. A model server that answers at once is asked at 500 requests a second, bare and through the gateway by turns, so that
   a disturbance meets both. `p99_overhead_ms` is the difference of the 99th percentiles; a latency counts from the
   moment when its request was due, and the gateway answers when Kafka has acknowledged the event. Beside it the floor:
   a proxy of twenty lines on the same server and client, which writes nothing (`p99_proxy_overhead_ms`).
2. `max_rps`: as many at once as bring the most answers.
3. Users chat, love and take their loves back, through a gateway before whose events two sinks and the live guard stand,
   while sink, guard, broker, model server and gateway are killed (SIGKILL) and started again, one after the other.
   Clients send again what was refused, reactions under the same Idempotency-Key. When the sinks have read to the end:
   `accepted` responses and reactions, of them `in_tables` and `lost`; `twice`, rows too many; `states_wrong`, loves
   that do not stand as they were left; `refused` tries, of them `refused_told` what to do next. Exit code 1 where
   something was lost, doubled, wrong, left unread, or refused without a word.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import harness
from gateway_parts import costs, faults
from gateway_parts.place import running

RATE = 500


def main() -> None:
    """Measure, print, write, and fail where something was lost."""
    parser = harness.arguments(__doc__, quick="a few seconds of each: rough figures")
    parser.add_argument("--rate", type=float, default=RATE, help=f"requests a second of the first part ({RATE})")
    parser.add_argument("--only", choices=("costs", "faults"), help="one part")
    wanted = parser.parse_args()
    turns = costs.Turns(2, 3.0, 2.0) if wanted.quick else costs.Turns(6, 10.0, 10.0)
    dials = faults.Dials(30, 1.0, 1) if wanted.quick else faults.Dials(60, 5.0, 3)
    figures: dict[str, Any] = {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory(prefix="loveloop-bench-") as scratch:
        if wanted.only != "faults":
            figures |= costs_of(Path(scratch) / "costs", turns, wanted.rate)
            print(json.dumps(figures), flush=True)
        if wanted.only != "costs":
            (folder := Path(scratch) / "faults").mkdir()
            figures |= faults.measure(folder, dials)
    figures["load"] = round(os.getloadavg()[0], 1)
    harness.write(wanted.json, figures)
    print(json.dumps(figures, indent=1))
    sys.exit(is_wrong(figures))


def costs_of(folder: Path, turns: costs.Turns, rate: float) -> dict[str, Any]:
    """The figures of a request, beside nothing but broker, model server and proxy."""
    folder.mkdir()
    with running(folder, costs.PROGRAMS) as place:
        return costs.measure(place, turns, rate)


def is_wrong(figures: dict[str, Any]) -> bool:
    """Whether something was lost, doubled, left in a wrong state, unread, or refused without a word."""
    wrong = any(figures.get(name) for name in ("lost", "twice", "states_wrong", "unread"))
    return wrong or figures.get("refused") != figures.get("refused_told")


if __name__ == "__main__":
    main()
