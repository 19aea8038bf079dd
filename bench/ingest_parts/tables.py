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
LIMITS = (
    ("history_ratio", "at least", 0.9),
    ("latency_p99_s", "under", 2.0),
    ("memory_mb_per_million", "under", 5.0),
)


def rates(found: Measured) -> dict[str, int]:
    """Medians of events a second, by contender."""
    return {name: round(median(run["rate"] for run in runs)) for name, runs in found.items() if runs}


def throughput(found: Measured) -> str:
    """The table of contenders, with the CPU time of the sink's joints (their own threads' only)."""
    lines = [f"{'':20} {'events/s':>10} {'lowest':>10} {'highest':>10} {'CPU us/event':>13}  of it in"]
    for name, rate in rates(found).items():
        runs = found[name]
        each = [run["rate"] for run in runs]
        cpu = median(1e6 * run.get("cpu_seconds", 0.0) / run["events"] for run in runs)
        joints = ", ".join(
            f"{joint} {median(1e6 * run[f'{joint}_cpu_seconds'] / run['events'] for run in runs):.1f}"
            for joint in ("poll", "decode", "commit")
            if f"{joint}_cpu_seconds" in runs[0]
        )
        lines.append(
            f"{name:20} {rate:>10,} {min(each):>10,.0f} {max(each):>10,.0f} {f'{cpu:.1f}' if cpu else '':>13}  {joints}"
        )
    return "\n".join(lines)


def aims(figures: dict[str, Any]) -> str:
    """Each aim beside what was measured, as far as it was."""
    lines = []
    for name, beside, aim in AIMS:
        if figures.get(name) and figures.get(beside):
            ratio = figures[name] / figures[beside]
            lines.append(f"{name} / {beside} = {ratio:.2f}, aim: at least {aim:g}: {_kept(ratio >= aim)}")
    for name, rule, aim in LIMITS:
        if name in figures:
            kept = figures[name] >= aim if rule == "at least" else figures[name] < aim
            lines.append(f"{name} = {figures[name]:.3g}, aim: {rule} {aim:g}: {_kept(kept)}")
    return "\n".join(lines)


def _kept(kept: bool) -> str:
    return "kept" if kept else "MISSED"
