"""One world from its lines to its figures."""

from __future__ import annotations

import json
import shutil
import time
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from stored import store

from adversary_parts import caught, daily, learner, learning, loves
from adversary_parts.cells import Cell
from adversary_parts.learning import Exam
from adversary_parts.texts import Texts
from adversary_parts.worlds import Seed
from warehouse import connection


def measure(seed: Seed, cell: Cell, *, honest_loss: float) -> dict[str, Any]:
    """What the filter does to one world, and what the world does to a model that learns from it.

    1. Copy the seed's honest warehouse and store the attacks' lines.
    2. Fit P[Love] to the feedback as it came.
    3. Run the daily job day by day.
    4. Judge every love; fit P[Love] to the clean feedback.
    5. Write the figures, and delete the warehouse.

    A world that was measured before is only read.
    """
    done = seed.folder / "cells" / f"{cell.name}.json"
    if done.exists():
        found: dict[str, Any] = json.loads(done.read_text())
        return found
    began = time.process_time()
    place = seed.folder / f"{cell.name}.duckdb"
    parts = prepare(seed, cell, place)
    before = learn(seed, place, learning.OPEN)
    seen_at = judge_days(seed, place, parts, honest_loss)
    with connection.open(place).read() as reader:
        judged = loves.read(reader, loves.truth(*parts), seed.moment)
    found = {
        "seed": seed.number,
        "cell": cell.name,
        "shares": {attack.name: attack.share for attack in cell.attacks},
        **caught.judge(judged, seen_at, honest_loss=honest_loss),
        "learning": {"open": before, "filtered": learn(seed, place, learning.CLEAN)},
        "cpu_seconds": time.process_time() - began,
    }
    done.parent.mkdir(exist_ok=True)
    done.write_text(json.dumps(found))
    place.unlink()
    return found


def prepare(seed: Seed, cell: Cell, place: Path) -> list[Path]:
    """Make the cell's warehouse, as it is before the first daily run; gives the folders of its streams."""
    for leftover in seed.folder.glob(f"{place.name}*"):
        leftover.unlink()
    shutil.copyfile(seed.honest, place)
    if not cell.attacks:
        return [seed.stream("honest")]
    store(seed.stream(cell.name) / "events.ndjson", place, seed.config.ends_at, partition=1)
    return [seed.stream("honest"), seed.stream(cell.name)]


def judge_days(seed: Seed, place: Path, parts: list[Path], honest_loss: float) -> loves.Ints:
    """Run the daily job over the whole stream; when each love was left out, as `daily.run`."""
    with connection.open(place).read() as reader:
        given = loves.read(reader, loves.truth(*parts), seed.moment)
    last = (seed.config.ends_at - timedelta(microseconds=1)).date()
    span = (last - timedelta(days=seed.config.days - 1), last)
    return daily.run(place, given, span, seed.moment, _shared(seed)[0], honest_loss=honest_loss)


def learn(seed: Seed, place: Path, feedback: str) -> dict[str, Any]:
    """The marks of a model that learns from a warehouse's feedback."""
    _, texts, clean, exam = _shared(seed)
    with connection.open(place).read() as reader:
        table = learning.drawn(reader, feedback, seed.moment)
    return exam.marks(learner.fit(learning.rows(table, texts), clean))


@lru_cache(maxsize=1)
def _shared(seed: Seed) -> tuple[Texts, Texts, learner.Model, Exam]:
    """What one process reads once for all cells of a seed."""
    return seed.texts(), seed.drawn(), seed.model(), seed.exam()
