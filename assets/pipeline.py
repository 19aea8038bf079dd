"""The stages in order, and how a run follows them. The table of contents of the whole loop."""

import fcntl
import json
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from assets import recipe_errors
from assets.recipe import Recipe
from assets.run import Run, Stage, perform
from assets.stages import adversary, candidate, evaluation, experiment, feedback, ingest, models, policy, report, source


def stages(recipe: Recipe) -> tuple[Stage, ...]:
    """Every stage of a recipe, in an order in which each finds what it needs."""
    sweep = tuple(policy.stage(weight) for weight in recipe.policy.love_weights)
    trial = (experiment.EXPOSURES, experiment.READOUT, experiment.LEDGER) if recipe.experiment else ()
    return (
        source.STAGE,
        ingest.STAGE,
        adversary.STAGE,
        feedback.CLEAN,
        feedback.TRAINING_SET,
        models.INCUMBENT,
        models.HELPFULNESS,
        *((models.SAFETY,) if recipe.safety else ()),
        models.P_LOVE,
        *sweep,
        evaluation.stage(tuple(each.name for each in sweep)),
        candidate.STAGE,
        *trial,
        report.stage(trial[-1].name if trial else candidate.STAGE.name),
    )


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ValueError: What is wrong, and where, in the recipe's own words.
    """
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text()))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise ValueError(f"{path}: {recipe_errors.words(error, Recipe)}") from None


def prepare(directory: Path, recipe: Path, data: Path | None) -> Run:
    """Open a run's directory under a recipe; the recipe is kept beside the results."""
    run = Run(directory.resolve(), read_recipe(recipe), data.resolve() if data else None)
    if run.recipe.source == "convai" and run.data is None:
        raise ValueError(f"recipe {recipe} reads {run.recipe.source} data; say where it lies with --data DIR")
    run.directory.mkdir(parents=True, exist_ok=True)
    opened = {"recipe": run.recipe.model_dump(mode="json"), "data": str(run.data) if run.data else None}
    (run.directory / "run.json").write_text(json.dumps(opened, indent=1))
    return run


def reopen(directory: Path) -> Run:
    """The run that lies in a directory.

    Raises:
        FileNotFoundError: None does.
    """
    opened = directory / "run.json"
    if not opened.exists():
        raise FileNotFoundError(
            f"no run in {directory} (run.json is missing); start one with loveloop demo or loveloop run"
        )
    text = json.loads(opened.read_text())
    return Run(directory.resolve(), Recipe.model_validate(text["recipe"]), Path(text["data"]) if text["data"] else None)


def follow(run: Run, *, say: Callable[[str], object]) -> None:
    """Run every stage that has not finished yet, telling what happens.

    Raises:
        ValueError: Another process follows this run.
    """
    every = stages(run.recipe)
    with alone(run.directory):
        for number, stage in enumerate(every, start=1):
            say(f"[{number}/{len(every)}] {stage.title}")
            facts, ran = perform(run, stage)
            took = f"{run.seconds()[stage.name]:.1f} s" if ran else "kept from before"
            say(f"        {facts['summary']}  ({took})")
            for line in facts.get("shown", []):
                say(f"        {line}")
    say(f"\nreport: {run.directory / 'report.html'}   ({sum(run.seconds().values()):.0f} s in all)")


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Keep other processes from following the run in this directory until the block ends.

    Raises:
        ValueError: Another one does.
    """
    with (directory / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another process follows the run in {directory}; wait for it, or give this one another --name"
            ) from None
        yield
