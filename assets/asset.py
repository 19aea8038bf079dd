"""How a stage becomes a Dagster asset: the same function under the run's lock, with what it recorded as metadata."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION as TOLD_ALREADY
from pydantic import Field

from assets import places
from assets.errors import expected
from assets.lock import RunHeldError, alone
from assets.orchestration import elsewhere, event, words
from assets.orchestration.live import Live
from assets.pipeline import anchored, keep, prepare, read_recipe, reopen
from assets.recipe import Recipe
from assets.run import Run
from assets.stage import Performed, Stage, perform
from training.progress import Sparsely

RECIPES = Path(__file__).resolve().parents[1] / "deploy" / "recipes"
Result = TypeVar("Result")


class RunResource(dg.ConfigurableResource[Run]):
    """The run that the assets work in."""

    directory: str = Field(description="Holds the run; made with the recipe when it is not there yet.")
    recipe_file: str | None = Field(
        None, description="A recipe (TOML). Empty: the run's own, for a new run the demo's."
    )
    data: str | None = Field(None, description="Your data, for recipes that read some.")
    live_warehouse: str | None = Field(
        None, description="The live warehouse, for recipes that read one; goes before the recipe's."
    )
    python: str | None = Field(
        None, description="Python of the environment that trains. Empty: Dagster's own trains what fits one process."
    )

    @classmethod
    def from_environment(cls) -> "RunResource":
        """LOVELOOP_HOME (runs), _RUN (demo), _RECIPE (the run's own), _DATA, _WAREHOUSE and _PYTHON."""
        home = Path(os.environ.get("LOVELOOP_HOME", places.HOME))
        return cls(
            directory=str(home / os.environ.get("LOVELOOP_RUN", "demo")),
            recipe_file=os.environ.get("LOVELOOP_RECIPE"),
            data=os.environ.get("LOVELOOP_DATA"),
            live_warehouse=os.environ.get("LOVELOOP_WAREHOUSE"),
            python=os.environ.get("LOVELOOP_PYTHON"),
        )

    def recipe(self) -> Recipe:
        """The recipe that the run has, or will be opened with; touches nothing."""
        if self._resumes():
            return reopen(Path(self.directory)).recipe
        return anchored(read_recipe(self._recipe_file()), self.live_warehouse)

    def seen(self) -> Run:
        """The run as it lies there, without opening it: for whoever only looks."""
        directory = Path(self.directory)
        return reopen(directory) if (directory / "run.json").exists() else Run(directory.resolve(), self.recipe())

    def open(self) -> Run:
        """The run, opened with its recipe; its directory is made on first use."""
        directory = Path(self.directory)
        if self._resumes():
            return reopen(directory)
        data = Path(self.data) if self.data else None
        return prepare(directory, self._recipe_file(), data, self.live_warehouse)

    def _resumes(self) -> bool:
        return self.recipe_file is None and (Path(self.directory) / "run.json").exists()

    def _recipe_file(self) -> Path:
        return Path(self.recipe_file) if self.recipe_file else RECIPES / "demo.toml"


class StageConfig(dg.Config):
    """How a stage is brought up to date."""

    anew: bool = Field(
        True, description="Run it whatever its key says, as a new version. False: only when something it reads changed."
    )


def as_assets(stages: Iterable[Stage], *, live: bool) -> list[dg.AssetsDefinition]:
    """Every stage as an asset; the policies of the sweep are the partitions of one, by Love weight."""
    groups = groupby(stages, key=lambda stage: words.asset_name(stage.name))
    return [_as_asset(name, tuple(every), live=live) for name, every in groups]


def _as_asset(name: str, stages: Sequence[Stage], *, live: bool) -> dg.AssetsDefinition:
    """One asset. Materialised by hand its stages run anew, as new versions; jobs run only what is stale.

    Args:
        name: The asset's.
        stages: The one that makes it, or one for each of its partitions; those differ in a setting alone.
        live: The run reads a live warehouse.
    """
    first = stages[0]
    parts = [key for stage in stages if (key := words.partition(stage.name))]

    @dg.asset(
        name=name,
        deps=sorted({words.asset_name(need) for need in first.needs}),
        description=words.description(first.name, first.title),
        group_name=words.group(first.name),
        kinds=words.kinds(first.name),
        owners=words.OWNERS,
        tags={"loveloop/stage": name},
        code_version=first.code_version(),
        freshness_policy=words.freshness(first.name, live=live),
        partitions_def=dg.StaticPartitionsDefinition(parts) if parts else None,
        backfill_policy=dg.BackfillPolicy.single_run() if parts else None,
    )
    def materialise(
        context: dg.AssetExecutionContext, config: StageConfig, run: RunResource
    ) -> dg.MaterializeResult[None]:
        opened = opened_or_failed(run)
        if not parts:
            return _whole(context, opened, first, run, anew=config.anew)
        wanted = [stage for stage in stages if words.partition(stage.name) in context.partition_keys]
        return _partitions(context, opened, wanted, run, anew=config.anew)

    return materialise


def held(run: Run, who: str, work: Callable[[], Result]) -> Result:
    """Do some work as the only one in the run's directory.

    Raises:
        Failure: Somebody else works there (may be tried again), or the work failed (is not tried again: what a stage
            needs does not come by waiting, and training twice costs).
    """
    try:
        with alone(run.directory, who):
            return work()
    except RunHeldError as error:
        raise dg.Failure(str(error), allow_retries=True) from None
    except dg.Failure:
        raise
    except expected() as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except Exception as error:
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error


def opened_or_failed(run: RunResource) -> Run:
    """The run, opened.

    Raises:
        Failure: Its recipe is wrong, or what it needs is not given.
    """
    try:
        return run.open()
    except expected() as error:
        raise dg.Failure(str(error), allow_retries=isinstance(error, RunHeldError)) from error


def _whole(
    context: dg.AssetExecutionContext, run: Run, stage: Stage, resource: RunResource, *, anew: bool
) -> dg.MaterializeResult[None]:
    made = _made(context, run, stage, resource, anew=anew)
    tags = made.tags or {}
    told = {name: value for name, value in tags.items() if name.startswith(event.OURS)}
    return dg.MaterializeResult(
        metadata=dict(made.metadata), data_version=dg.DataVersion(tags[DATA_VERSION_TAG]), tags=told
    )


def _partitions(
    context: dg.AssetExecutionContext, run: Run, stages: Sequence[Stage], resource: RunResource, *, anew: bool
) -> dg.MaterializeResult[None]:
    """Make partitions one after the other, each told as soon as it is there; one that fails does not stop the others.

    Each has a version of its own, and the result of a step has one alone: so the step's own result tells nothing more.

    Raises:
        Failure: Some failed, or somebody else works in the run.
    """
    failed: dict[str, dg.Failure] = {}
    for stage in stages:
        try:
            context.log_event(_made(context, run, stage, resource, anew=anew))
        except dg.Failure as failure:
            if failure.allow_retries:
                raise
            context.log.error("%s: %s", stage.name, failure.description)
            failed[stage.name] = failure
    if failed:
        raise dg.Failure("; ".join(f"{name}: {each.description}" for name, each in failed.items()), allow_retries=False)
    return dg.MaterializeResult(metadata={TOLD_ALREADY: True})


def _made(
    context: dg.AssetExecutionContext, run: Run, stage: Stage, resource: RunResource, *, anew: bool
) -> dg.AssetMaterialization:
    """Bring a stage up to date, in this process or in one of its own, and say what it came to.

    Raises:
        Failure: As `held`.
    """
    who = f"Dagster, asset {words.asset_name(stage.name)}"
    live = Live(context, stage.name)

    def here() -> dg.AssetMaterialization:
        _ready(context, run, stage)
        done = perform(replace(run, follow=Sparsely(live)), stage, anew=anew)
        return _told(context, run, stage, done)

    if not elsewhere.wanted(stage.name, run.recipe, resource.python):
        return held(run, who, here)
    held(run, who, lambda: _ready(context, run, stage))
    done = elsewhere.perform(context, run, stage, live, anew=anew, python=resource.python)
    return _told(context, run.looking_at(done.newest), stage, done.performed)


def _ready(context: dg.AssetExecutionContext, run: Run, stage: Stage) -> None:
    """Note the recipe, and see that what the stage reads is there: clicks come in any order."""
    keep(run)
    context.log.info("%s, in %s", stage.title, run.directory)
    for need in stage.needs:
        run.recorded(need)  # without what it reads a stage would begin from nothing


def _told(context: dg.AssetExecutionContext, run: Run, stage: Stage, done: Performed) -> dg.AssetMaterialization:
    if done.why:
        context.log.info("cycle %d: %s", done.cycle, done.why)
    context.log.info("%s%s", done.recorded.get("summary"), "" if done.ran else f" (kept from cycle {done.cycle})")
    for line in done.recorded.get("shown", []):
        context.log.info(line)
    return event.materialised(run, stage.name, ran=done.ran, why=done.why or "nothing had changed")
