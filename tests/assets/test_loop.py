"""The whole loop at a tiny size, by the command line's function: real broker, real training."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from assets import checks, erasure, provenance
from assets.cli import group
from assets.cycle import cycles
from assets.pipeline import follow, reopen, stages
from assets.report import schema
from assets.report.words import summary
from assets.run import Run
from assets.stage import perform
from assets.stages import feedback, models
from warehouse import training_set

TINY = Path(__file__).with_name("tiny.toml")
ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(900)  # the first test waits for the tiny run


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
    found = run.recorded("ingest")["counts"]
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
    place = run.place("candidate")
    lineage = json.loads((place / "lineage.json").read_text())
    assert lineage["training_set"] == run.recorded("training_set")["hash"]
    assert set(lineage["reward_models"]) == {"p_love", "helpfulness", "safety"}
    assert lineage["events"][0]["next_offset"] > 0
    assert "| gate |" not in (place / "README.md").read_text().splitlines()[0]
    assert (place / "model.safetensors").exists() or (place / "adapter_model.safetensors").exists()


@pytest.mark.slow
def test_the_candidates_folder_is_what_its_card_says_is_served(run: Run) -> None:
    from assets.experiment import bundles
    from training.policy import decoding
    from training.policy.load import fingerprint

    place = run.place("candidate")
    card, lineage = (place / "README.md").read_text(), json.loads((place / "lineage.json").read_text())
    assert card.startswith(f"# {place.name}\n")
    assert lineage["policy"].endswith(f"@{fingerprint(place)}")
    assert f"policy: the weights {lineage['policy']}" in card
    assert "temperature 1 and at most 48 tokens" in card
    assert decoding.read(place) == decoding.EVALUATED
    assert list(place.glob("tokenizer*"))
    bundles.check_weights(place)
    assert bundles.bundle(str(place)).policy == run.recorded("candidate")["name"]


@pytest.mark.slow
def test_a_candidate_that_failed_is_not_tested_unless_it_is_forced_and_the_report_says_why(
    run: Run, tmp_path: Path
) -> None:
    shutil.copytree(run.directory, tmp_path / "copy", symlinks=True)
    copy = reopen(tmp_path / "copy")
    failed = [each["name"] for each in copy.recorded("candidate")["gates"] if each["passed"] is False]
    assert failed, "the tiny policies are far too few for a gate"
    unforced = copy.recipe.experiment.model_copy(update={"force": False}) if copy.recipe.experiment else None
    copy = replace(copy, recipe=copy.recipe.model_copy(update={"experiment": unforced}))
    for stage in stages(copy.recipe)[-4:]:
        perform(copy, stage)
    exposed = copy.recorded("exposures")
    assert exposed["summary"].startswith("no candidate passed every gate, so none is served; nearest was love-")
    for name in failed:
        assert any(line.startswith(f"failed {name}: ") for line in exposed["shown"]), name
    assert copy.recorded("lift_ledger")["summary"].startswith("nothing measured yet")
    assert not any(each["what"] == "A/B test" for each in provenance.origins(copy))
    told = summary(schema.read(copy.directory / "report.json"))
    assert told.verdict == "held"
    assert all(name in told.headline for name in failed)
    assert told.headline.endswith("no A/B test was run")
    seen = checks.candidate_passed_the_gates(copy)
    assert (seen.passed, seen.warn) == (False, False)


@pytest.mark.slow
def test_the_same_events_through_another_broker_make_the_same_candidate(run: Run, tmp_path: Path) -> None:
    """Other topics, another warehouse, other clocks: set, models and name are what seed and recipe make them."""
    shutil.copytree(run.directory, tmp_path / "again", symlinks=True)
    again = reopen(tmp_path / "again")
    for file in again.directory.glob("warehouse.duckdb*"):
        file.unlink()
    shutil.rmtree(again.directory / "training-sets")
    anew = ("ingest", "adversary", "clean_feedback", "training_set")
    for stage in stages(run.recipe)[1:-4]:
        done = perform(again, stage, anew=stage.name in (*anew, "candidate"))
        assert done.ran == (stage.name in (*anew, "candidate")), (stage.name, done.why)
    first, second = (each.recorded("candidate") for each in (run, again))
    assert second["name"] == first["name"]
    assert second["gates"] == first["gates"]
    assert second["lineage"]["events"] != first["lineage"]["events"]


@pytest.mark.slow
def test_a_second_call_keeps_every_stage(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.directory, tmp_path / "copy", symlinks=True)
    said: list[str] = []
    follow(reopen(tmp_path / "copy"), say=lambda line: said.append(str(line)))
    assert sum("kept from before" in line for line in said) == len(stages(run.recipe))


@pytest.mark.slow
def test_a_run_killed_in_the_middle_of_a_stage_goes_on_and_ends_the_same(run: Run, tmp_path: Path) -> None:
    """Killed with SIGKILL as soon as a policy's first state lies on disk; run again, the same weights come out."""
    copy = tmp_path / "killed"
    shutil.copytree(run.directory, copy)
    cycle = copy / "cycles" / "0001"
    for name in (
        "policy-0.3",
        "offline_evaluation",
        "candidate",
        "exposures",
        "experiment_readout",
        "lift_ledger",
        "report",
    ):
        (cycle / "stages" / f"{name}.json").unlink()
    shutil.rmtree(cycle / "policies" / "love-0.3")
    words = ["run", "--recipe", str(TINY), "--home", str(tmp_path), "--name", "killed"]
    process = subprocess.Popen([sys.executable, "-m", "assets", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "Love weight 0.3" in line:
            process.kill()
            break
    process.wait(timeout=60)
    done = CliRunner().invoke(group, words)  # in this process, which has torch: a start costs seven seconds
    assert done.exit_code == 0, f"{done.output} {done.exception!r}"
    assert "kept from before" in done.output
    places = [each / "cycles" / "0001" / "policies" / "love-0.3" for each in (run.directory, copy)]
    weights = [each / "model.safetensors" for each in places]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.fixture(scope="module")
def moved(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A copy of the run at another place."""
    place = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(run.directory, place, symlinks=True)
    return reopen(place)


@pytest.mark.slow
def test_a_copied_run_reads_its_own_files_and_never_the_original(run: Run, moved: Run) -> None:
    places = [
        feedback.training_set_directory(moved), Path(models.incumbent(moved)), moved.place("candidate"),
        moved.place("p_love"), (moved.directory / "report.html").resolve(),
    ]  # fmt: skip
    assert all(place.is_relative_to(moved.directory) and place.exists() for place in places)
    texts = [file for file in moved.directory.rglob("*.json") if str(run.directory) in file.read_text()]
    assert texts == []
    assert all(str(run.directory) not in file.read_text() for file in moved.directory.rglob("README.md"))


@pytest.mark.slow
def test_a_user_of_a_whole_run_is_forgotten_and_the_run_goes_on_from_there(run: Run, moved: Run) -> None:
    before = feedback.training_set_directory(moved)
    user = str(training_set.load(before)["user_id"][0])
    rows = training_set.load(before)["user_id"].to_pylist().count(user)
    (receipt,) = erasure.erase(moved.warehouse, user, homes=[moved.directory.parent], sets=[], say=print)
    told = json.loads(receipt.read_text())
    after = moved.directory / moved.recorded("training_set")["directory"]
    assert training_set.load(after).num_rows == training_set.Manifest.read(after).rows > 0
    assert [each["rows"] for each in told["training_sets"]] == [rows]
    assert {each["name"] for each in told["seen_by"]["policy"]} == {"love-0", "love-0.3"}
    files = [file for file in moved.directory.rglob("*") if file.is_file()]
    assert [file for file in files if user.encode() in file.read_bytes()] == []
    tables = [pq.read_table(file) for file in files if file.suffix == ".parquet"]
    assert not any(user in table["user_id"].to_pylist() for table in tables if "user_id" in table.column_names)
    assert user in training_set.load(feedback.training_set_directory(run))["user_id"].to_pylist(), "the original"
    assert perform(moved, feedback.CLEAN).why == "clean_feedback: erasures (0 to 1) changed"
    perform(moved, feedback.TRAINING_SET)
    first, second = cycles(moved.directory)
    assert second.number == 2
    assert moved.recorded("training_set")["hash"] == training_set.Manifest.read(after).hash
    assert models.P_LOVE.key(moved).digest != (first.produced("p_love") or {})["key"], "to be trained anew"
