"""The whole loop at a tiny size, by the command line's function: real broker, real training."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from assets.pipeline import follow, stages
from assets.report import schema
from assets.run import Run

TINY = Path(__file__).with_name("tiny.toml")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def run(tiny_run: Run) -> Run:
    return tiny_run


@pytest.mark.slow
def test_the_report_has_every_figure_that_the_loop_promises(run: Run) -> None:
    report = schema.read(run.directory / "report.json")
    assert report.ingest is not None
    assert report.ingest.lost == 0
    assert report.adversary is not None
    assert report.p_love is not None
    assert report.p_love.oracle_auroc is not None
    assert [policy.love_weight for policy in report.policies] == [0.0, 0.3]
    assert report.candidate is not None
    assert report.experiment is not None
    assert report.experiment.exposures == 2000
    assert len(report.ledger) == 1
    assert set(report.seconds) == {stage.name for stage in stages(run.recipe)} - {"report"}


@pytest.mark.slow
def test_what_was_put_into_the_stream_is_what_the_warehouse_counts(run: Run) -> None:
    put_in = json.loads((run.world / "amounts.json").read_text())
    found = run.facts("ingest")["counts"]
    for put, stored in {
        "responses": "responses",
        "reactions": "reactions",
        "duplicates": "duplicates_dropped",
        "dead_letters": "dead_letters",
        "retractions": "retractions",
    }.items():
        assert found[stored] == put_in[put], put
    assert found["dead_letters_by_reason"] == put_in["malformed"]


@pytest.mark.slow
def test_the_candidate_says_where_it_came_from(run: Run) -> None:
    staged = run.facts("candidate")
    place = run.directory / str(staged["place"])
    lineage = json.loads((place / "lineage.json").read_text())
    assert lineage["training_set"] == run.facts("training_set")["hash"]
    assert set(lineage["reward_models"]) == {"p_love", "helpfulness", "safety"}
    assert lineage["events"][0]["next_offset"] > 0
    assert "| gate |" not in (place / "README.md").read_text().splitlines()[0]
    assert (place / "model.safetensors").exists() or (place / "adapter_model.safetensors").exists()


@pytest.mark.slow
def test_a_second_call_keeps_every_stage(run: Run) -> None:
    said: list[str] = []
    follow(run, say=lambda line: said.append(str(line)))
    assert sum("kept from before" in line for line in said) == len(stages(run.recipe))


@pytest.mark.slow
def test_a_run_killed_in_the_middle_of_a_stage_goes_on_and_ends_the_same(run: Run, tmp_path: Path) -> None:
    """Killed with SIGKILL as soon as a policy's first state lies on disk; run again, the same weights come out."""
    copy = tmp_path / "killed"
    shutil.copytree(run.directory, copy)
    for name in (
        "policy-0.3",
        "offline_evaluation",
        "candidate",
        "exposures",
        "experiment_readout",
        "lift_ledger",
        "report",
    ):
        (copy / "cycles" / "0001" / "stages" / f"{name}.json").unlink()
    shutil.rmtree(copy / "cycles" / "0001" / "policies" / "love-0.3")
    words = [sys.executable, "-m", "assets", "run", "--recipe", str(TINY), "--home", str(tmp_path), "--name", "killed"]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "Love weight 0.3" in line:
            process.kill()
            break
    process.wait(timeout=60)
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "kept from before" in done.stdout
    weights = [each / "cycles/0001/policies/love-0.3/model.safetensors" for each in (run.directory, copy)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.slow
def test_a_user_of_a_whole_run_is_forgotten_and_the_run_goes_on_from_there(run: Run) -> None:
    """Last in this file: it changes the run."""
    import pyarrow.parquet as pq

    from assets import erasure
    from warehouse import training_set

    before = run.directory / str(run.facts("training_set")["directory"])
    user = str(training_set.load(before)["user_id"][0])
    rows = training_set.load(before)["user_id"].to_pylist().count(user)
    (receipt,) = erasure.erase(run.warehouse, user, homes=[run.directory.parent], sets=[], say=print)
    told = json.loads(receipt.read_text())
    after = run.directory / str(run.facts("training_set")["directory"])
    assert training_set.load(after).num_rows == training_set.Manifest.read(after).rows > 0
    assert [each["rows"] for each in told["training_sets"]] == [rows]
    assert {each["name"] for each in told["seen_by"]["policy"]} == {"love-0", "love-0.3"}
    files = [file for file in run.directory.rglob("*") if file.is_file()]
    assert [file for file in files if user.encode() in file.read_bytes()] == []
    tables = [pq.read_table(file) for file in files if file.suffix == ".parquet"]
    assert not any(user in table["user_id"].to_pylist() for table in tables if "user_id" in table.column_names)
    said: list[str] = []
    follow(run, say=lambda line: said.append(str(line)))
    assert run.cycle is not None
    assert run.cycle.number == 2, "the cycle that ended stays; what learnt from the user is learnt anew beside it"
    assert sum("kept from" in line for line in said) >= 2
    renewed = run.directory / str(run.facts("training_set")["directory"])
    assert user not in training_set.load(renewed)["user_id"].to_pylist()
