import json
from pathlib import Path

import pytest

from assets.pipeline import follow, prepare, read_recipe, reopen
from assets.recipe import Recipe, World
from assets.run import Facts, Run, Stage, perform


def run_in(directory: Path, **settings: object) -> Run:
    return Run(directory, Recipe.model_validate({"source": "world"} | settings))


def counting(name: str, calls: list[str], needs: tuple[str, ...] = ()) -> Stage:
    def work(run: Run) -> Facts:
        calls.append(name)
        return {"summary": f"call {len(calls)}"}

    return Stage(name, name, work, needs, lambda recipe: recipe.world)


def test_a_finished_stage_is_kept(tmp_path: Path) -> None:
    calls: list[str] = []
    run, stage = run_in(tmp_path), counting("a", calls)
    assert perform(run, stage) == ({"summary": "call 1"}, True)
    assert perform(run, stage) == ({"summary": "call 1"}, False)
    assert calls == ["a"]


def test_a_stage_runs_anew_when_its_settings_change(tmp_path: Path) -> None:
    calls: list[str] = []
    perform(run_in(tmp_path), counting("a", calls))
    perform(run_in(tmp_path, world={"responses": 7}), counting("a", calls))
    assert calls == ["a", "a"]


def test_a_stage_runs_anew_when_what_it_reads_was_made_anew(tmp_path: Path) -> None:
    calls: list[str] = []
    first, second = counting("a", calls), counting("b", calls, needs=("a",))
    for settings in ({}, {"seed": 2}):
        perform(run_in(tmp_path, **settings), first)
        perform(run_in(tmp_path, **settings), second)
    assert calls == ["a", "b", "a", "b"]


def test_a_stage_that_failed_leaves_no_marker(tmp_path: Path) -> None:
    def work(run: Run) -> Facts:
        raise ValueError("half-done")

    run = run_in(tmp_path)
    with pytest.raises(ValueError, match="half-done"):
        perform(run, Stage("a", "a", work))
    assert run.finished("a") is None
    with pytest.raises(FileNotFoundError, match="stage a has not run"):
        run.facts("a")


def test_a_misspelt_recipe_key_is_named(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('source = "world"\n[policy]\nlove_weight = [0.1]\n')
    with pytest.raises(ValueError, match=r"policy\.love_weight == \[0\.1\]: Extra inputs"):
        read_recipe(recipe)


def test_a_recipe_that_reads_data_asks_for_it(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('source = "convai"\n')
    with pytest.raises(ValueError, match="say where it lies with --data"):
        prepare(tmp_path / "run", recipe, None)


def test_a_run_reopens_as_it_was_prepared(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('source = "world"\nseed = 3\n[world]\nresponses = 50\n')
    run = prepare(tmp_path / "run", recipe, None)
    assert reopen(run.directory) == run
    assert run.recipe.world == World(responses=50)
    assert json.loads((run.directory / "run.json").read_text())["recipe"]["seed"] == 3


def test_a_run_that_is_being_followed_is_left_alone(tmp_path: Path) -> None:
    import fcntl

    recipe = tmp_path / "r.toml"
    recipe.write_text('source = "world"\n')
    run = prepare(tmp_path / "run", recipe, None)
    with (run.directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="another process follows the run"):
            follow(run, say=print)
