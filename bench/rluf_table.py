"""RLUF's table, the published hack and its remedies: [--quick] [--seeds N] [--rows NAMES] [--kept] [--json FILE].

For each seed the loop makes a world, its log, reward models and the incumbent once; then one policy for each row:

    free        no judge: the hack of the paper, which closes conversations since happy users both close and love
    pairs       judges, and minimal pairs of what they repair
    and each optimiser, each other remedy alone, and all together; `rluf_parts/rows.py` holds the settings

Every policy answers the same 5,000 prompts of held-out users twice; the world's hidden truth reads the answers. Rows
and seeds that were measured are kept in the work folder (`--work`); the same command goes on where it stopped, and
`--kept` shows the table of what is there. Intervals are t-intervals over seeds, which differ in world, reward models
and policy.
"""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import harness
import numpy as np
from rluf_parts import measure, rows, table, world

from assets.lock import alone
from assets.run import Run

WORK = Path.home() / ".cache" / "loveloop" / "rluf_table"
say = partial(print, flush=True)


def measured(run: Run, wanted: Sequence[rows.Row], failed: list[dict[str, Any]]) -> dict[str, measure.Measured]:
    """What the incumbent and each row do, by name; a row that the loop refuses is told and left out."""
    seed, found = run.recipe.seed, {"incumbent": _measured(run, None)}
    for row in wanted:
        try:
            found[row.name] = _measured(run, row)
        except ValueError as error:  # a judge that trips too often, a round without anything to learn from
            say(f"seed {seed}, {row.name}: FAILED, {error}")
            failed.append({"seed": seed, "row": row.name, "error": str(error)})
            continue
        now = table.figures(found[row.name].traits, found["incumbent"].traits, None)
        shown = ", ".join(f"{name} {value:+.3f}" for name, value in now.items() if value is not None)
        say(f"seed {seed}, {row.name}: {shown}")
    return found


def kept(run: Run, wanted: Sequence[rows.Row]) -> dict[str, measure.Measured]:
    """What was measured before, by the same code and settings; nothing of a seed without models."""
    if any(run.finished(name) is None for name in rows.SHARED):
        return {}
    there = {row.name if row else "incumbent": _kept(run, row) for row in (None, *wanted)}
    return {name: each for name, each in there.items() if each} if there["incumbent"] else {}


def _file(run: Run, row: rows.Row | None) -> Path:
    return run.directory / "rows" / f"{row.name if row else 'incumbent'}.npz"


def _kept(run: Run, row: rows.Row | None) -> measure.Measured | None:
    return measure.kept(_file(run, row), rows.key(run, row))


def _measured(run: Run, row: rows.Row | None) -> measure.Measured:
    there = _kept(run, row)
    if there is not None:
        return there
    place, facts = rows.trained(run, row) if row else (rows.incumbent(run), {})
    rate = run.recipe.world.base_love_rate
    traits = measure.measure(place, measure.held_out(run), seed=run.recipe.seed, base_love_rate=rate)
    found = measure.Measured(traits, facts)
    measure.keep(_file(run, row), rows.key(run, row), found)
    return found


def _read() -> argparse.Namespace:
    read = harness.arguments(__doc__, quick="a small world, one seed, three rows; figures mean nothing")
    read.add_argument("--seeds", type=table.span, default="1-5", help="FIRST-LAST, or one (1-5)")
    read.add_argument("--rows", type=rows.chosen, help="by name, with commas; a way alone is all its Love weights")
    read.add_argument("--labels", type=int, help="that helpfulness learns from, instead of the demo's number")
    read.add_argument("--kept", action="store_true", help="the table of what was measured so far; nothing is trained")
    read.add_argument("--work", type=Path, default=WORK, help=f"where seeds and rows are kept ({WORK})")
    return read.parse_args()


def main() -> None:
    asked = _read()
    usual = rows.chosen(",".join(rows.QUICK_ROWS)) if asked.quick else rows.every_row()
    wanted, failed = asked.rows or usual, []
    seeds: dict[int, dict[str, np.ndarray]] = {}
    for seed in (1,) if asked.quick else asked.seeds:
        run = world.opened(seed, asked.work, quick=asked.quick, labels=asked.labels)
        if asked.kept:
            there = kept(run, wanted)
        else:
            with alone(run.directory, "bench/rluf_table.py"):
                world.share(run, say)
                there = measured(run, wanted, failed)
        if there:
            seeds[seed] = {name: each.traits for name, each in there.items()}
        found = table.summary(wanted, seeds, failed, quick=asked.quick, labels=asked.labels)
        harness.write(asked.json, found)
    say("\n".join(table.lines(found)))


if __name__ == "__main__":
    main()
