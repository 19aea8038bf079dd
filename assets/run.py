"""A run: one directory, one recipe, and a history of cycles. Stages hand over files here and nowhere else."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from assets.cycle import Cycle, Marker, cycle, cycles, read_json
from assets.facts.stage_facts import Found, from_json
from assets.recipe import Recipe
from training.progress import Follow, nobody

RECIPE = "recipe.json"
"""In a cycle's folder: the recipe that it followed, when it was last worked on."""


@dataclass(frozen=True)
class Run:
    """Where a run keeps its things.

    Attributes:
        directory: `runs/NAME`; removing it removes the run.
        recipe: What to do, and how much of it.
        data: The user's data, for recipes that read some.
        recipe_file: The file that the recipe was read from, as it was given.
        at: The cycle that is looked at; None for the newest one.
        follow: Told how far a training is.
    """

    directory: Path
    recipe: Recipe
    data: Path | None = None
    recipe_file: str | None = None
    at: int | None = None
    follow: Follow = field(default=nobody, compare=False)

    @property
    def world(self) -> Path:
        """Events to send, and on a synthetic world their truth."""
        return self.directory / "world"

    @property
    def warehouse(self) -> str | Path:
        """The run's own DuckDB file, or the live warehouse that the recipe names."""
        return self.recipe.warehouse or self.own_warehouse

    @property
    def own_warehouse(self) -> Path:
        """The run's own DuckDB file, whether or not it is used."""
        return self.directory / "warehouse.duckdb"

    @property
    def cycle(self) -> Cycle | None:
        """The cycle that is looked at; None before the first one."""
        if self.at is not None:
            return cycle(self.directory, self.at)
        every = cycles(self.directory)
        return every[-1] if every else None

    @property
    def cycle_directory(self) -> Path:
        """Where the stages of the newest cycle write.

        Raises:
            FileNotFoundError: No cycle was opened yet.
        """
        found = self.cycle
        if found is None:
            raise FileNotFoundError(f"no cycle in {self.directory}; loveloop run opens the first one")
        return found.directory

    @property
    def models(self) -> Path:
        """Where this cycle writes the incumbent and the reward models, one directory each."""
        return self.cycle_directory / "models"

    def policy(self, love_weight: float) -> Path:
        """Where this cycle writes the policy optimised with that Love weight."""
        return self.cycle_directory / "policies" / f"love-{love_weight:g}"

    def relative(self, path: Path) -> str:
        """A path within the run as facts hold it."""
        return str(path.relative_to(self.directory))

    def place(self, stage: str) -> Path:
        """Where the result of a stage lies, in whichever cycle it was made."""
        return self.directory / str(self.recorded(stage)["place"])

    def facts(self, kind: type[Found], stage: str = "") -> Found:
        """What a stage recorded.

        Args:
            kind: Of facts; names the stage, where one stage alone records such.
            stage: The stage's name, where several do.

        Raises:
            FileNotFoundError: The stage has no result in this cycle.
            ValueError: It was recorded by a version that this one cannot read.
        """
        name = stage or kind.stage
        return from_json(kind, self.recorded(name), f"stage {name} of {self.directory}")

    def facts_or_none(self, kind: type[Found], stage: str = "") -> Found | None:
        """As `facts`; None where the stage has no result in this cycle."""
        return self.facts(kind, stage) if self.finished(stage or kind.stage) else None

    def recorded(self, stage: str) -> dict[str, Any]:
        """What a stage recorded, as JSON: for whoever shows it as it is.

        Paths in it are relative to the run's directory, so that a copied or moved run reads its own files.

        Raises:
            FileNotFoundError: The stage has no result in this cycle.
        """
        marker = self.finished(stage)
        if marker is None:
            where = f"cycle {self.cycle.number} of {self.directory}" if self.cycle else f"{self.directory}"
            raise FileNotFoundError(
                f"stage {stage} has not run in {where}; run it first (loveloop run goes on where it was)"
            )
        return dict(marker["facts"])

    def finished(self, stage: str) -> Marker | None:
        """The marker of a stage that has a result in this cycle, or None."""
        return self.cycle.finished(stage) if self.cycle else None

    def seconds(self) -> dict[str, float]:
        """Seconds that each stage took that ran in this cycle, in the order in which they finished."""
        markers = [self.cycle.produced(name) for name in self.cycle.stages()] if self.cycle else []
        ran = [marker for marker in markers if marker is not None]
        return {each["stage"]: each["seconds"] for each in sorted(ran, key=lambda each: str(each["finished_at"]))}

    def looking_at(self, number: int) -> "Run":
        """The same run as it was in an earlier cycle, under that cycle's recipe."""
        kept = cycle(self.directory, number).directory / RECIPE
        recipe = Recipe.kept(read_json(kept)) if kept.exists() else self.recipe
        return replace(self, recipe=recipe, at=number)
