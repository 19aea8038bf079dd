"""Figures and tables from what was measured."""

from __future__ import annotations

from statistics import median
from typing import Any

from ingest_parts.contenders import Measured

AIMS = (
    ("ours_packed", "bytewax", 2.0),
    ("ours_packed", "append_limit", 0.35),
    ("ours_single", "bytewax", 1.0),
)


def figures(found: Measured) -> dict[str, Any]:
    """Medians of events a second, by contender."""
    return {name: round(median(run["rate"] for run in runs)) for name, runs in found.items() if runs}


def throughput(found: Measured) -> str:
    """The table of contenders, then each aim beside what was measured."""
    rates = figures(found)
    lines = [f"{'':20} {'events/s':>10} {'lowest':>10} {'highest':>10} {'CPU us/event':>13}"]
    for name, rate in rates.items():
        runs = found[name]
        each = [run["rate"] for run in runs]
        cpu = [1e6 * run["cpu_seconds"] / run["events"] for run in runs if "cpu_seconds" in run]
        lines.append(
            f"{name:20} {rate:>10,} {min(each):>10,.0f} {max(each):>10,.0f} {f'{median(cpu):.1f}' if cpu else '':>13}"
        )
    for name, beside, aim in AIMS:
        if name in rates and beside in rates:
            ratio = rates[name] / rates[beside]
            lines.append(
                f"{name} / {beside} = {ratio:.2f} (aim: at least {aim:g}; {'kept' if ratio >= aim else 'MISSED'})"
            )
    return "\n".join(lines)
