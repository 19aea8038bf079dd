"""Where a run's events come from: the synthetic world, rated dialogues, or the live warehouse (nothing to do)."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from assets.run import Facts, Run, Stage

if TYPE_CHECKING:
    from streams.synthetic.config import WorldConfig


def events_file(run: Run) -> Path:
    """The event lines that the ingest stage sends."""
    return run.world / "events.ndjson"


def _events(run: Run) -> Facts:
    match run.recipe.source:
        case "world":
            return _simulate(run)
        case "convai":
            return _convai(run)
        case "warehouse":
            return {"summary": f"reads the live warehouse {run.warehouse}"}


def _simulate(run: Run) -> Facts:
    from streams.synthetic.world import simulate

    amounts = asdict(simulate(world_config(run), run.world))
    return {"summary": f"{amounts['events']:,} event lines for {amounts['responses']:,} responses", "amounts": amounts}


def world_config(run: Run) -> "WorldConfig":
    """The synthetic world of a run."""
    from streams.synthetic.config import WorldConfig

    return WorldConfig(seed=run.recipe.seed, **run.recipe.world.model_dump())


def _convai(run: Run) -> Facts:
    from streams import convai

    assert run.data is not None  # prepare() refuses such a run
    run.world.mkdir(parents=True, exist_ok=True)
    report = convai.write_events(run.data, events_file(run))
    return {
        "summary": f"{report.events:,} event lines from {report.dialogues:,} dialogues",
        "amounts": report._asdict(),
    }


STAGE = Stage(
    "events",
    "events: what users were shown, and how they reacted",
    _events,
    settings=lambda recipe: [recipe.source, recipe.world],
)
