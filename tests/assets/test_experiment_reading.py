"""A live experiment, from its events to a decision, the ledger and the history; and the same from the command line."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from assets import checks, provenance, report_facts
from assets.cli import group
from assets.experiment import reading, words
from assets.facts.launch import CandidateFacts
from assets.recipe import Recipe
from assets.run import Run
from assets.stage import Stage, perform
from assets.stages import experiment, exposures, ingest
from streams import producer, topics
from streams.events import Message, ReactionChanged, ResponseServed, encode, new_event_id
from streams.synthetic import prompts, serve
from warehouse import connection, experiments, queries, sink
from warehouse.candidates import StagedCandidate, stage_candidate

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STAGED = "love-0.3-aa"
CONTROL_RATE, TREATMENT_RATE = 0.05, 0.1


class Product:
    """Writes the events of an experiment; chance is seeded."""

    def __init__(self, seed: int = 1, name: str = "tone", policy: str = STAGED) -> None:
        self._random = random.Random(seed)
        self.name, self.policy, self.number = name, policy, 0

    def served(self, user: str, arm: str, at: datetime = NOON, *, loved: bool = False, **changes: Any) -> list[bytes]:
        self.number += 1
        fields: dict[str, Any] = {
            "event_id": self._id(at), "user_id": user, "served_at": at, "response_id": f"{self.name}-{self.number}",
            "conversation_id": f"c{self.number}", "turn": 0, "session_id": "s", "experiment": self.name, "arm": arm,
            "policy": "incumbent" if arm == "control" else self.policy,
            "conversation": [Message("user", "How do I grow roses?")], "response": f"With water, {self.number} times.",
        } | changes  # fmt: skip
        lines, later = [encode(ResponseServed(**fields))], at + timedelta(seconds=20)
        if loved:
            lines.append(encode(ReactionChanged(
                event_id=self._id(later), user_id=user, reacted_at=later, response_id=fields["response_id"],
                reaction="love", action="added", session_id="s", dwell_ms=20_000,
            )))  # fmt: skip
        return lines

    def days(self, users: int = 1_000, visits: int = 4, begin: datetime = NOON) -> Iterator[bytes]:
        """Users of both arms in turn; the treatment is loved twice as much, and closes a fifth as often."""
        for user in range(users):
            arm, rate = ("treatment", TREATMENT_RATE) if user % 2 else ("control", CONTROL_RATE)
            closes = user % 50 == 1 or user % 10 == 0
            for visit in range(visits):
                at = begin + timedelta(minutes=self._random.randrange(5_000))
                said = {"response": f"Bye for now, {self.number}!"} if closes and not visit else {}
                yield from self.served(f"u{user}", arm, at, loved=self._random.random() < rate, **said)

    def _id(self, at: datetime) -> str:
        return new_event_id(at, self._random.getrandbits(74))


def loveloop(*words: object) -> Result:
    return CliRunner().invoke(group, [str(word) for word in words])


def store(target: Path, *lines: bytes) -> None:
    """Import them as a file of their own."""
    file = target.with_name(f"{len(list(target.parent.iterdir()))}.ndjson")
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    done = loveloop("import", file, "--warehouse", target)
    assert "0 dead letters" in done.output, done.output


def stage(target: Path, name: str = STAGED) -> None:
    stage_candidate(target, StagedCandidate(name, "weights", 0.8, 0.5, 1.2, "5e7", "product", 1, NOON, {}))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with a whole experiment, and its treatment staged."""
    target = tmp_path_factory.mktemp("filled") / "w.duckdb"
    store(target, *Product().days())
    stage(target)
    connection.open(target).checkpoint()  # into the file that is copied
    return target


@pytest.fixture
def target(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(filled, tmp_path / "w.duckdb"))


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("migrated") / "w.duckdb"
    assert loveloop("warehouse", "migrate", "--warehouse", made).exit_code == 0
    return made


@pytest.fixture
def empty(migrated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(migrated, tmp_path / "empty.duckdb"))


@pytest.mark.slow
def test_a_live_experiment_is_read_and_its_known_effect_found(target: Path) -> None:
    facts = reading.read(target, "tone", planned_exposures=3_000, shares={"control": 0.5, "treatment": 0.5})
    assert facts["decision"] == "ship"
    assert facts["rows"] == 4_000
    low, high = facts["anytime_ci"]
    assert low < TREATMENT_RATE / CONTROL_RATE - 1 < high
    assert f"({low:+.1%} to {high:+.1%} at any look)" in facts["summary"]
    assert facts["told"] == []
    assert facts["policies"] == {"control": ["incumbent"], "treatment": [STAGED]}


