"""What the report's stage takes from a run."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assets import found, origins
from assets.recipe import Recipe
from assets.run import Run
from assets.stages.report import _commands


@dataclass(frozen=True)
class Opened(Run):
    """A run that knows its recipe's file."""

    recipe_file: str = "garden.toml"


def recipe(source: str = "world", **settings: Any) -> Recipe:
    return Recipe.model_validate({"source": source} | settings)


def test_the_commands_are_the_runs_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    opened = Opened(tmp_path / "my runs" / "tone", recipe("convai"), Path("/data/talks"), recipe_file="../garden.toml")
    (command,) = _commands(opened)
    words = ["loveloop", "run", "--recipe", "../garden.toml", "--data", "/data/talks", "--name", "tone", "--home"]
    assert shlex.split(command) == [*words, "my runs"]


def test_a_run_that_does_not_know_its_recipes_file_says_where_its_content_is(tmp_path: Path) -> None:
    kept, command = _commands(Run(tmp_path / "runs" / "tone", recipe()))
    assert str(tmp_path / "runs" / "tone" / "run.json") in kept
    assert shlex.split(command)[-4:] == ["--name", "tone", "--home", str(tmp_path / "runs")]


def test_seconds_stand_in_the_recipes_order_without_what_it_has_no_more(tmp_path: Path) -> None:
    run = Run(tmp_path, recipe(policy={"love_weights": [0.1]}))
    for name in ("report", "policy-0.3", "p_love", "ingest", "policy-0.1"):
        run.record(name, "key", 2.0, {"summary": name})
    assert list(found.seconds(run).items()) == [("ingest", 2.0), ("p_love", 2.0), ("policy-0.1", 2.0)]


def test_what_the_world_made_is_told_as_simulated(tmp_path: Path) -> None:
    mixed = recipe("warehouse", helpfulness={"labels": "world"}, safety={"labels": "thumbs.parquet"})
    told = {each.what: (each.origin, each.simulated) for each in origins.origins(Run(tmp_path, mixed))}
    assert told["events"] == ("the live warehouse", False)
    assert told["helpfulness labels"][1] is True
    assert told["training prompts"][1] is True
    assert told["safety labels"] == ("the file thumbs.parquet", False)


def test_a_live_run_on_the_logs_own_labels_has_nothing_simulated(tmp_path: Path) -> None:
    honest = recipe("warehouse", helpfulness={"labels": "reactions"}, safety=False)
    told = origins.origins(Run(tmp_path, honest))
    assert [each.what for each in told if each.simulated] == []
    assert "safety labels" not in {each.what for each in told}


def test_the_experiments_of_a_live_warehouse_are_not_all_the_runs_own(tmp_path: Path) -> None:
    run = Run(tmp_path, recipe("warehouse"))
    assert found.trials(run) == []
    read = {"decision": "continue", "lift": None, "lift_ci": [None, None], "srm_p": 1.0, "exposures": 0, "name": "ab-7"}
    run.record("experiment_readout", "key", 1.0, read)
    assert found.trials(run) == ["ab-7"]
    test = found.experiment(run)
    assert test is not None
    assert test.simulated is False
    assert json.loads((tmp_path / "stages" / "experiment_readout.json").read_text())["facts"] == read
