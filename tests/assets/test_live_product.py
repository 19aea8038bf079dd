"""A live product from end to end: its days come in, a cycle runs, a candidate is served, a user is erased, its
experiment is read out, more days come in, and a second cycle learns from them.

The loop's own commands run with the simulated world made impossible to import: only the product's events come from it.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assets import provenance
from assets.cycle import cycles
from assets.live_demo import Play, asker, play
from assets.pipeline import at_cycle, reopen
from assets.report import schema
from assets.run import Run
from warehouse import candidates, experiments, queries, training_set

NO_WORLD = "import sys; sys.modules['streams.synthetic'] = None"
WITHOUT_THE_WORLD = f"{NO_WORLD}; from assets.cli import main; main()"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the first test plays all of it


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Play:
    place = tmp_path_factory.mktemp("product")
    made = Play(
        folder=place / "product",
        home=place / "runs",
        recipe=Path(__file__).with_name("live.toml"),
        responses=4_000,
        users=200,
        exposures=1_000,
        days=4,
        base_love_rate=0.1,
        command=(sys.executable, "-c", WITHOUT_THE_WORLD),
    )
    play(made)
    return made


@pytest.fixture(scope="module")
def run(played: Play) -> Run:
    return reopen(played.home / played.name)


def test_the_world_cannot_be_imported_where_the_loop_runs() -> None:
    words = [sys.executable, "-c", f"{NO_WORLD}; import streams.synthetic.world"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in done.stderr


def test_two_cycles_stand_beside_each_other_each_with_its_own_results(run: Run) -> None:
    first, second = cycles(run.directory)
    assert second.opened()["why"].startswith("ingest: responses (")
    for name in ("training_set", "p_love", "policy-0.3", "candidate", "report"):
        one, two = first.produced(name), second.produced(name)
        assert one is not None, name
        assert two is not None, name
        assert one["key"] != two["key"], name
    for each in (first, second):
        assert (each.directory / "report.html").exists()
        assert (run.directory / str((each.finished("candidate") or {})["facts"]["place"]) / "lineage.json").exists()


def test_the_second_cycle_learnt_from_new_feedback_and_its_candidate_says_so(run: Run) -> None:
    before, after = (at_cycle(run, number).recorded("training_set") for number in (1, 2))
    assert after["rows"] > before["rows"] * 1.5
    assert after["hash"] != before["hash"]
    lineage = json.loads((run.place("candidate") / "lineage.json").read_text())
    assert lineage["training_set"] == after["hash"]
    staged = candidates.staged_candidates(run.warehouse)
    assert [each.cycle for each in staged] == [1, 2]
    assert staged[1].training_set == after["hash"]


def test_nothing_that_it_learnt_from_is_simulated_and_it_says_where_everything_came_from(run: Run) -> None:
    origins = {each["what"]: each for each in provenance.origins(run)}
    assert not any(each["simulated"] for each in origins.values())
    assert "people's thumbs in the log" in origins["helpfulness labels"]["origin"]
    assert origins["safety labels"]["origin"].startswith("left out")
    assert "the log's own prompts" in origins["training prompts for love"]["origin"]
    assert "it imitates the model" in origins["incumbent"]["origin"]
    report = schema.read(run.directory / "report.json")
    assert {each.what for each in report.origins} == set(origins)


def test_the_live_experiment_was_read_out_and_the_ledger_filled(played: Play, run: Run) -> None:
    first = at_cycle(run, 1).recorded("candidate")["name"]
    (row,) = queries.ledger(run.warehouse)
    assert (row["candidate"], row["experiment"]) == (first, f"ab-{first}")
    readings = experiments.readouts(run.warehouse, f"ab-{first}")
    assert readings[-1].decision in ("ship", "stop"), "closed, it is decided on what there is"
    assert not any("after the first exposure" in told for told in readings[-1].readout["told"])
    (test,) = experiments.experiments(run.warehouse)
    assert sum(arm.exposures for arm in test.arms) == played.exposures
    assert run.recorded("experiment_readout")["name"] == f"ab-{first}"
    assert f"serve {first} under experiment" in at_cycle(run, 1).recorded("experiment_readout")["waiting"]


def test_the_erased_user_is_in_no_file_of_the_loop_and_in_no_later_training_set(played: Play, run: Run) -> None:
    user = asker(played.folder / "product" / "events.ndjson")
    ours = [*run.directory.rglob("*"), played.warehouse]
    assert [file for file in ours if file.is_file() and user.encode() in file.read_bytes()] == []
    rows: Any = training_set.load(run.directory / run.recorded("training_set")["directory"])
    assert (played.folder / "other-days.ndjson").read_bytes().count(f'"{user}"'.encode()) > 0
    assert user not in rows["user_id"].to_pylist()


def test_what_was_played_is_not_played_again(played: Play) -> None:
    said: list[str] = []
    play(Play(**{**vars(played), "say": said.append}))
    assert said.count("finished before") == 8
    assert not any(line.startswith("$") for line in said)
