"""The stages in order, and how a run follows them. The table of contents of the whole loop."""

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assets import places, preflight, recipe_errors
from assets.cycle import LAST, cycle, read_json, write_json
from assets.lock import alone
from assets.recipe import Recipe, RewardSection
from assets.run import Run
from assets.stage import Performed, Stage, perform
from assets.stages import (
    adversary,
    candidate,
    evaluation,
    experiment,
    feedback,
    ingest,
    models,
    policy,
    report,
    retention,
    source,
)

RECORD = "run.json"
"""In a run's directory: what it follows."""


def stages(recipe: Recipe) -> tuple[Stage, ...]:
    """Every stage of a recipe, in an order in which each finds what it needs."""
    sweep = tuple(policy.stage(weight, recipe) for weight in recipe.policy.love_weights)
    trial = experiment.stages(recipe)
    return (
        source.STAGE,
        ingest.STAGE,
        adversary.STAGE,
        feedback.CLEAN,
        feedback.TRAINING_SET,
        models.INCUMBENT,
        *(models.labelled(name) for name in recipe.labelled()),
        models.P_LOVE,
        *([retention.STAGE] if recipe.policy.retention else []),
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


def prepare(directory: Path, recipe: Path, data: Path | None, warehouse: str | Path | None = None) -> Run:
    """Open a run's directory under a recipe; the recipe is kept beside the results.

    Args:
        directory: The run's; made when it is not there.
        recipe: TOML.
        data: The user's data, for recipes that read some.
        warehouse: The live warehouse, for source `warehouse`; goes before the one that the recipe names, and without
            either it is `places.WAREHOUSE`.

    Raises:
        ValueError: The recipe is wrong, or what it needs is not given.
        RunHeldError: The run has another recipe or other data, and somebody works in it.
    """
    wanted = anchored(read_recipe(recipe), warehouse)
    run = Run(directory.resolve(), wanted, data.resolve() if data else None, str(recipe))
    if wanted.source == "convai" and run.data is None:
        raise ValueError(f"recipe {recipe} reads {wanted.source} data; say where it lies with --data DIR")
    _same_source(run)
    run.directory.mkdir(parents=True, exist_ok=True)
    if not (run.directory / RECORD).exists():
        keep(run)
    return run


def keep(run: Run) -> None:
    """Note the recipe that a run follows from now on; whoever holds the run may do so."""
    opened = {
        "recipe": run.recipe.model_dump(mode="json"),
        "recipe_file": run.recipe_file,
        "data": str(run.data) if run.data else None,
    }
    write_json(run.directory / RECORD, opened)


def _same_source(run: Run) -> None:
    """Refuse events of another source beside those that the run's warehouse and its cycles hold already."""
    file = run.directory / RECORD
    if run.cycle is None or not file.exists():
        return
    source = dict(read_json(file, "recipe")["recipe"]).get("source")
    if source != run.recipe.source:
        raise ValueError(
            f"{run.directory} is a run of source {source!r} and the recipe's source is {run.recipe.source!r}: a run "
            "keeps its events and its history; give this recipe a run of its own with another --name"
        )


def anchored(recipe: Recipe, warehouse: str | Path | None) -> Recipe:
    """The recipe with absolute paths, so that a run finds them whatever folder it is continued from.

    Args:
        recipe: As it was read.
        warehouse: As in `prepare`.
    """
    changed: dict[str, Any] = {}
    if recipe.source == "warehouse":
        target = str(warehouse or recipe.warehouse or places.WAREHOUSE)
        changed["warehouse"] = target if target.startswith("ducklake:") else str(Path(target).absolute())
    changed["incumbent"] = recipe.incumbent.model_copy(update={"base": _anchored(recipe.incumbent.base)})
    changed["policy"] = recipe.policy.model_copy(
        update={"judge": {n: _placed(s) for n, s in recipe.policy.judge.items()}}
    )
    rewards: list[tuple[str, RewardSection]] = [("p_love", recipe.p_love), *recipe.labelled().items()]
    for name, wanted in rewards:
        found = {"base": _anchored(wanted.base), "labels": _anchored(wanted.labels)}
        changed[name] = wanted.model_copy(update=found)
    return recipe.model_copy(update=changed)


def _placed(settings: dict[str, Any]) -> dict[str, Any]:
    """A judge's settings with an absolute path, where they name a file or folder by a relative one."""
    paths = {key: str(settings[key]) for key in ("model", "cache") if "/" in str(settings.get(key, ""))}
    return settings | {key: _anchored(path) for key, path in paths.items()}


def _anchored(named: str | None) -> str | None:
    """An absolute path where a file or folder of that name lies; else the name as it is (a hub name, `judge` ...)."""
    words = (None, "incumbent", "minilm", "world", "reactions", "judge")
    return str(Path(str(named)).absolute()) if named not in words and Path(str(named)).exists() else named


def reopen(directory: Path) -> Run:
    """The run that lies in a directory.

    Raises:
        FileNotFoundError: None does.
    """
    opened = directory / RECORD
    if not opened.exists():
        raise FileNotFoundError(
            f"no run in {directory} (run.json is missing); start one with loveloop demo or loveloop run"
        )
    text = read_json(opened, "recipe", "data")
    data = Path(text["data"]) if text["data"] else None
    try:
        recipe = Recipe.kept(text["recipe"])
    except ValidationError as error:
        raise ValueError(
            f"{opened} keeps a recipe that this version cannot read: {recipe_errors.words(error, Recipe)}; run the "
            "loop with a recipe of this version to go on"
        ) from None
    return Run(directory.resolve(), recipe, data, text.get("recipe_file"))


def until_candidate(recipe: Recipe) -> tuple[Stage, ...]:
    """The stages of a sweep; the cycle stays open, and `loveloop run` goes on in it to the A/B test."""
    every = stages(recipe)
    return every[: every.index(candidate.STAGE) + 1]


def follow(
    run: Run, *, say: Callable[[str], object], who: str = "loveloop run", every: Sequence[Stage] | None = None
) -> None:
    """Bring every stage up to date, telling what happens: unfinished work goes on, new feedback opens a new cycle.

    A cycle that was interrupted ends with the feedback that it began with; what came in since is learnt from in the
    next one, and said at the end.

    Args:
        run: The run.
        say: Told what happens.
        who: What others are told that holds the run.
        every: The stages to follow; all of the recipe's, where none are given.

    Raises:
        RunHeldError: Another process works in this run.
        ValueError: Something that the recipe needs is not there; said before the first stage.
    """
    every = every or stages(run.recipe)
    with alone(run.directory, who):
        resumes = run.cycle is not None and not run.cycle.ended
        preflight.check(run)
        keep(run)
        for number, stage in enumerate(every, start=1):
            say(f"[{number}/{len(every)}] {stage.title}")
            done = perform(run, stage, snapshot=resumes)
            _tell(done, run, stage, say)
        assert run.cycle is not None  # perform opened one
        seconds = sum(run.seconds().values())
        ended = every[-1].name == LAST
        said = f"report: {run.directory / 'report.html'}" if ended else f"up to {every[-1].name}"
        say(f"\ncycle {run.cycle.number}, {said}   ({seconds:.0f} s in all)")
        if resumes and any(stage.key(run).digest != _marked(run, stage) for stage in every):
            say("there is new feedback since this cycle began: run the same command again to learn from it")


def _tell(done: Performed, run: Run, stage: Stage, say: Callable[[str], object]) -> None:
    newest = run.cycle.number if run.cycle else 0
    kept = "kept from before" if done.cycle == newest else f"kept from cycle {done.cycle}"
    took = f"{run.seconds()[stage.name]:.1f} s" if done.ran else kept
    if done.why:
        say(f"        cycle {newest}: {done.why}")
    say(f"        {done.recorded.get('summary', '')}  ({took})")
    for line in done.recorded.get("shown", []):
        say(f"        {line}")


def _marked(run: Run, stage: Stage) -> str | None:
    marker = run.finished(stage.name)
    return marker["key"] if marker else None


def at_cycle(run: Run, number: int) -> Run:
    """The run as it was in an earlier cycle.

    Raises:
        ValueError: There is no such cycle.
    """
    if not (cycle(run.directory, number).directory / "cycle.json").exists():
        raise ValueError(f"no cycle {number} in {run.directory}; loveloop report {run.directory} shows the newest one")
    return run.looking_at(number)
