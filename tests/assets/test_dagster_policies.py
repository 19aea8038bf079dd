"""The sweep in Dagster: partitions by Love weight beside whole assets, blocking checks, stages in another process."""

import os
import shutil
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
from click.testing import CliRunner

from assets.asset import RunResource, StageConfig
from assets.cli import group
from assets.cycle import read_json, write_json
from assets.definitions import build
from assets.lock import alone
from assets.orchestration import elsewhere, history
from assets.orchestration.jobs import sweep
from assets.pipeline import reopen, stages
from assets.recipe import Recipe
from assets.run import Run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the first test waits for the tiny run
SWEPT = ("policy", "offline_evaluation", "candidate", "exposures", "experiment_readout", "lift_ledger", "report")


@pytest.fixture
def copy(tiny_run: Run, tmp_path: Path) -> Run:
    """A run that a test may do anything to."""
    shutil.copytree(tiny_run.directory, tmp_path / "tiny")
    return reopen(tmp_path / "tiny")


def swept(run: Run, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """The job `sweep`, as schedules ask for it."""
    definitions = build(RunResource(directory=str(run.directory)))
    tags = sweep(stage.name for stage in stages(run.recipe))
    job = definitions.resolve_job_def("sweep")
    return job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)


def alone_again(run: Run, weight: str, python: str | None = None, *, anew: bool = False) -> dg.ExecuteInProcessResult:
    """One weight of the sweep, by hand."""
    definitions = build(RunResource(directory=str(run.directory), python=python))
    return dg.materialize(
        list(definitions.assets or []),  # type: ignore[arg-type]
        selection=dg.AssetSelection.assets("policy"),
        partition_key=weight,
        resources=dict(definitions.resources or {}),
        run_config=dg.RunConfig(ops={"policy": StageConfig(anew=anew)}),
        raise_on_error=False,
    )


def materialised(done: dg.ExecuteInProcessResult) -> dict[tuple[str, str | None], dict[str, str]]:
    """What a run of Dagster's materialised, each once: asset and partition, with the event's tags."""
    events = [event.materialization for event in done.get_asset_materialization_events()]
    found = {(each.asset_key.to_user_string(), each.partition): dict(each.tags or {}) for each in events}
    assert len(found) == len(events)
    return found


def why(done: dg.ExecuteInProcessResult) -> str:
    """What a person reads of failed steps."""
    failures = [event.step_failure_data for event in done.all_events if event.is_step_failure]
    return " ".join(each.user_failure_data.description or "" for each in failures if each.user_failure_data is not None)


def test_one_run_makes_every_weight_and_what_comes_after_with_a_version_for_each(copy: Run) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        done = swept(copy, instance)
        assert done.success, why(done)
        made = materialised(done)
        assert list(made) == [("policy", "0"), ("policy", "0.3"), *((name, None) for name in SWEPT[1:])]
        versions = [made["policy", weight]["dagster/data_version"] for weight in ("0", "0.3")]
        assert versions == [copy.facts(f"policy-{weight}")["version"] for weight in ("0", "0.3")]
        codes = {stage.name: stage.code_version() for stage in stages(copy.recipe)}
        assert made["policy", "0.3"]["dagster/code_version"] == codes["policy-0.3"]
        assert history.tell(instance, copy) > 0, "what the job did not run"
        assert history.tell(instance, copy) == 0, "nothing is told twice"
        told = instance.fetch_materializations(dg.AssetKey("offline_evaluation"), limit=9).records
        read = {
            (each.asset_materialization.tags or {})["dagster/input_data_version/policy"]
            for each in told
            if each.asset_materialization
        }
        assert read == {sha256("".join(versions).encode()).hexdigest()}, "Dagster's own word for both, and ours"


def test_a_weight_that_fails_costs_no_other_and_is_made_again_alone(copy: Run) -> None:
    shutil.rmtree(copy.policy(0.0))  # both are made anew, in the next cycle
    shutil.rmtree(copy.policy(0.3))
    in_the_way = copy.directory / "cycles" / "0002" / "policies" / "love-0.work"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()
    with dg.DagsterInstance.ephemeral() as instance:
        done = swept(copy, instance)
        assert not done.success
        assert why(done).startswith("policy-0: ")
        assert str(in_the_way) in why(done)
        assert list(materialised(done)) == [("policy", "0.3")], "the other weight, and nothing that reads both"
    in_the_way.unlink()
    again = alone_again(copy, "0")
    assert again.success, why(again)
    assert list(materialised(again)) == [("policy", "0")]
    told = [each.event_specific_data for each in again.all_events if each.event_type_value == "ASSET_OBSERVATION"]
    seen: list[Any] = [each.asset_observation for each in told]  # type: ignore[union-attr]
    assert {each.partition for each in seen} == {"0"}
    assert [str(each.metadata["now"].value).partition(", ")[2] for each in seen][:2] == [
        "round 1 of 1: samples, step 1 of 1",
        "round 1 of 1: learning, step 1 of 2",
    ]
    assert seen[-1].metadata["loss"].value == copy.facts("policy-0")["rounds"][-1]["loss"]
    assert str(seen[-1].metadata["curves"].value).startswith("![curves](data:image/png;base64,")


