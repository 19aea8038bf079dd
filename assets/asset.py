"""How a stage becomes a Dagster asset: same function, with row counts, figures and a plot in the metadata."""

import base64
import os
from pathlib import Path
from typing import Any

import dagster as dg

from assets import places
from assets.lock import alone
from assets.pictures import picture
from assets.pipeline import prepare, read_recipe, reopen
from assets.recipe import Recipe
from assets.run import Facts, Run, Stage, perform
from assets.stages import policy

RECIPES = Path(__file__).resolve().parents[1] / "deploy" / "recipes"


class RunResource(dg.ConfigurableResource[Run]):
    """The run directory that the assets work in.

    Attributes:
        directory: Holds the run; made with the recipe when it is not there yet.
        recipe_file: TOML; None takes the run's own, and for a new run the demo's.
        data: The user's data, for recipes that read some.
    """

    directory: str
    recipe_file: str | None = None
    data: str | None = None

    @classmethod
    def from_environment(cls) -> "RunResource":
        """LOVELOOP_HOME (runs), LOVELOOP_RUN (demo), LOVELOOP_RECIPE (the run's own) and LOVELOOP_DATA."""
        home = Path(os.environ.get("LOVELOOP_HOME", places.HOME))
        return cls(
            directory=str(home / os.environ.get("LOVELOOP_RUN", "demo")),
            recipe_file=os.environ.get("LOVELOOP_RECIPE"),
            data=os.environ.get("LOVELOOP_DATA"),
        )

    def recipe(self) -> Recipe:
        """The recipe that the run has, or will be opened with; touches nothing."""
        return reopen(Path(self.directory)).recipe if self._resumes() else read_recipe(self._recipe_file())

    def open(self) -> Run:
        """The run, opened with its recipe; its directory is made on first use."""
        directory = Path(self.directory)
        if self._resumes():
            return reopen(directory)
        return prepare(directory, self._recipe_file(), Path(self.data) if self.data else None)

    def _resumes(self) -> bool:
        return self.recipe_file is None and (Path(self.directory) / "run.json").exists()

    def _recipe_file(self) -> Path:
        return Path(self.recipe_file) if self.recipe_file else RECIPES / "demo.toml"


def as_asset(stage: Stage, sweep: frozenset[str] = frozenset()) -> dg.AssetsDefinition:
    """One stage as one asset; `sweep` names the stages that live in the partitioned asset `policy`."""

    @dg.asset(
        name=stage.name,
        deps=_upstream(stage, sweep),
        description=stage.title,
        group_name=_group(stage),
        kinds={"python"},
    )
    def materialise(run: RunResource) -> dg.MaterializeResult[None]:
        opened = run.open()
        facts = _perform(opened, stage)
        return dg.MaterializeResult(metadata=_metadata(opened, stage.name, facts))

    return materialise


def policy_asset(recipe: Recipe) -> dg.AssetsDefinition:
    """The sweep: one asset, one partition for each Love weight."""
    every = {f"{weight:g}": policy.stage(weight, recipe) for weight in recipe.policy.love_weights}
    first = next(iter(every.values()))

    @dg.asset(
        name="policy",
        deps=list(first.needs),
        partitions_def=dg.StaticPartitionsDefinition(list(every)),
        description="policies: CRRAFT under judges, one for each Love weight",
        group_name="training",
        kinds={"python", "torch"},
    )
    def materialise(context: dg.AssetExecutionContext, run: RunResource) -> dg.MaterializeResult[None]:
        opened = run.open()
        stage = every[context.partition_key]
        facts = _perform(opened, stage)
        return dg.MaterializeResult(metadata=_metadata(opened, stage.name, facts))

    return materialise


def _perform(run: Run, stage: Stage) -> Facts:
    with alone(run.directory, f"Dagster, asset {stage.name}"):
        return perform(run, stage, anew=True).facts


def _upstream(stage: Stage, sweep: frozenset[str]) -> list[str]:
    return sorted({"policy" if name in sweep else name for name in stage.needs})


def _group(stage: Stage) -> str:
    groups = {"events": "feedback", "ingest": "feedback", "clean_feedback": "feedback", "training_set": "feedback"}
    launch = {"offline_evaluation", "candidate", "exposures", "experiment_readout", "lift_ledger", "report"}
    return groups.get(stage.name, "launch" if stage.name in launch else "training")


def _metadata(run: Run, stage: str, facts: Facts) -> dict[str, Any]:
    shown: dict[str, Any] = {key: value for key, value in facts.items() if isinstance(value, str | int | float | bool)}
    if isinstance(facts.get("rows"), int):
        shown["dagster/row_count"] = facts["rows"]
    image = picture(run, stage)
    if image:
        shown["plot"] = dg.MetadataValue.md(f"![{stage}](data:image/png;base64,{base64.b64encode(image).decode()})")
    return shown
