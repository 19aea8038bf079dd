import itertools
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from assets.cycle import cycles
from assets.facts.models import IncumbentFacts
from assets.facts.stage_facts import StageFacts
from assets.lock import RunHeldError, alone, holder
from assets.pipeline import at_cycle, follow, prepare, read_recipe, reopen
from assets.recipe import Recipe, WorldSection
from assets.run import Run
from assets.stage import Stage, perform
from assets.stages import models, policy, source


def run_in(directory: Path, **settings: object) -> Run:
    return Run(directory, Recipe.model_validate({"source": "world"} | settings))


class SameContent(StageFacts, kw_only=True, frozen=True, omit_defaults=True):
    @property
    def content_version(self) -> str | None:
        return "same content"


def counting(
    name: str, calls: list[str], needs: tuple[str, ...] = (), kind: type[StageFacts] = StageFacts, **more: object
) -> Stage:
    def work(run: Run) -> StageFacts:
        calls.append(name)
        return kind(summary=f"call {len(calls)}")

    return Stage(name, name, work, needs, lambda recipe: recipe.world, **more)  # type: ignore[arg-type]


def test_a_finished_stage_is_kept(tmp_path: Path) -> None:
    calls: list[str] = []
    run, stage = run_in(tmp_path), counting("a", calls)
    assert perform(run, stage) == ({"summary": "call 1"}, True, 1, "")
    assert perform(run, stage) == ({"summary": "call 1"}, False, 1, "")
    assert calls == ["a"]


def test_a_stage_runs_anew_in_a_new_cycle_when_its_settings_change_and_nothing_is_overwritten(tmp_path: Path) -> None:
    calls: list[str] = []
    perform(run_in(tmp_path), counting("a", calls))
    done = perform(run_in(tmp_path, world={"responses": 7}), counting("a", calls))
    assert (calls, done.cycle, done.why) == (["a", "a"], 2, "a: the recipe changed")
    first, second = cycles(tmp_path)
    assert [each.produced("a")["facts"]["summary"] for each in (first, second)] == ["call 1", "call 2"]  # type: ignore[index]
    assert second.opened()["why"] == "a: the recipe changed"


def test_a_recipe_that_goes_back_finds_its_earlier_result(tmp_path: Path) -> None:
    calls: list[str] = []
    for responses in (5, 7, 5):
        done = perform(run_in(tmp_path, world={"responses": responses}), counting("a", calls))
    assert (calls, done.ran, done.cycle, done.recorded["summary"]) == (["a", "a"], False, 1, "call 1")
    assert cycles(tmp_path)[-1].uses() == {"a": 1}


def test_a_stage_runs_anew_when_what_it_reads_was_made_anew(tmp_path: Path) -> None:
    calls: list[str] = []
    first, second = counting("a", calls), counting("b", calls, needs=("a",))
    for settings in ({}, {"seed": 2}):
        perform(run_in(tmp_path, **settings), first)
        perform(run_in(tmp_path, **settings), second)
    assert calls == ["a", "b", "a", "b"]


def test_a_stage_is_kept_when_what_it_reads_came_out_the_same(tmp_path: Path) -> None:
    calls: list[str] = []
    same = counting("a", calls, kind=SameContent)
    second = counting("b", calls, needs=("a",))
    for responses in (5, 7):
        perform(run_in(tmp_path, world={"responses": responses}), same)
    last = Stage("b", "b", second.work, ("a",))
    perform(run_in(tmp_path, world={"responses": 5}), last)
    done = perform(run_in(tmp_path, world={"responses": 7}), last)
    assert (calls, done.ran) == (["a", "a", "b"], False)


def test_a_policy_is_kept_when_the_sweep_gets_other_weights(tmp_path: Path) -> None:
    def key(love_weights: list[float]) -> str:
        run = run_in(tmp_path, policy={"love_weights": love_weights})
        return policy.stage(0.3, run.recipe).key(run).digest

    assert key([0.3]) == key([0.0, 0.3, 0.9])


def test_a_stage_notices_what_came_in_from_outside(tmp_path: Path) -> None:
    calls: list[str] = []
    log = [1]
    stage = counting("a", calls, inputs=lambda _: len(log))
    perform(run_in(tmp_path), stage)
    log.append(2)
    assert perform(run_in(tmp_path), stage, snapshot=True).ran is False
    assert perform(run_in(tmp_path), stage).why == "a: what it reads changed"
    assert len(calls) == 2


def test_a_new_cycle_keeps_using_what_the_changed_stage_does_not_flow_into(tmp_path: Path) -> None:
    calls: list[str] = []
    run = run_in(tmp_path)
    chain = [counting("a", calls), counting("b", calls, ("a",)), counting("c", calls, ("b",)), counting("d", calls)]
    for stage in chain:
        perform(run, stage)
    perform(run, chain[1], anew=True)
    assert cycles(tmp_path)[-1].stages() == {"a": 1, "d": 1, "b": 2}
    with pytest.raises(FileNotFoundError, match="stage c has not run in cycle 2"):
        run.recorded("c")
    assert at_cycle(run, 1).recorded("c")["summary"] == "call 3"
    assert perform(run, chain[2]).cycle == 1, "the same input again: the earlier result holds"
    assert calls == ["a", "b", "c", "d", "b"]