def test_a_policy_that_must_not_be_used_stops_what_comes_after(copy: Run) -> None:
    assert copy.cycle is not None
    file = copy.cycle.marker_file("policy-0.3")
    marker = read_json(file)
    marker["facts"]["rounds"][-1]["loss"] = float("nan")
    write_json(file, marker)
    with dg.DagsterInstance.ephemeral() as instance:
        done = swept(copy, instance)
    assert not done.success
    failed = [each.check_name for each in done.get_asset_check_evaluations() if not each.passed]
    assert failed == ["figures_are_finite"]
    assert list(materialised(done)) == [("policy", "0"), ("policy", "0.3")]


def test_a_stage_in_another_process_tells_what_it_came_to(copy: Run) -> None:
    done = alone_again(copy, "0.3", sys.executable)
    assert done.success, why(done)
    tags = materialised(done)["policy", "0.3"]
    assert (tags["dagster/data_version"], tags["loveloop/cycle"]) == (copy.facts("policy-0.3")["version"], "1")


def test_a_stage_in_another_process_says_why_it_failed(copy: Run) -> None:
    wanted = next(stage for stage in stages(copy.recipe) if stage.name == "policy-0.3")

    @dg.op
    def perform(context: dg.OpExecutionContext) -> None:
        elsewhere.perform(context, copy, wanted, print, anew=False, python=None)  # type: ignore[arg-type]

    @dg.job
    def only() -> None:
        perform()

    with alone(copy.directory, "somebody"):
        held = only.execute_in_process(raise_on_error=False)
    (failed,) = [event.step_failure_data for event in held.all_events if event.is_step_failure]
    assert failed.user_failure_data is not None
    assert str(failed.user_failure_data.description).startswith(f"somebody (process {os.getpid()}")
    lost = alone_again(copy, "0.3", "/nowhere/python")
    assert "/nowhere/python" in why(lost)


def test_a_step_that_is_ended_ends_everything_that_its_process_started() -> None:
    code = "import subprocess, sys, time; subprocess.Popen(['sleep', '600'], start_new_session=True); time.sleep(600)"
    with elsewhere.running([sys.executable, "-c", code], {}) as process:
        ends = time.monotonic() + 20
        while not (children := psutil.Process(process.pid).children()) and time.monotonic() < ends:
            time.sleep(0.05)
    assert process.returncode is not None
    assert len(children) == 1
    assert not children[0].is_running()


def test_only_what_trains_on_ranks_or_samples_from_a_server_leaves_the_process() -> None:
    def which(python: str | None = None, **recipe: Any) -> list[str]:
        wanted = Recipe.model_validate({"source": "world", **recipe})
        names = [stage.name for stage in stages(wanted)]
        return [name for name in names if elsewhere.wanted(name, wanted, python)]

    rewards, policies = ["helpfulness", "safety", "p_love"], ["policy-0", "policy-0.1", "policy-0.3"]
    assert which() == []
    assert which(engine={"kind": "deepspeed", "ranks": 2}) == [*rewards, *policies]
    assert which(policy={"rollouts": {"engine": "vllm"}}) == policies
    assert which("/opt/gpu/bin/python") == ["incumbent", *rewards, *policies]


def test_the_command_behind_it_runs_by_hand_and_is_in_no_help(copy: Run) -> None:
    runner = CliRunner()
    words = ["stage", "--run", str(copy.directory), "--stage", "report"]
    done = runner.invoke(group, words)
    assert done.exit_code == 0, done.output
    assert done.output == f"report: {copy.facts('report')['summary']}\n"
    assert "no stage repot in the recipe" in str(runner.invoke(group, [*words[:-1], "repot"]).exception)
    assert "  stage " not in runner.invoke(group, ["--help"]).output
