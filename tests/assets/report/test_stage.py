"""What the report's stage takes from a run."""

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assets import provenance, report_facts
from assets.cycle import open_cycle, write_json
from assets.recipe import Recipe
from assets.run import Run
from assets.stages.report import _commands


def finish(run: Run, stage: str, facts: dict[str, Any], seconds: float = 2.0) -> None:
    """Leave the marker of a finished stage in the newest cycle; `facts` may be an earlier version's."""
    cycle = run.cycle or open_cycle(run.directory, "first", {})
    marker = {"stage": stage, "key": "k", "parts": {}, "version": "k", "needs": [], "seconds": seconds}
    write_json(cycle.marker_file(stage), {**marker, "finished_at": datetime.now(UTC).isoformat(), "facts": facts})


MANIFEST = dict.fromkeys(("first_served_at", "last_served_at", "as_of", "created_at"), "2026-03-01T00:00:00Z") | {
    "directory": "training-sets/0123",
    "maturity_hours": 24.0,
    "filter_version": "1",
    "positions": [],
}


def recipe(source: str = "world", **settings: Any) -> Recipe:
    return Recipe.model_validate({"source": source} | settings)


def test_the_commands_are_the_runs_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    opened = Run(tmp_path / "my runs" / "tone", recipe("convai"), Path("/data/talks"), recipe_file="../garden.toml")
    (command,) = _commands(opened)
    words = ["loveloop", "run", "--recipe", "../garden.toml", "--data", "/data/talks", "--name", "tone", "--home"]
    assert shlex.split(command) == [*words, "my runs"]


def test_the_command_of_a_live_run_names_its_warehouse_unless_that_may_hold_a_password(tmp_path: Path) -> None:
    live = recipe("warehouse", warehouse="/data/product.duckdb")
    (command,) = _commands(Run(tmp_path / "tone", live, recipe_file="live.toml"))
    words = shlex.split(command)
    assert words[words.index("--warehouse") + 1] == "/data/product.duckdb"
    lake = recipe("warehouse", warehouse="ducklake:postgres:dbname=x password=secret;data=/lake")
    commands = _commands(Run(tmp_path / "tone", lake, recipe_file="live.toml"))
    assert commands[0] == "# LOVELOOP_WAREHOUSE: the lake that the run reads"
    assert "--warehouse" not in commands[-1]
    assert not any("secret" in command for command in commands)


def test_a_run_that_does_not_know_its_recipes_file_says_where_its_content_is(tmp_path: Path) -> None:
    kept, command = _commands(Run(tmp_path / "runs" / "tone", recipe()))
    assert str(tmp_path / "runs" / "tone" / "run.json") in kept
    assert shlex.split(command)[-4:] == ["--name", "tone", "--home", str(tmp_path / "runs")]


def test_seconds_stand_in_the_recipes_order_without_what_it_has_no_more(tmp_path: Path) -> None:
    run = Run(tmp_path, recipe(policy={"love_weights": [0.1]}))
    for name in ("report", "policy-0.3", "p_love", "ingest", "policy-0.1"):
        finish(run, name, {"summary": name})
    assert list(report_facts.seconds(run).items()) == [("ingest", 2.0), ("p_love", 2.0), ("policy-0.1", 2.0)]


def told(run: Run) -> dict[str, tuple[str, bool | None]]:
    return {each["what"]: (each["origin"], each["simulated"]) for each in provenance.origins(run)}


def test_where_everything_came_from_is_what_the_stages_recorded(tmp_path: Path) -> None:
    run = Run(tmp_path, recipe("warehouse", policy={"love_weights": [0.1]}))
    thumbs = {"source": "reactions", "words": "people's thumbs in the log: 7 up against 3 down", "simulated": False}
    asked = {"source": "log", "words": "the log's own prompts", "simulated": False}
    finish(run, "helpfulness", {"origin": thumbs})
    finish(run, "policy-0.1", {"prompts": {"love": asked}})
    assert told(run) == {
        "helpfulness labels": (thumbs["words"], False),
        "safety labels": ("left out by the recipe: not trained, not measured", None),
        "training prompts for love": (asked["words"], False),
    }


def test_what_the_world_made_is_told_as_simulated(tmp_path: Path) -> None:
    run = Run(tmp_path, recipe(experiment={"exposures": 5}))
    finish(run, "events", {"origin": {"source": "world", "words": "the simulated world's users", "simulated": True}})
    assert told(run)["events"] == ("the simulated world's users", True)
    assert told(run)["A/B test"][1] is True


def test_what_is_taken_from_a_simulated_log_is_told_as_simulated_and_a_named_model_is_not(tmp_path: Path) -> None:
    asked = {"source": "log", "words": "the log's own prompts", "simulated": False}
    named = {"source": "base", "words": "my-model, as the recipe names it", "simulated": False}
    run = Run(tmp_path, recipe())
    finish(run, "offline_evaluation", {"prompts": asked})
    finish(run, "incumbent", {"origin": named})
    assert told(run)["evaluation prompts"] == (asked["words"], True)
    assert told(run)["incumbent"] == (named["words"], False)


def test_the_history_has_a_row_for_each_cycle_with_what_it_came_to(tmp_path: Path) -> None:
    run = Run(tmp_path, recipe())
    finish(run, "training_set", MANIFEST | {"hash": "0123456789abcdef", "rows": 50, "positives": 4})
    finish(run, "report", {"summary": ""})
    open_cycle(tmp_path, "ingest: what it reads changed", {"training_set": 1})
    finish(run, "candidate", {"name": "love-0.1-ab", "passed": False})
    first, second = report_facts.history(run)
    assert (first.rows, first.loves, first.training_set, first.candidate) == (50, 4, "0123456789ab", None)
    assert (second.why, second.rows, second.candidate, second.passed) == (
        "ingest: what it reads changed", 50, "love-0.1-ab", False,
    )  # fmt: skip


def test_a_cycle_s_decision_is_that_of_its_own_candidate_whichever_cycle_read_it(tmp_path: Path) -> None:
    run = Run(tmp_path, recipe("warehouse"))
    finish(run, "candidate", {"name": "old", "passed": True})
    finish(run, "report", {"summary": ""})
    open_cycle(tmp_path, "ingest: what it reads changed", {})
    finish(run, "candidate", {"name": "new", "passed": True})
    finish(run, "experiment_readout", {"candidate": "old", "decision": "ship"})
    assert [row.decision for row in report_facts.history(run)] == ["ship", None]


def test_the_experiments_of_a_live_warehouse_are_not_all_the_runs_own(tmp_path: Path) -> None:
    run = Run(tmp_path, recipe("warehouse"))
    assert report_facts.trials(run) == []
    read = {"decision": "continue", "lift": None, "lift_ci": [None, None], "srm_p": 1.0, "exposures": 0, "name": "ab-7"}
    finish(run, "experiment_readout", read)
    assert report_facts.trials(run) == ["ab-7"]
    test = report_facts.experiment(run)
    assert test is not None
    assert test.simulated is False
    assert run.recorded("experiment_readout") == read


def test_the_command_of_a_live_run_names_its_warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    live = recipe("warehouse", warehouse=str(tmp_path / "own.duckdb"))
    (command,) = _commands(Run(tmp_path / "runs" / "tone", live, recipe_file="r.toml"))
    assert "--warehouse own.duckdb" in command
    lake = recipe("warehouse", warehouse="ducklake:postgres:password=secret;data=s3://x")
    assert "secret" not in " ".join(_commands(Run(tmp_path / "runs" / "tone", lake, recipe_file="r.toml")))