CHAIN = {"a": (), "b": ("a",), "c": ("b",), "d": ("a",), "report": ("c", "d")}
"""Stages of a small loop, and what each reads."""


@pytest.mark.slow
def test_stages_asked_for_anew_in_every_order_overwrite_nothing_of_an_earlier_cycle(tmp_path: Path) -> None:
    for order in itertools.permutations(CHAIN):
        calls: list[str] = []
        run = run_in(tmp_path / "-".join(order))
        chain = {name: counting(name, calls, needs) for name, needs in CHAIN.items()}
        for stage in chain.values():
            perform(run, stage)
        for name in order:
            results = {file: file.read_bytes() for file in run.directory.glob("cycles/*/stages/*.json")}
            ready = all(run.finished(need) for need in CHAIN[name])
            if ready:
                perform(run, chain[name], anew=True)
            assert {file: file.read_bytes() for file in results} == results, order
            assert (len(list(run.directory.glob("cycles/*/stages/*.json"))) > len(results)) == ready, order
        assert cycles(run.directory)[0].stages() == dict.fromkeys(CHAIN, 1), order


def test_a_cycle_that_ended_with_its_report_is_left_as_it_is(tmp_path: Path) -> None:
    calls: list[str] = []
    run = run_in(tmp_path)
    for name in ("a", "report"):
        perform(run, counting(name, calls))
    assert perform(run, counting("new", calls)).cycle == 2
    assert cycles(tmp_path)[0].stages() == {"a": 1, "report": 1}


def test_a_cycle_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no cycle 3 in"):
        at_cycle(run_in(tmp_path), 3)


def test_a_stage_that_failed_leaves_no_marker(tmp_path: Path) -> None:
    def work(run: Run) -> StageFacts:
        raise ValueError("half-done")

    run = run_in(tmp_path)
    with pytest.raises(ValueError, match="half-done"):
        perform(run, Stage("a", "a", work))
    assert run.finished("a") is None
    with pytest.raises(FileNotFoundError, match="stage a has not run"):
        run.recorded("a")


