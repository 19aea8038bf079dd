"""Dagster over a finished run: history, versions, metadata, and nothing lost by any click, beside a run too."""

import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets import checks
from assets.asset import RunResource, StageConfig
from assets.cycle import cycles
from assets.definitions import build
from assets.lock import alone, holder
from assets.orchestration import history, words
from assets.pipeline import reopen, stages
from assets.run import Run
from warehouse import connection

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the first test waits for the tiny run
TINY = Path(__file__).with_name("tiny.toml")
ROOT = Path(__file__).resolve().parents[2]
KEPT = {
    "responses": "SELECT event_id FROM responses",
    "reactions": "SELECT event_id FROM reactions",
    "exposures": "SELECT event_id FROM responses WHERE experiment IS NOT NULL",
    "decisions": "SELECT user_id, decision, decided_by, decided_at FROM quarantine_decisions",
    "erasures": "SELECT event_id FROM erasures",
    "ledger": "SELECT candidate, experiment FROM lift_ledger",
    "judged days": "SELECT day FROM adversary_days",
}
"""What outlives every click, by name: its rows."""


@pytest.fixture(scope="module")
def lived(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The tiny run after somebody decided about a user, and another one was erased."""
    from assets import erasure
    from warehouse.adversary import decisions

    copy = tmp_path_factory.mktemp("lived") / "tiny"
    shutil.copytree(tiny_run.directory, copy)
    run = reopen(copy)
    with connection.open(run.warehouse).read() as reader:
        (accused,) = reader.execute("SELECT min(user_id) FROM quarantined_users").fetchone() or ("",)
        (erased,) = reader.execute(
            "SELECT min(user_id) FROM responses WHERE user_id NOT IN (SELECT user_id FROM quarantined_users)"
        ).fetchone() or ("",)
    decisions.decide(run.warehouse, accused, "released", reason="a person", by="test")
    erasure.erase(run.warehouse, erased, homes=[copy.parent], sets=[], say=print)
    return run


@pytest.fixture
def copy(lived: Run, tmp_path: Path) -> Run:
    """A run that a test may do anything to."""
    shutil.copytree(lived.directory, tmp_path / "tiny")
    return reopen(tmp_path / "tiny")


@pytest.fixture(scope="module")
def told(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dg.DagsterInstance, Run]]:
    """An instance that was told the history of the tiny run."""
    place = tmp_path_factory.mktemp("told") / "tiny"
    shutil.copytree(tiny_run.directory, place)
    with dg.DagsterInstance.ephemeral() as instance:
        history.tell(instance, reopen(place))
        yield instance, reopen(place)


def rows(run: Run) -> dict[str, set[Any]]:
    """Everything that no click may lose."""
    with connection.open(run.warehouse).read() as reader:
        return {name: set(reader.execute(query).fetchall()) for name, query in KEPT.items()}


def materialise(run: Run, name: str, *, anew: bool = True) -> dg.ExecuteInProcessResult:
    """One asset, or one partition of it, alone, as the UI does it; its checks too."""
    definitions = build(RunResource(directory=str(run.directory)))
    asset = words.asset_name(name)
    return dg.materialize(
        [*(definitions.assets or []), *(definitions.asset_checks or [])],  # type: ignore[list-item]
        selection=dg.AssetSelection.assets(asset),
        partition_key=words.partition(name),
        resources=dict(definitions.resources or {}),
        run_config=dg.RunConfig(ops={asset: StageConfig(anew=anew)}),
        raise_on_error=False,
    )


def why(result: dg.ExecuteInProcessResult) -> str:
    """What a person reads of a failed step."""
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return " ".join(each.user_failure_data.description or "" for each in failures if each.user_failure_data is not None)


def results(run: Run) -> dict[Path, str]:
    """Every file that stages made in the cycles so far, by a digest of its bytes."""
    files = [file for file in run.directory.glob("cycles/*/**/*") if file.is_file() and file.name != "cycle.json"]
    return {file: sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.timeout(900)  # it runs every stage, on a busy machine for minutes
def test_every_asset_alone_loses_nothing_and_overwrites_no_earlier_result(copy: Run) -> None:
    """From the last to the first, so that each finds all that it reads and is materialised as if nothing else was."""
    before, earlier = rows(copy), results(copy)
    assert [len(each) > 0 for each in before.values()] == [True] * len(KEPT)
    for stage in reversed(stages(copy.recipe)):
        done = materialise(copy, stage.name)
        assert done.success, (stage.name, why(done))
        after, now = rows(copy), results(copy)
        assert [kept for kept in KEPT if before[kept] - after[kept]] == [], stage.name
        assert {file: now.get(file) for file in earlier} == earlier, stage.name
        newest = cycles(copy.directory)[-1]
        assert newest.marker_file(stage.name) in now.keys() - earlier.keys(), stage.name
        assert newest.number > 1, "a finished cycle is never written into"
        earlier = now


def test_a_day_alone_loses_nothing(copy: Run) -> None:
    definitions, before = build(RunResource(directory=str(copy.directory))), rows(copy)
    for asset, day in (("events_by_day", "2026-01-28"), ("adversary_by_day", "2026-01-28")):
        done = dg.materialize(
            list(definitions.assets or []),  # type: ignore[arg-type]
            selection=dg.AssetSelection.assets(asset),
            partition_key=day,
            resources=dict(definitions.resources or {}),
            raise_on_error=False,
        )
        assert done.success, why(done)
    after = rows(copy)
    assert [kept for kept in KEPT if before[kept] - after[kept]] == []


def test_every_asset_in_a_random_order_loses_nothing_and_says_what_it_waits_for(copy: Run) -> None:
    order = [stage.name for stage in stages(copy.recipe)]
    random.Random(7).shuffle(order)
    before = rows(copy)
    ran = 0
    for name in order:
        done = materialise(copy, name)
        ran += done.success
        assert done.success or "run it first" in why(done), (name, why(done))
        after = rows(copy)
        assert [kept for kept in KEPT if before[kept] - after[kept]] == [], name
    assert ran >= 4
    assert cycles(copy.directory)[0].ended


def test_beside_a_run_that_goes_on_every_asset_says_who_works_there_and_nothing_is_lost(copy: Run) -> None:
    before = rows(copy)
    (copy.cycle_directory / "stages" / "report.json").unlink()
    words_ = [sys.executable, "-m", "assets", "run", "--recipe", str(TINY), "--name", "tiny"]
    process = subprocess.Popen(
        [*words_, "--home", str(copy.directory.parent)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert any("report: one page" in line for line in process.stdout)
    process.send_signal(signal.SIGSTOP)  # it keeps the run for as long as the test looks
    try:
        assert f"process {process.pid}" in str(holder(copy.directory))
        for stage in stages(copy.recipe):
            done = materialise(copy, stage.name)
            assert not done.success
            assert f"loveloop run (process {process.pid}, since" in why(done), stage.name
    finally:
        process.send_signal(signal.SIGCONT)
    assert "report:" in process.communicate(timeout=240)[0]
    assert process.returncode == 0
    after = rows(copy)
    assert [kept for kept in KEPT if before[kept] - after[kept]] == []


def test_the_job_runs_only_what_is_stale(copy: Run) -> None:
    definitions = build(RunResource(directory=str(copy.directory)))
    before = cycles(copy.directory)[-1].number
    done = definitions.resolve_job_def("readout").execute_in_process()
    made = done.get_asset_materialization_events()
    assert [event.materialization.metadata["ran"].value for event in made] == [False, False, False]
    assert cycles(copy.directory)[-1].number == before


def test_a_step_of_a_job_waits_for_the_run_and_then_fails_clearly(copy: Run) -> None:
    from assets.orchestration.jobs import WHILE_HELD

    assert WHILE_HELD.max_retries == 3
    with alone(copy.directory, "somebody"):
        done = materialise(copy, "report")
    (failed,) = [event.step_failure_data for event in done.all_events if event.is_step_failure]
    assert failed.user_failure_data is not None
    assert failed.user_failure_data.description is not None
    assert failed.user_failure_data.description.startswith("somebody (process ")


def test_what_the_command_line_finished_stands_in_the_history_once(told: tuple[dg.DagsterInstance, Run]) -> None:
    instance, run = told
    for stage in stages(run.recipe):
        wanted = dg.AssetRecordsFilter(
            dg.AssetKey(words.asset_name(stage.name)),
            asset_partitions=[part] if (part := words.partition(stage.name)) else None,
        )
        (record,) = instance.fetch_materializations(wanted, limit=10).records
        marker = run.finished(stage.name)
        assert marker is not None
        assert record.asset_materialization is not None
        tags = record.asset_materialization.tags or {}
        assert tags["dagster/data_version"] == marker["version"]
        assert tags["dagster/code_version"] == stage.code_version()
    assert history.tell(instance, run) == 0
    judged = instance.get_materialized_partitions(dg.AssetKey("adversary_by_day"))
    assert len(judged) == run.recorded("adversary")["days"]


def test_what_reads_every_weight_names_their_versions_as_one_like_dagster_itself(
    told: tuple[dg.DagsterInstance, Run],
) -> None:
    instance, run = told
    assert instance.get_materialized_partitions(dg.AssetKey("policy")) == {"0", "0.3"}
    (record,) = instance.fetch_materializations(dg.AssetKey("offline_evaluation"), limit=9).records
    assert record.asset_materialization is not None
    versions = "".join(str(run.recorded(f"policy-{weight}")["version"]) for weight in ("0", "0.3"))
    tags = record.asset_materialization.tags or {}
    assert tags["dagster/input_data_version/policy"] == sha256(versions.encode()).hexdigest()


def test_a_later_materialisation_is_told_by_dagster_itself(told: tuple[dg.DagsterInstance, Run]) -> None:
    instance, run = told
    definitions = build(RunResource(directory=str(run.directory)))
    done = dg.materialize(
        list(definitions.assets or []),  # type: ignore[arg-type]
        selection=dg.AssetSelection.assets("clean_feedback"),
        resources=dict(definitions.resources or {}),
        instance=instance,
    )
    assert done.success
    assert history.tell(instance, run) == 0


def test_the_metadata_holds_lists_tables_columns_and_a_plot_of_a_width_that_fits(
    told: tuple[dg.DagsterInstance, Run],
) -> None:
    import base64

    instance, run = told[0], told[1].looking_at(1)

    def shown(asset: str, partition: str | None = None) -> Any:
        found = instance.fetch_materializations(dg.AssetKey(asset), limit=9).records
        (record,) = [each for each in found if each.partition_key == partition]
        assert record.asset_materialization is not None
        return record.asset_materialization.metadata

    gates = shown("candidate")["gates"]
    assert isinstance(gates, dg.TableMetadataValue)
    assert [each.data["name"] for each in gates.records] == [
        each["name"] for each in run.recorded("candidate")["gates"]
    ]
    assert " to " in str(shown("experiment_readout")["lift_ci"].value)
    assert "(forced, failed: " in str(shown("experiment_readout")["decision"].value)
    assert shown("experiment_readout")["guardrails"].records[0].data["state"] in ("held", "open", "broken")
    assert {each.data["task"] for each in shown("policy", "0.3")["rounds"].records} == {"helpfulness", "love", "safety"}
    columns = {each.name for each in shown("training_set")["dagster/column_schema"].schema.columns}
    assert {"conversation", "response", "love", "credit"} <= columns
    assert shown("ingest")["dagster/row_count"].value == run.recorded("ingest")["rows"]
    assert Path(str(shown("report")["report"].value)).is_file()
    assert shown("policy", "0.3")["last round: loss"].value == run.recorded("policy-0.3")["rounds"][-1]["loss"]
    for asset, partition in (("p_love", None), ("policy", "0.3")):
        image = base64.b64decode(str(shown(asset, partition)["plot"].value).split("base64,")[1].rstrip(")"))
        assert int.from_bytes(image[16:20], "big") == 760, asset


def test_a_candidate_that_failed_a_gate_is_never_green(tiny_run: Run) -> None:
    failed = {"name": "c", "passed": False, "gates": [{"name": "safety", "seen": "-1", "rule": "0", "passed": False}]}

    class Forced(Run):
        def recorded(self, stage: str) -> dict[str, Any]:  # noqa: ARG002
            return dict(failed)

    forced = checks.candidate_passed_the_gates(Forced(tiny_run.directory, tiny_run.recipe))
    assert (forced.passed, forced.warn, forced.seen["failed"]) == (False, True, "safety: -1")
    unforced = tiny_run.recipe.model_copy(update={"experiment": None})
    assert checks.candidate_passed_the_gates(Forced(tiny_run.directory, unforced)).warn is False


def test_the_groups_follow_each_other_without_a_circle(tiny_run: Run) -> None:
    order = ["feedback", "models", "policies", "launch"]
    every = stages(tiny_run.recipe)
    pairs = {(words.group(need), words.group(stage.name)) for stage in every for need in stage.needs}
    assert all(order.index(before) <= order.index(after) for before, after in pairs)
