"""How a stage becomes a Dagster asset: the same function under the run's lock, with what it recorded as metadata."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import dagster as dg
from pydantic import Field

from assets import places
from assets.errors import expected
from assets.lock import RunHeldError, alone
from assets.orchestration import event, metadata, words
from assets.pipeline import anchored, keep, prepare, read_recipe, reopen
from assets.recipe import Recipe
from assets.run import Run, Stage, perform

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

    @classmethod
    def from_environment(cls) -> "RunResource":
        """LOVELOOP_HOME (runs), _RUN (demo), _RECIPE (the run's own), _DATA and _WAREHOUSE."""
        home = Path(os.environ.get("LOVELOOP_HOME", places.HOME))
        return cls(
            directory=str(home / os.environ.get("LOVELOOP_RUN", "demo")),
            recipe_file=os.environ.get("LOVELOOP_RECIPE"),
            data=os.environ.get("LOVELOOP_DATA"),
            live_warehouse=os.environ.get("LOVELOOP_WAREHOUSE"),
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


def as_asset(stage: Stage, *, live: bool) -> dg.AssetsDefinition:
    """One stage as one asset. Materialised by hand it runs anew, as a new version; jobs run only what is stale."""

    @dg.asset(
        name=words.asset_name(stage.name),
        deps=sorted(map(words.asset_name, stage.needs)),
        description=words.description(stage.name, stage.title),
        group_name=words.group(stage.name),
        kinds=words.kinds(stage.name),
        owners=words.OWNERS,
        tags={"loveloop/stage": stage.name},
        code_version=stage.code_version(),
        freshness_policy=words.freshness(stage.name, live=live),
    )
    def materialise(
        context: dg.AssetExecutionContext, config: StageConfig, run: RunResource
    ) -> dg.MaterializeResult[None]:
        opened = opened_or_failed(run)
        return held(
            opened, f"Dagster, asset {stage.name}", lambda: _materialise(context, opened, stage, anew=config.anew)
        )

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


def _materialise(
    context: dg.AssetExecutionContext, run: Run, stage: Stage, *, anew: bool
) -> dg.MaterializeResult[None]:
    keep(run)
    context.log.info("%s, in %s", stage.title, run.directory)
    for need in stage.needs:
        run.facts(need)  # clicks come in any order; without what it reads a stage would begin from nothing
    done = perform(run, stage, anew=anew)
    if done.why:
        context.log.info("cycle %d: %s", done.cycle, done.why)
    context.log.info("%s%s", done.facts.get("summary"), "" if done.ran else f" (kept from cycle {done.cycle})")
    for line in done.facts.get("shown", []):
        context.log.info(line)
    marker = run.finished(stage.name)
    assert marker is not None  # it was performed
    return dg.MaterializeResult(
        metadata=metadata.of_stage(run, stage.name) | {"ran": done.ran, "why": done.why or "nothing had changed"},
        data_version=dg.DataVersion(str(marker["version"])),
        tags=event.tags(run, stage.name),
    )