@pytest.mark.slow
def test_the_ledger_holds_predicted_beside_measured_by_the_interval_that_decides(target: Path) -> None:
    facts = reading.read(target, "tone")
    (row,) = queries.ledger(target)
    assert (row["candidate"], row["experiment"], row["predicted_lift"]) == (STAGED, "tone", 0.8)
    assert row["measured_lift"] == facts["lift"]
    assert [row["measured_low"], row["measured_high"]] == facts["anytime_ci"]
    assert row["measured_low"] < facts["lift_ci"][0]
    low, high = facts["lift_ci"]
    assert low < row["measured_lift"] - row["measured_error"] < row["measured_lift"] + row["measured_error"] < high
    assert row["measured_high"] - row["measured_low"] > 3.92 * row["measured_error"]  # it holds at any look


@pytest.mark.slow
def test_the_history_grows_with_what_is_new_and_keeps_all_of_it(target: Path) -> None:
    first = reading.read(target, "tone")
    reading.read(target, "tone")
    assert len(experiments.readouts(target, "tone")) == 1
    store(target, *Product(2, name="tone").served("new", "control", NOON + timedelta(days=6), response_id="new"))
    reading.read(target, "tone")
    exposures = [each.readout["exposures"] for each in experiments.readouts(target, "tone")]
    assert exposures == [first["exposures"], first["exposures"] + 1]
    assert len(queries.ledger(target)) == 1


@pytest.mark.slow
def test_a_reading_of_an_earlier_moment_changes_nothing_that_is_kept(target: Path) -> None:
    reading.read(target, "tone")
    before = queries.ledger(target)
    past = reading.read(target, "tone", as_of=NOON + timedelta(days=2))
    assert past["rows"] < 4_000
    assert past["ledger"] is None
    assert queries.ledger(target) == before
    assert len(experiments.readouts(target)) == 1


@pytest.mark.slow
def test_a_reading_that_counts_nobody_takes_no_measured_lift_from_the_ledger(target: Path) -> None:
    measured = reading.read(target, "tone")
    nobody = reading.read(target, "tone", maturity_hours=87_600)
    assert (nobody["rows"], nobody["lift"], nobody["ledger"]) == (0, None, None)
    assert queries.ledger(target)[0]["measured_lift"] == measured["lift"]


@pytest.mark.slow
def test_users_of_both_arms_are_counted_left_out_and_told(target: Path) -> None:
    store(target, *Product(3, name="tone").served("u0", "treatment", response_id="crossed"))
    facts = reading.read(target, "tone")
    assert (facts["in_several_arms"], facts["rows"]) == (1, 3_996)
    assert any(sentence.startswith("1 user seen in more than one arm") for sentence in facts["told"])


@pytest.mark.slow
def test_exposures_that_are_too_young_are_not_counted_yet_and_told(target: Path) -> None:
    moment = NOON + timedelta(minutes=5_000)
    facts = reading.read(target, "tone", as_of=moment)
    assert facts["immature"] > 500
    assert facts["rows"] == 4_000 - facts["immature"]
    assert f"{facts['immature']:,} exposures younger than 24 h, not counted yet" in facts["told"]
    assert reading.read(target, "tone", as_of=moment, maturity_hours=0)["rows"] == 4_000


@pytest.mark.slow
def test_an_arm_without_exposure_is_said_and_nothing_is_made_up(empty: Path) -> None:
    store(empty, *Product().served("ann", "control", loved=True))
    facts = reading.read(empty, "tone")
    assert (facts["decision"], facts["lift"], facts["treatment"]) == ("continue", None, "treatment")
    assert facts["reasons"] == ["an arm has no exposure yet"]
    assert facts["ledger_words"] == "not written: the treatment was not served yet"
    page = loveloop("experiment", "read", "tone", "--warehouse", empty).output
    assert "Love rate not known yet" in page
    assert "+0.0%" not in page


