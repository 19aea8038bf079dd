"""The A/B stages of a run: what was simulated or served is stored, read and remembered."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from assets import checks, provenance, report_facts
from assets.experiment import reading
from assets.facts.launch import CandidateFacts, ReadoutFacts
from assets.recipe import Recipe
from assets.run import Run
from assets.stage import Stage, perform
from assets.stages import experiment, exposures, ingest
from streams import producer, topics
from streams.synthetic import prompts, serve
from tests.assets.experiment.conftest import FIRST_DAY, STAGED, Product, stage, stored
from warehouse import queries, sink

POOL = prompts("all", 40, seed=9)
ANSWERS = {"control": [f"A plain answer {n}." for n in range(40)], "treatment": [f"A warm one {n}." for n in range(40)]}


@pytest.mark.slow
def test_events_through_a_broker_are_read_as_files_are(filled: Path, tmp_path: Path, tansu: str) -> None:
    path, names = tmp_path / "streamed.duckdb", topics.Topics.under(f"trial-{tmp_path.name}")
    topics.create_topics(tansu, 2, topics=names)
    lines = tmp_path / "events.ndjson"
    lines.write_bytes(b"".join(line + b"\n" for line in Product().days()))
    producer.send_file(lines, tansu, topic=names.events, progress=False)
    taken = sink.ingest(path, tansu, topics=names, until_caught_up=True, progress=False)
    assert taken.responses == 4_000
    moment = FIRST_DAY + timedelta(days=30)
    streamed, filed = (reading.read(each, "tone", as_of=moment) for each in (path, filled))
    assert streamed["arms"] == filed["arms"]
    assert streamed["anytime_ci"] == filed["anytime_ci"]


def parity(user: str) -> str:
    return ("control", "treatment")[int(user[1:], 16) % 2]


def exposures_of(name: str, answers: dict[str, list[str]] = ANSWERS) -> list[bytes]:
    policies = {"control": "incumbent", "treatment": f"policy of {name}"}
    return list(serve(
        POOL, answers, policies, exposures=400, users=80, assign=parity, experiment=name, seed=1, starts_at=FIRST_DAY,
        base_love_rate=0.1,
    ))  # fmt: skip


@pytest.mark.slow
def test_two_experiments_of_one_seed_lie_in_one_warehouse_and_are_both_read(empty: Path) -> None:
    stored(empty, *exposures_of("first"), *exposures_of("second"))
    counted = queries.counts(empty)
    assert (counted["responses"], counted["dead_letters"], counted["waiting"]) == (800, 0, 0)
    first, second = (reading.read(empty, name) for name in ("first", "second"))
    assert first["rows"] == second["rows"] > 300
    assert first["arms"] != second["arms"]  # other people and visits, since the name is another


@pytest.mark.slow
def test_exposures_that_are_not_all_stored_fail_their_stage(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", Recipe(source="world"))
    run.world.mkdir(parents=True)
    file = run.world / "experiment.ndjson"
    file.write_bytes(b"\n".join(exposures_of("tone")))
    flow = ingest.through_the_broker(run, file)
    exposures.require_stored(run, "tone", 400, flow)
    exposures.require_stored(run, "tone", 400, ingest.through_the_broker(run, file))  # again: duplicates, all there
    swapped = {"control": ANSWERS["treatment"], "treatment": ANSWERS["control"]}
    file.write_bytes(b"\n".join(exposures_of("tone", swapped)))
    with pytest.raises(ValueError, match=r"400 exposures were sent, 400 are stored, and [1-9]\d* events became dead"):
        exposures.require_stored(run, "tone", 400, ingest.through_the_broker(run, file))


def live_run(target: Path, directory: Path, *, passed: bool = True, **settings: Any) -> Run:
    recipe = {"source": "warehouse", "warehouse": str(target), "experiment": settings or None}
    run = Run(directory / "run", Recipe.model_validate(recipe))
    perform(run, Stage("candidate", "candidate", lambda _: CandidateFacts(name=STAGED, passed=passed)))
    return run


def test_a_run_waits_for_its_live_experiment_and_says_what_to_serve(empty: Path, tmp_path: Path) -> None:
    run = live_run(empty, tmp_path)
    stage(empty)
    readout, ledger = experiment.stages(run.recipe)
    facts, *_ = perform(run, readout)
    todo = f"serve {STAGED} under experiment 'ab-{STAGED}' with arms control and treatment"
    assert facts["summary"] == f"no exposure yet: {todo}"
    assert facts["waiting"] == todo
    assert perform(run, ledger)[0]["summary"].startswith("nothing measured yet; 0 experiments")
    shown = report_facts.experiment(run)
    assert shown is not None
    assert shown.waiting == todo
    assert not any(each["what"] == "A/B test" for each in provenance.origins(run)), "nothing was served yet"


@pytest.mark.slow
def test_a_run_reads_the_newest_experiment_of_a_staged_candidate(target: Path, tmp_path: Path) -> None:
    later = FIRST_DAY + timedelta(days=20)
    stored(target, *Product(8, name="of another", policy="own").days(users=20, begin=later))
    run = live_run(target, tmp_path)
    readout, ledger = experiment.stages(run.recipe)
    facts, *_ = perform(run, readout)
    assert (facts["name"], facts["decision"]) == ("tone", "ship")
    assert facts["shown"][-1].startswith("next: ")
    booked, *_ = perform(run, ledger)
    assert booked["summary"].startswith(f"predicted +80.0%, measured {facts['lift']:+.1%}; 1 experiment")
    verdict = checks.p_love_may_gate_launches(run)
    assert (verdict.passed, verdict.warn) == (False, True)
    assert verdict.seen["words"].startswith("1 experiment with both lifts: at least 3")
    assert verdict.seen["r"] == verdict.seen["slope_ci_low"] == "not known"
    shown = report_facts.experiment(run)
    assert shown is not None
    assert shown.lift == facts["lift"]
    assert {*reading.read(target, "tone")} <= {*ReadoutFacts.__struct_fields__}, "nothing of a reading is lost"


@pytest.mark.slow
def test_a_recipe_names_the_experiment_its_plan_and_its_shares(target: Path, tmp_path: Path) -> None:
    stored(target, *Product(9, name="own", policy="own").days(users=20))
    run = live_run(target, tmp_path, name="own", planned=40, shares={"control": 0.5}, maturity_hours=0)
    facts, *_ = perform(run, experiment.READOUT_LIVE)
    assert (facts["name"], facts["planned_exposures"], facts["shares_from"]) == ("own", 40, "given")


def test_a_candidate_that_failed_a_gate_is_not_simply_to_be_served(empty: Path, tmp_path: Path) -> None:
    facts, *_ = perform(live_run(empty, tmp_path, passed=False), experiment.READOUT_LIVE)
    assert facts["waiting"].startswith(
        f"{STAGED} did not pass every gate, its card says which; to test it all the same"
    )


def test_a_misspelt_experiment_is_told_with_those_that_are_there(target: Path, tmp_path: Path) -> None:
    facts, *_ = perform(live_run(target, tmp_path, name="tune"), experiment.READOUT_LIVE)
    assert facts["waiting"].endswith("under experiment 'tune' with arms control and treatment "
                                     "(experiment.name of the recipe; in the log are tone)")  # fmt: skip


def test_arms_that_do_not_fit_do_not_keep_back_the_rest_of_the_cycle(target: Path, tmp_path: Path) -> None:
    run = live_run(target, tmp_path, name="tone", control="A")
    facts, *_ = perform(run, experiment.READOUT_LIVE)
    assert facts["summary"].startswith("tone was not read: experiment 'tone' has the arms control, treatment")
    shown = report_facts.experiment(run)
    assert shown is not None
    assert shown.unread
    assert perform(run, experiment.LEDGER).recorded["summary"].startswith("nothing measured yet")


@pytest.mark.slow
def test_a_candidate_may_be_served_under_the_name_of_its_weights(empty: Path, tmp_path: Path) -> None:
    stored(empty, *Product(policy="weights").days(users=40))
    stage(empty)
    facts, *_ = perform(live_run(empty, tmp_path), experiment.READOUT_LIVE)
    assert (facts["name"], facts["candidate"]) == ("tone", STAGED)


def test_only_a_recipe_of_the_world_simulates_exposures() -> None:
    names = {
        source: [each.name for each in experiment.stages(Recipe.model_validate({"source": source, "experiment": {}}))]
        for source in ("world", "convai", "warehouse")
    }
    assert names["world"] == ["exposures", "experiment_readout", "lift_ledger"]
    assert names["convai"] == names["warehouse"] == ["experiment_readout", "lift_ledger"]
    assert experiment.stages(Recipe(source="world")) == ()
