"""The sweep in Dagster: partitions by Love weight beside whole assets, blocking checks, stages in another process."""

import os
import shutil
import sys
import time
from collections.abc import Iterator
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
from assets.orchestration import elsewhere
from assets.orchestration.jobs import members, request
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


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Dagster's history, empty."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def swept(run: Run, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """The job `sweep`, as its schedule asks for it."""
    definitions = build(RunResource(directory=str(run.directory)))
    asked = request(members(stage.name for stage in stages(run.recipe))["sweep"])
    job = definitions.resolve_job_def("sweep")
    told = {"tags": asked.tags, "run_config": asked.run_config}
    return job.execute_in_process(instance=instance, raise_on_error=False, **told)


def alone_again(
    run: Run, weight: str, instance: dg.DagsterInstance, python: str | None = None
) -> dg.ExecuteInProcessResult:
    """One weight of the sweep by hand, where it is stale."""
    definitions = build(RunResource(directory=str(run.directory), python=python))
    return dg.materialize(
        list(definitions.assets or []),  # type: ignore[arg-type]
        selection=dg.AssetSelection.assets("policy"),
        partition_key=weight,
        resources=dict(definitions.resources or {}),
        run_config=dg.RunConfig(ops={"policy": StageConfig(anew=False)}),
        instance=instance,
        raise_on_error=False,
    )


def told(done: dg.ExecuteInProcessResult, instance: dg.DagsterInstance, kind: str) -> list[Any]:
    """What a run told of assets, materialisations or observations; of steps that failed, too."""
    entries = [entry.dagster_event for entry in instance.all_logs(done.run_id)]
    data = [each.event_specific_data for each in entries if each is not None and each.event_type_value == kind]
    return [getattr(each, "materialization", None) or getattr(each, "asset_observation", None) for each in data]


def materialised(
    done: dg.ExecuteInProcessResult, instance: dg.DagsterInstance
) -> dict[tuple[str, str | None], dict[str, str]]:
    """What a run of Dagster's materialised, each once: asset and partition, with the event's tags."""
    every = told(done, instance, "ASSET_MATERIALIZATION")
    found = {(each.asset_key.to_user_string(), each.partition): dict(each.tags or {}) for each in every}
    assert len(found) == len(every)
    return found


def why(done: dg.ExecuteInProcessResult) -> str:
    """What a person reads of failed steps."""
    failures = [event.step_failure_data for event in done.all_events if event.is_step_failure]
    return " ".join(each.user_failure_data.description or "" for each in failures if each.user_failure_data is not None)


def test_one_run_makes_every_weight_and_what_comes_after_with_a_version_for_each(
    copy: Run, instance: dg.DagsterInstance
) -> None:
    done = swept(copy, instance)
    assert done.success, why(done)
    made = materialised(done, instance)
    assert list(made) == [("policy", "0"), ("policy", "0.3"), *((name, None) for name in SWEPT[1:])]
    ran = {
        each.asset_key.path[-1]: each.metadata["ran"].value for each in told(done, instance, "ASSET_MATERIALIZATION")
    }
    assert ran == dict.fromkeys(SWEPT, False), "a request runs only what is stale"
    versions = [made["policy", weight]["dagster/data_version"] for weight in ("0", "0.3")]
    assert versions == [copy.recorded(f"policy-{weight}")["version"] for weight in ("0", "0.3")]
    codes = {stage.name: stage.code_version() for stage in stages(copy.recipe)}
    assert made["policy", "0.3"]["dagster/code_version"] == codes["policy-0.3"]
    assert made["offline_evaluation", None]["dagster/input_data_version/policy"] == both(versions)


def both(versions: list[str]) -> str:
    """The version of both weights together, as Dagster reckons it."""
    return sha256("".join(versions).encode()).hexdigest()


def test_a_weight_that_fails_costs_no_other_and_is_made_again_alone(copy: Run, instance: dg.DagsterInstance) -> None:
    shutil.rmtree(copy.policy(0.0))  # both are made anew, in the next cycle
    shutil.rmtree(copy.policy(0.3))
    in_the_way = copy.directory / "cycles" / "0002" / "policies" / "love-0.work"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()
    done = swept(copy, instance)
    assert not done.success
    assert why(done).startswith("policy-0: ")
    assert str(in_the_way) in why(done)
    assert list(materialised(done, instance)) == [("policy", "0.3")], "the other weight, and nothing that reads both"
    in_the_way.unlink()
    again = alone_again(copy, "0", instance)
    assert again.success, why(again)
    assert list(materialised(again, instance)) == [("policy", "0")]
    seen = told(again, instance, "ASSET_OBSERVATION")
    assert {each.partition for each in seen} == {"0"}
    assert [str(each.metadata["now"].value).partition(", ")[2] for each in seen][:2] == [
        "round 1 of 1: samples, step 1 of 1",
        "round 1 of 1: learning, step 1 of 2",
    ]
    assert seen[-1].metadata["loss"].value == copy.recorded("policy-0")["rounds"][-1]["loss"]
    assert str(seen[-1].metadata["curves"].value).startswith("![curves](data:image/png;base64,")


def test_a_policy_that_must_not_be_used_stops_what_comes_after(copy: Run, instance: dg.DagsterInstance) -> None:
    assert copy.cycle is not None
    file = copy.cycle.marker_file("policy-0.3")
    marker = read_json(file)
    marker["facts"]["rounds"][-1]["loss"] = float("nan")
    write_json(file, marker)
    done = swept(copy, instance)
    assert not done.success
    failed = [each.check_name for each in done.get_asset_check_evaluations() if not each.passed]
    assert failed == ["figures_are_finite"]
    assert list(materialised(done, instance)) == [("policy", "0"), ("policy", "0.3")]


def test_a_stage_in_another_process_tells_what_it_came_to(copy: Run, instance: dg.DagsterInstance) -> None:
    done = alone_again(copy, "0.3", instance, sys.executable)
    assert done.success, why(done)
    tags = materialised(done, instance)["policy", "0.3"]
    assert (tags["dagster/data_version"], tags["loveloop/cycle"]) == (copy.recorded("policy-0.3")["version"], "1")


def test_a_stage_in_another_process_says_why_it_failed(copy: Run, instance: dg.DagsterInstance) -> None:
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
    lost = alone_again(copy, "0.3", instance, "/nowhere/python")
    assert "/nowhere/python" in why(lost)


def test_a_step_that_is_ended_ends_everything_that_its_process_started() -> None:
    code = "import subprocess, sys, time; subprocess.Popen(['sleep', '600'], start_new_session=True); time.sleep(600)"
    with elsewhere.running([sys.executable, "-c", code], {}) as process:
        ends = time.monotonic() + 20
        while not (children := psutil.Process(process.pid).children()) and time.monotonic() < ends:
            time.sleep(0.05)
    assert process.returncode is not None
    assert len(children) == 1
    assert not children[0].is_running() or children[0].status() == psutil.STATUS_ZOMBIE


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
    assert done.output == f"report: {copy.recorded('report')['summary']}\n"
    assert "no stage repot in the recipe" in str(runner.invoke(group, [*words[:-1], "repot"]).exception)
    assert "  stage " not in runner.invoke(group, ["--help"]).output