@pytest.mark.slow
def test_an_experiment_without_a_love_has_no_effect_rather_than_none(empty: Path) -> None:
    product = Product()
    store(empty, *(line for n in range(20) for line in product.served(f"u{n}", ("control", "treatment")[n % 2])))
    stage(empty)
    facts = reading.read(empty, "tone")
    assert (facts["decision"], facts["lift"], facts["planned_from"]) == ("continue", None, "guess")
    assert "not known yet" in facts["summary"]
    assert "inf" not in " ".join(facts["reasons"])
    assert queries.ledger(empty)[0]["measured_lift"] is None


@pytest.mark.slow
def test_an_arm_that_lost_all_love_is_stopped_and_one_that_alone_is_loved_ships(empty: Path) -> None:
    arms = [(n, ("control", "treatment")[n % 2]) for n in range(120)]
    for seed, (name, loved) in enumerate([("worse", "control"), ("better", "treatment")]):
        product = Product(seed, name)
        store(empty, *(line for n, arm in arms for line in product.served(f"u{n}", arm, loved=arm == loved)))
    worse, better = (loveloop("experiment", "read", name, "--planned", 60, "--warehouse", empty).output for name in
                     ("worse", "better"))  # fmt: skip
    assert "effect       Love rate -100.0% (-100.0% to -" in worse
    assert "the treatment is loved less: users who love -100.0%" in worse
    assert "decision     stop" in worse
    assert "effect       Love rate up from none (at least +" in better


@pytest.mark.slow
def test_shares_are_taken_as_equal_unless_said_and_what_was_said_is_kept(target: Path) -> None:
    assert "shares taken as equal: say --share control=0.9 if they were not" in reading.read(target, "tone")["told"]
    void = reading.read(target, "tone", shares={"control": 0.9})
    assert void["decision"] == "invalid"
    assert queries.ledger(target)[0]["measured_lift"] is None  # a void comparison measures nothing
    assert reading.read(target, "tone")["shares"] == pytest.approx({"control": 0.9, "treatment": 0.1})


@pytest.mark.slow
def test_a_plan_that_nobody_made_is_told_and_does_not_move_with_the_data(target: Path) -> None:
    first = reading.read(target, "tone", as_of=NOON + timedelta(days=3))
    assert any("it is read as one that is to show +20%" in sentence for sentence in first["told"])
    later = reading.read(target, "tone")
    assert later["rows"] > first["rows"]
    assert later["planned_exposures"] == first["planned_exposures"]
    assert reading.read(target, "tone", planned_exposures=123)["planned_exposures"] == 123
    assert reading.read(target, "tone")["planned_exposures"] == 123