def test_a_misspelt_recipe_key_is_named(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('source = "world"\n[policy]\nlove_weight = [0.1]\n')
    with pytest.raises(ValueError, match=r"policy\.love_weight"):
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
    assert run.recipe.world == WorldSection(responses=50)
    assert json.loads((run.directory / "run.json").read_text())["recipe"]["seed"] == 3


def test_a_run_that_is_held_is_left_alone_and_says_who_holds_it(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('source = "world"\n')
    run = prepare(tmp_path / "run", recipe, None)
    code = (
        "import sys; from pathlib import Path; from assets.lock import alone\n"
        "with alone(Path(sys.argv[1]), 'Dagster, asset ingest'): print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(run.directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(RunHeldError, match=rf"Dagster, asset ingest \(process {other.pid}, since .* works in"):
        follow(run, say=print)
    assert "Dagster, asset ingest" in str(holder(run.directory))
    assert prepare(run.directory, recipe, None) == run, "the same recipe may be read beside it"
    kept = (run.directory / "run.json").read_bytes()
    recipe.write_text('source = "world"\nseed = 2\n')
    changed = prepare(run.directory, recipe, None)
    with pytest.raises(RunHeldError, match=rf"Dagster, asset ingest \(process {other.pid}"):
        follow(changed, say=print)
    assert (run.directory / "run.json").read_bytes() == kept, "whoever works there keeps its recipe"
    other.kill()
    other.wait(timeout=30)
    other.stdout.close()
    assert holder(run.directory) is None
    with alone(run.directory, "loveloop run"):
        assert "loveloop run" in (run.directory / ".lock").read_text()


def test_a_cycle_writes_its_own_report_and_ends_although_everything_in_it_is_from_earlier_cycles(
    tmp_path: Path,
) -> None:
    calls: list[str] = []
    for responses in (5, 7, 5):
        run = run_in(tmp_path, world={"responses": responses})
        perform(run, counting("a", calls))
        perform(run, Stage("report", "report", counting("report", calls).work, ("a",)))
        assert run.cycle is not None
        assert run.cycle.ended
    assert calls == ["a", "report", "a", "report", "report"]


def test_a_result_that_was_removed_by_hand_is_made_again_in_a_new_cycle(tmp_path: Path) -> None:
    def work(run: Run) -> IncumbentFacts:
        place = run.models / "a"
        place.mkdir(parents=True)
        return IncumbentFacts(summary="made", place=run.relative(place))

    run, stage = run_in(tmp_path), Stage("a", "a", work)
    perform(run, stage)
    run.place("a").rmdir()
    done = perform(run, stage)
    assert (done.ran, done.cycle, done.why) == (True, 2, "a: what it had made is gone")
    assert run.place("a").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"number": 1}'])
@pytest.mark.parametrize("name", ["run.json", "cycles/0001/cycle.json", "cycles/0001/stages/a.json"])
def test_a_damaged_record_is_named_with_the_way_out(tmp_path: Path, name: str, content: str) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('source = "world"\n')
    run = prepare(tmp_path / "run", recipe, None)
    perform(run, counting("a", []))
    (run.directory / name).write_text(content)
    with pytest.raises(ValueError, match=rf"{name} is (damaged|no record)"):
        [reopen(run.directory).finished(stage) for stage in ("a", "b")]


def test_a_copy_of_a_cycle_s_folder_is_no_cycle(tmp_path: Path) -> None:
    perform(run_in(tmp_path), counting("a", []))
    shutil.copytree(tmp_path / "cycles" / "0001", tmp_path / "cycles" / "0001 copy")
    assert [each.number for each in cycles(tmp_path)] == [1]


def test_an_earlier_cycle_is_looked_at_under_its_own_recipe(tmp_path: Path) -> None:
    for responses in (5, 7):
        run = run_in(tmp_path, world={"responses": responses})
        perform(run, counting("a", []))
    assert [at_cycle(run, number).recipe.world.responses for number in (1, 2)] == [5, 7]


def test_a_recipe_that_is_refused_does_not_take_the_place_of_the_run_s(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('source = "world"\n')
    run = prepare(tmp_path / "run", recipe, None)
    recipe.write_text('source = "world"\n[incumbent]\nbase = "./nowhere"\n')
    with pytest.raises(ValueError, match="no model lies"):
        follow(prepare(run.directory, recipe, None), say=print)
    recipe.write_text('source = "world"\nseed = 2\n')
    other = prepare(run.directory, recipe, None)
    with alone(run.directory, "loveloop run"), pytest.raises(RunHeldError):
        follow(other, say=print)
    assert reopen(run.directory) == run


def test_a_run_keeps_the_source_of_its_events(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('source = "convai"\n')
    run = prepare(tmp_path / "run", recipe, tmp_path)
    perform(run, counting("a", []))
    recipe.write_text('source = "world"\n')
    with pytest.raises(ValueError, match="a run of source 'convai' and the recipe's source is 'world'"):
        prepare(run.directory, recipe, None)


def test_another_live_warehouse_is_noticed_and_named_without_its_password(tmp_path: Path) -> None:
    first = run_in(tmp_path / "run", source="warehouse", warehouse="a.duckdb")
    lake = "ducklake:postgres:dbname=lake host=db password=secret;data=/data/lake"
    other = run_in(tmp_path / "run", source="warehouse", warehouse=lake)
    assert "a.duckdb" in str(perform(first, source.STAGE).recorded["summary"])
    done = perform(other, source.STAGE)
    assert done.ran
    assert "password=***" in str(done.recorded["summary"])
    assert "secret" not in str(done.recorded)


def test_models_that_a_recipe_names_by_a_path_are_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "encoder").mkdir()
    recipe = tmp_path / "r.toml"
    recipe.write_text('source = "warehouse"\n[p_love]\nbase = "encoder"\n[helpfulness]\nbase = "encoder"\n')
    monkeypatch.chdir(tmp_path)
    made = prepare(tmp_path / "run", recipe, None).recipe
    assert made.p_love.base == str(tmp_path / "encoder")
    assert made.labelled()["helpfulness"].base == str(tmp_path / "encoder")
    assert made.labelled()["helpfulness"].labels == "reactions"


def test_other_dialogues_and_other_weights_in_the_same_place_are_noticed(tmp_path: Path) -> None:
    base = tmp_path / "encoder"
    base.mkdir()
    settings: dict[str, object] = {
        "source": "convai",
        "p_love": {"base": str(base)},
        "helpfulness": {"base": str(base)},
    }
    run = replace(run_in(tmp_path / "run", **settings), data=tmp_path)
    every = (source.STAGE, models.P_LOVE, models.labelled("helpfulness"))
    before = [stage.key(run).digest for stage in every]
    (tmp_path / "dialogues.jsonl").write_text("{}\n")
    (base / "model.safetensors").write_bytes(b"other")
    assert all(stage.key(run).digest != digest for stage, digest in zip(every, before, strict=True))


def test_a_policys_title_names_the_optimisers_of_the_recipe(tmp_path: Path) -> None:
    def title(**config: object) -> str:
        return policy.stage(0.3, run_in(tmp_path, policy={"config": config}).recipe).title

    assert title() == "policy with Love weight 0.3: CRRAFT in rounds under judges"
    assert title(optimiser="codpo").split(": ")[1] == "CODPO in rounds under judges"
    mixed = title(optimiser="codpo", tasks={"safety": {"optimiser": "crpg"}})
    assert mixed.split(": ")[1] == "CODPO and CRPG in rounds under judges"
