"""The history of a run in Dagster: what the command line finished is told to Dagster, each result once."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import dagster as dg

from assets.checks import EVERY, evaluation
from assets.cycle import cycles
from assets.errors import expected
from assets.orchestration import days, event, words
from assets.run import Run

Told = dg.AssetMaterialization | dg.AssetCheckEvaluation
UNJUDGED: tuple[type[Exception], ...] = (*expected(), KeyError)
"""What a check of an old result may meet."""
MANY = 1000
"""Results of one stage that are looked at, the newest first."""


def tell(instance: dg.DagsterInstance, run: Run) -> int:
    """Report every finished stage that Dagster does not know, oldest first, with its checks; and the days.

    Returns:
        How many events were told. Running it twice tells nothing twice.
    """
    count = 0
    for each in untold(instance, run):
        instance.report_runless_asset_event(each)
        count += 1
    return count


def untold(instance: dg.DagsterInstance, run: Run) -> Iterator[Told]:
    """The events of what was finished and is not known to Dagster, in the order in which it was finished."""
    known = _known(instance, run)
    for looked_at, stage in _finished(run):
        marker = looked_at.finished(stage)
        assert marker is not None
        if event.result(marker) in known:
            continue
        yield event.materialised(looked_at, stage)
        yield from _checked(looked_at, stage)
    yield from days.untold(instance, run)


def _finished(run: Run) -> list[tuple[Run, str]]:
    """Every stage of every cycle in which it ran, by the moment at which it finished."""
    found = []
    for cycle in cycles(run.directory):
        looked_at = run.looking_at(cycle.number)
        for file in cycle.directory.glob("stages/*.json"):
            marker = cycle.produced(file.stem)
            if marker is not None:
                found.append((str(marker["finished_at"]), cycle.number, file.stem, looked_at))
    return [(looked_at, stage) for _, _, stage, looked_at in sorted(found, key=lambda each: each[:3])]


def _known(instance: dg.DagsterInstance, run: Run) -> set[str]:
    """Results that Dagster has, by their names."""
    known: set[str] = set()
    for stage in {stage for _, stage in _finished(run)}:
        records = instance.fetch_materializations(dg.AssetKey(words.asset_name(stage)), limit=MANY).records
        for record in records:
            made = record.asset_materialization
            if made is not None:
                known.add((made.tags or {}).get(event.RESULT, ""))
    return known


def _checked(run: Run, stage: str) -> Iterator[dg.AssetCheckEvaluation]:
    newest = run.cycle is not None and run.cycle.number == cycles(run.directory)[-1].number
    for check in EVERY:
        if check.asset != words.asset_name(stage) or (check.at_once and not newest):
            continue
        try:
            yield evaluation(check, run)
        except UNJUDGED:  # what it reads is gone, or was recorded otherwise then
            continue


def state(run: Run) -> str:
    """Changes whenever a stage of the run has finished: the newest moment, and how many there are."""
    files: Iterable[Path] = run.directory.glob("cycles/*/stages/*.json")
    moments = [file.stat().st_mtime_ns for file in files]
    return f"{len(moments)} {max(moments, default=0)}"