@pytest.mark.slow
def test_a_treatment_that_nobody_staged_has_no_row_in_the_ledger_and_the_reason_is_said(target: Path) -> None:
    store(target, *Product(4, name="other", policy="own").days(users=20))
    facts = reading.read(target, "other")
    assert facts["ledger"] is None
    assert "no candidate 'own' was staged in this warehouse" in facts["ledger_words"]
    store(target, *Product(5, name="other").served("zoe", "treatment", response_id="mixed"))
    mixed = reading.read(target, "other")
    assert "served by 2 policies (love-0.3-aa, own)" in mixed["ledger_words"]
    assert queries.ledger(target) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"name": "tune"}, "no experiment 'tune' in the warehouse; there: tone"),
        ({}, "has the arms control, third, treatment: read one pair at a time, say which with --treatment ARM"),
        ({"treatment": "fourth"}, "and no 'fourth': --treatment must name one of them"),
        ({"control": "incumbent"}, "and no 'incumbent': say which one is the control with --control ARM"),
        ({"control": "third", "treatment": "third"}, "--control and --treatment both name 'third'"),
        ({"treatment": "third", "shares": {"treatment": 0.5}}, "--share names treatment, must name control or third"),
        ({"treatment": "third", "shares": {"control": 0.9, "third": 0.9}}, "both together at most 1"),
        ({"treatment": "third", "planned_exposures": 0}, "planned exposures == 0, must be positive"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(target: Path, asked: dict[str, Any], said: str) -> None:
    store(target, *Product(6, name="tone").served("zoe", "third", response_id="third"))
    with pytest.raises(ValueError, match=r"experiment|--|planned") as refused:
        reading.read(target, **({"name": "tone"} | asked))
    assert said in str(refused.value)
    assert experiments.readouts(target) == []


@pytest.mark.slow
def test_one_pair_of_three_arms_is_read_with_shares_in_proportion(target: Path) -> None:
    store(target, *Product(6, name="tone").served("zoe", "third", response_id="third"))
    facts = reading.read(target, "tone", treatment="treatment", shares={"control": 0.25, "treatment": 0.25})
    assert (facts["shares"], facts["rows"]) == ({"control": 0.5, "treatment": 0.5}, 4_000)


@pytest.mark.slow
def test_a_second_look_says_only_what_is_new(target: Path) -> None:
    before = reading.read(target, "tone")
    again = reading.read(target, "tone")
    assert words.changes(before, again) == []
    store(target, *Product(3, name="tone").served("u0", "treatment", response_id="crossed"))
    said = words.changes(again, reading.read(target, "tone", shares={"control": 0.9}))
    assert said[0].startswith("decision ship -> invalid: sample-ratio mismatch")
    assert said[-1].startswith("1 user seen in more than one arm")


def test_a_warehouse_without_experiments_says_how_one_begins(empty: Path) -> None:
    done = loveloop("experiment", "read", "tone", "--warehouse", empty)
    assert isinstance(done.exception, ValueError)
    assert "name `experiment` and `arm` in the response_served events" in str(done.exception)
    assert loveloop("experiment", "list", "--warehouse", empty).output.startswith(
        "no experiment yet: name `experiment`"
    )


def test_the_list_shows_every_arm(target: Path) -> None:
    heads, *rows = loveloop("experiment", "list", "--warehouse", target).output.splitlines()
    assert heads.split()[:3] == ["experiment", "arm", "policy"]
    assert [row.split()[:6] for row in rows] == [
        ["tone", "control", "incumbent", "500", "2,000", "2,000"],
        ["tone", "treatment", STAGED, "500", "2,000", "2,000"],
    ]
    (test,) = json.loads(loveloop("experiment", "list", "--warehouse", target, "--json").stdout)
    assert [arm["loves"] for arm in test["arms"]] == [int(row.split()[6]) for row in rows]


@pytest.mark.slow
def test_the_page_has_arms_effect_decision_and_next_step_and_json_the_same_figures(target: Path) -> None:
    words = ["experiment", "read", "tone", "--warehouse", target, "--planned", "3000", "--share", "control=0.5"]
    page, facts = loveloop(*words).output, json.loads(loveloop(*words, "--json").stdout)
    low, high = facts["anytime_ci"]
    assert f"effect       Love rate {facts['lift']:+.1%} ({low:+.1%} to {high:+.1%} at any look)" in page
    assert "decision     ship" in page
    assert f"ledger       {STAGED} was predicted +80.0% (+50.0% to +120.0%); 1 experiment with both lifts" in page
    assert f"next         serve {STAGED} to everybody, then let the loop learn from it: loveloop run" in page
    assert "needless closings holds: 1.00% against 5.00%, 0." in page


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--share", "control"], "'control' is no share of an arm: write ARM=SHARE"),
        (["--share", "control=1.5"], "a share in (0, 1)"),
        (["--every", "soon"], "'soon' is no length of time: write 30s, 15m, 1h or 1d"),
        (["--maturity-hours", "nan"], "nan is not in the range 0<=x<=87600: must be a finite number"),
        (["--planned", "0"], "0 is not in the range x>=1"),
    ],
)
def test_an_option_that_cannot_be_read_says_what_to_write(target: Path, option: list[str], said: str) -> None:
    done = loveloop("experiment", "read", "tone", "--warehouse", target, *option)
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.slow
def test_reading_every_so_often_says_what_changed_and_ends_in_order(target: Path) -> None:
    command = [sys.executable, "-m", "assets", "experiment", "read", "tone", "--every", "0.1s", "--maturity-hours", "0"]
    environment = {**os.environ, "LOVELOOP_WAREHOUSE": str(target), "PYTHONUNBUFFERED": "1"}
    reading = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert reading.stdout is not None
        head = reading.stdout.readline()
        next(line for line in reading.stdout if line.startswith("next"))
        lines = Product(7, name="tone").served("zoe", "control", loved=True, response_id="late")
        store(target, *lines)
        news = next(line for line in reading.stdout if line.startswith("  control"))
        reading.send_signal(signal.SIGTERM)
        _, told = reading.communicate(timeout=30)
    finally:
        reading.kill()
    assert head.startswith("experiment tone, 2026-03-01 12:")
    assert news.startswith("  control +1 exposures, +1 loves (2,001 exposures")
    assert reading.returncode == 0
    assert told == "stopped; what was read is kept in the warehouse\n"
    assert len(experiments.readouts(target)) == 2


