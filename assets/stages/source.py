"""Where a run's events come from: the synthetic world, rated dialogues, or the live warehouse (nothing to do)."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.cycle import cycles
from assets.facts.feedback import EventsFacts
from assets.recipe import Recipe
from assets.run import Run
from assets.stage import Stage, source_digest

if TYPE_CHECKING:
    from streams.synthetic.config import WorldConfig


def events_file(run: Run) -> Path:
    """The event lines that the ingest stage sends."""
    return run.world / "events.ndjson"


def _events(run: Run) -> EventsFacts:
    match run.recipe.source:
        case "world":
            return _simulate(run)
        case "convai":
            return _convai(run)
        case "warehouse":
            from warehouse import connection

            return EventsFacts(
                summary=f"reads the live warehouse {connection.open(run.warehouse).name}",
                origin={
                    "source": "warehouse",
                    "words": f"events of the product in the live warehouse {_place(run)}",
                    "simulated": False,
                },
            )


def _place(run: Run) -> str:
    """The warehouse's address without what may be secret in a lake's keywords."""
    target = str(run.warehouse)
    return "(a DuckLake)" if target.startswith("ducklake:") else target


def _simulate(run: Run) -> EventsFacts:
    from streams.synthetic.world import simulate

    _same_world(run)
    amounts = asdict(simulate(world_config(run), run.world))
    return EventsFacts(
        summary=f"{amounts['events']:,} event lines for {amounts['responses']:,} responses",
        amounts=amounts,
        world=_dials(run.recipe),
        origin={"source": "world", "words": "the simulated world's users", "simulated": True},
    )


def _same_world(run: Run) -> None:
    """Refuse another world beside the events of an earlier one: the run's warehouse holds those and keeps them."""
    for each in cycles(run.directory):
        marker = each.produced("events")
        if marker and marker["facts"].get("world", _dials(run.recipe)) != _dials(run.recipe):
            raise ValueError(
                f"the warehouse of {run.directory} holds the events of another world (seed or [world] of the recipe "
                "changed), and a run keeps its warehouse; give this world a run of its own with another --name"
            )


def _dials(recipe: Recipe) -> Any:
    return {"seed": recipe.seed, **recipe.world.model_dump(mode="json")}


def world_config(run: Run) -> "WorldConfig":
    """The synthetic world of a run."""
    from streams.synthetic.config import WorldConfig

    return WorldConfig(seed=run.recipe.seed, **run.recipe.world.model_dump())


def _convai(run: Run) -> EventsFacts:
    from streams import convai

    assert run.data is not None  # prepare() refuses such a run
    run.world.mkdir(parents=True, exist_ok=True)
    report = convai.write_events(run.data, events_file(run))
    return EventsFacts(
        summary=f"{report.events:,} event lines from {report.dialogues:,} dialogues",
        amounts=report._asdict(),
        origin={
            "source": "convai",
            "words": f"ConvAI's rated dialogues ({report.dialogues:,})",
            "simulated": False,
        },
    )


def _inputs(run: Run) -> Any:
    """The code that makes the events, where they are made here, and the dialogues that they are made from."""
    modules = {"world": "streams.synthetic", "convai": "streams.convai", "warehouse": None}
    module = modules[run.recipe.source]
    code = source_digest(module) if module else None
    return [code, _dialogues(run)] if run.recipe.source == "convai" else code


def _dialogues(run: Run) -> str | None:
    from streams.convai import sources

    content = [file.read_bytes() for file in sources(run.data)] if run.data else []
    return hashlib.sha256(b"".join(content)).hexdigest() if content else None


STAGE = Stage(
    "events",
    "events: what users were shown, and how they reacted",
    _events,
    settings=lambda recipe: [recipe.source, recipe.world, recipe.warehouse],
    inputs=_inputs,
)
