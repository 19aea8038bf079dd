"""A run: one directory, one recipe, and what each stage recorded. Stages hand over files here and nowhere else."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assets.recipe import Recipe

Facts = dict[str, Any]
"""What a stage found: JSON values that the report, the command line and Dagster's metadata show."""


@dataclass(frozen=True)
class Run:
    """Where a run keeps its things.

    Attributes:
        directory: `runs/NAME`; removing it removes the run.
        recipe: What to do, and how much of it.
        data: The user's data, for recipes that read some.
    """

    directory: Path
    recipe: Recipe
    data: Path | None = None

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
    def models(self) -> Path:
        """The incumbent and the reward models, one directory each."""
        return self.directory / "models"

    def policy(self, love_weight: float) -> Path:
        """The policy optimised with that Love weight."""
        return self.directory / "policies" / f"love-{love_weight:g}"

    def facts(self, stage: str) -> Facts:
        """What a stage recorded.

        Raises:
            FileNotFoundError: The stage has not run here.
        """
        marker = self._marker(stage)
        if not marker.exists():
            raise FileNotFoundError(
                f"stage {stage} has not run in {self.directory}; run it first (loveloop run goes on where it was)"
            )
        facts: Facts = json.loads(marker.read_text())["facts"]
        return facts

    def seconds(self) -> dict[str, float]:
        """Seconds that each finished stage took, in the order in which they finished."""
        markers = [json.loads(path.read_text()) for path in (self.directory / "stages").glob("*.json")]
        return {each["stage"]: each["seconds"] for each in sorted(markers, key=lambda each: str(each["finished_at"]))}

    def _marker(self, stage: str) -> Path:
        return self.directory / "stages" / f"{stage}.json"

    def finished(self, stage: str) -> Mapping[str, Any] | None:
        """The marker of a finished stage, or None."""
        marker = self._marker(stage)
        return json.loads(marker.read_text()) if marker.exists() else None

    def record(self, stage: str, key: str, seconds: float, facts: Facts) -> None:
        """Note that a stage finished; written whole or not at all."""
        marker = self._marker(stage)
        marker.parent.mkdir(parents=True, exist_ok=True)
        finished_at = datetime.now(UTC).isoformat()
        content = {"stage": stage, "key": key, "seconds": round(seconds, 2), "finished_at": finished_at, "facts": facts}
        text = json.dumps(content, indent=1, default=_json)
        part = marker.with_suffix(".part")
        part.write_text(text)
        part.replace(marker)


@dataclass(frozen=True)
class Stage:
    """One step of the loop, the same for the command line and for Dagster.

    Attributes:
        name: Also the marker's file name.
        title: What a person reads while it runs.
        work: Does it; whatever it left half-done the last time, it mends or does again.
        needs: Stages whose results it reads; when one of them runs anew, so does this.
        settings: The part of the recipe that it obeys.
    """

    name: str
    title: str
    work: Callable[[Run], Facts]
    needs: tuple[str, ...] = ()
    settings: Callable[[Recipe], Any] = lambda recipe: recipe.seed

    def key(self, run: Run) -> str:
        """Changes when the stage's settings or anything upstream changed, so that stale results cannot hide."""
        upstream = {name: (run.finished(name) or {}).get("key") for name in self.needs}
        seen = json.dumps([run.recipe.seed, _plain(self.settings(run.recipe)), upstream], sort_keys=True, default=str)
        return hashlib.sha256(seen.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "item"):  # a number of numpy's
        return value.item()
    raise TypeError(f"{value!r} is no JSON value, facts hold plain ones")


def perform(run: Run, stage: Stage, *, again: bool = False) -> tuple[Facts, bool]:
    """Run a stage unless it has finished with the same settings and inputs.

    Returns:
        What it recorded, and whether it ran just now.
    """
    key = stage.key(run)
    marker = run.finished(stage.name)
    if marker is not None and marker["key"] == key and not again:
        return dict(marker["facts"]), False
    started = time.perf_counter()
    facts = stage.work(run)
    run.record(stage.name, key, time.perf_counter() - started, facts)
    return run.facts(stage.name), True