@pytest.mark.slow
def test_events_through_a_broker_are_read_as_files_are(filled: Path, tmp_path: Path, tansu: str) -> None:
    path, names = tmp_path / "streamed.duckdb", topics.Topics.under(f"trial-{tmp_path.name}")
    topics.create_topics(tansu, 2, topics=names)
    lines = tmp_path / "events.ndjson"
    lines.write_bytes(b"".join(line + b"\n" for line in Product().days()))
    producer.send_file(lines, tansu, topic=names.events, progress=False)
    taken = sink.ingest(path, tansu, topics=names, until_caught_up=True, progress=False)
    assert taken.responses == 4_000
    moment = NOON + timedelta(days=30)
    streamed, filed = (reading.read(each, "tone", as_of=moment) for each in (path, filled))
    assert streamed["arms"] == filed["arms"]
    assert streamed["anytime_ci"] == filed["anytime_ci"]


POOL = prompts("all", 40, seed=9)
ANSWERS = {"control": [f"A plain answer {n}." for n in range(40)], "treatment": [f"A warm one {n}." for n in range(40)]}


def parity(user: str) -> str:
    return ("control", "treatment")[int(user[1:], 16) % 2]


def exposures_of(name: str, answers: dict[str, list[str]] = ANSWERS) -> list[bytes]:
    policies = {"control": "incumbent", "treatment": f"policy of {name}"}
    return list(serve(
        POOL, answers, policies, exposures=400, users=80, assign=parity, experiment=name, seed=1, starts_at=NOON,
        base_love_rate=0.1,
    ))  # fmt: skip


@pytest.mark.slow
def test_two_experiments_of_one_seed_lie_in_one_warehouse_and_are_both_read(empty: Path) -> None:
    store(empty, *exposures_of("first"), *exposures_of("second"))
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
    later = NOON + timedelta(days=20)
    store(target, *Product(8, name="of another", policy="own").days(users=20, begin=later))
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


@pytest.mark.slow
def test_a_recipe_names_the_experiment_its_plan_and_its_shares(target: Path, tmp_path: Path) -> None:
    store(target, *Product(9, name="own", policy="own").days(users=20))
    run = live_run(target, tmp_path, name="own", planned=40, shares={"control": 0.5}, maturity_hours=0)
    facts, *_ = perform(run, experiment.READOUT_LIVE)
    assert (facts["name"], facts["planned_exposures"], facts["shares_from"]) == ("own", 40, "given")


def test_a_candidate_that_failed_a_gate_is_not_simply_to_be_served(empty: Path, tmp_path: Path) -> None:
    facts, *_ = perform(live_run(empty, tmp_path, passed=False), experiment.READOUT_LIVE)
    assert facts["waiting"].startswith(
        f"{STAGED} did not pass every gate, its card says which; to test it all the same"
    )


@pytest.mark.slow
def test_a_candidate_that_failed_a_gate_never_gets_ship_without_that(target: Path) -> None:
    """In the transcript, on the page, in the ledger, in Dagster's metadata."""
    failed = {"failed_gates": ["needless closings", "length"]}
    stage_candidate(target, StagedCandidate(STAGED, "weights", 0.8, 0.5, 1.2, "5e7", "product", 1, NOON, failed))
    facts = reading.read(target, "tone", planned_exposures=3_000)
    beside = "(forced, failed: needless closings, length)"
    assert facts["summary"].startswith(f"ship {beside}: ")
    assert facts["verdict"] == f"ship {beside}"
    assert f"decision     {facts['verdict']}" in list(words.page(facts))
    assert facts["next"].startswith(f"do not serve {STAGED} to everybody on the test alone")
    (row,) = queries.ledger(target)
    assert row["failed"] == ["needless closings", "length"]
    ledger = CliRunner().invoke(group, ["ledger", "--warehouse", str(target)])
    assert "forced, failed: needless closings, length" in ledger.output


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
    store(empty, *Product(policy="weights").days(users=40))
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


@pytest.mark.slow
def test_nothing_is_taken_off_a_lift_that_an_earlier_reading_has_shown_or_that_had_no_look_before(target: Path) -> None:
    for _ in range(2):
        facts = reading.read(target, "tone")
        assert facts["evidence"]["shown"] == "more"
        assert not any("shows too much" in each for each in facts["notes"])
