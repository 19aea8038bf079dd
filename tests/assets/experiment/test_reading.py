"""A live experiment from its events to a decision, the ledger and the history."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from assets.cli import group
from assets.experiment import reading, words
from tests.assets.experiment.conftest import (
    CONTROL_RATE,
    FIRST_DAY,
    STAGED,
    TREATMENT_RATE,
    Product,
    command,
    stage,
    stored,
)
from warehouse import experiments, queries
from warehouse.candidates import StagedCandidate, stage_candidate


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
    stored(target, *Product(2, name="tone").served("new", "control", FIRST_DAY + timedelta(days=6), response_id="new"))
    reading.read(target, "tone")
    exposures = [each.readout["exposures"] for each in experiments.readouts(target, "tone")]
    assert exposures == [first["exposures"], first["exposures"] + 1]
    assert len(queries.ledger(target)) == 1


@pytest.mark.slow
def test_a_reading_of_an_earlier_moment_changes_nothing_that_is_kept(target: Path) -> None:
    reading.read(target, "tone")
    before = queries.ledger(target)
    past = reading.read(target, "tone", as_of=FIRST_DAY + timedelta(days=2))
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
    stored(target, *Product(3, name="tone").served("u0", "treatment", response_id="crossed"))
    facts = reading.read(target, "tone")
    assert (facts["in_several_arms"], facts["rows"]) == (1, 3_996)
    assert any(sentence.startswith("1 user seen in more than one arm") for sentence in facts["told"])


@pytest.mark.slow
def test_exposures_that_are_too_young_are_not_counted_yet_and_told(target: Path) -> None:
    moment = FIRST_DAY + timedelta(minutes=5_000)
    facts = reading.read(target, "tone", as_of=moment)
    assert facts["immature"] > 500
    assert facts["rows"] == 4_000 - facts["immature"]
    assert f"{facts['immature']:,} exposures younger than 24 h, not counted yet" in facts["told"]
    assert reading.read(target, "tone", as_of=moment, maturity_hours=0)["rows"] == 4_000


@pytest.mark.slow
def test_an_arm_without_exposure_is_said_and_nothing_is_made_up(empty: Path) -> None:
    stored(empty, *Product().served("ann", "control", loved=True))
    facts = reading.read(empty, "tone")
    assert (facts["decision"], facts["lift"], facts["treatment"]) == ("continue", None, "treatment")
    assert facts["reasons"] == ["an arm has no exposure yet"]
    assert facts["ledger_words"] == "not written: the treatment was not served yet"
    page = command("experiment", "read", "tone", "--warehouse", empty).output
    assert "Love rate not known yet" in page
    assert "+0.0%" not in page


@pytest.mark.slow
def test_an_experiment_without_a_love_has_no_effect_rather_than_none(empty: Path) -> None:
    product = Product()
    stored(empty, *(line for n in range(20) for line in product.served(f"u{n}", ("control", "treatment")[n % 2])))
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
        stored(empty, *(line for n, arm in arms for line in product.served(f"u{n}", arm, loved=arm == loved)))
    worse, better = (command("experiment", "read", name, "--planned", 60, "--warehouse", empty).output for name in
                     ("worse", "better"))  # fmt: skip
    assert "effect       Love rate -100.0% (-100.0% to -" in worse
    assert "the treatment is loved less: users who love -100.0%" in worse
    assert "decision     stop" in worse
    assert "effect       Love rate up from none (at least +" in better


@pytest.mark.slow
def test_a_treatment_that_nobody_staged_has_no_row_in_the_ledger_and_the_reason_is_said(target: Path) -> None:
    stored(target, *Product(4, name="other", policy="own").days(users=20))
    facts = reading.read(target, "other")
    assert facts["ledger"] is None
    assert "no candidate 'own' was staged in this warehouse" in facts["ledger_words"]
    stored(target, *Product(5, name="other").served("zoe", "treatment", response_id="mixed"))
    mixed = reading.read(target, "other")
    assert "served by 2 policies (love-0.3-aa, own)" in mixed["ledger_words"]
    assert queries.ledger(target) == []


@pytest.mark.slow
def test_a_candidate_that_failed_a_gate_never_gets_ship_without_that(target: Path) -> None:
    """In the transcript, on the page, in the ledger, in Dagster's metadata."""
    failed = {"failed_gates": ["needless closings", "length"]}
    stage_candidate(target, StagedCandidate(STAGED, "weights", 0.8, 0.5, 1.2, "5e7", "product", 1, FIRST_DAY, failed))
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


@pytest.mark.slow
def test_nothing_is_taken_off_a_lift_that_an_earlier_reading_has_shown_or_that_had_no_look_before(target: Path) -> None:
    for _ in range(2):
        facts = reading.read(target, "tone")
        assert facts["evidence"]["shown"] == "more"
        assert not any("shows too much" in each for each in facts["notes"])


@pytest.mark.slow
def test_after_a_reading_that_is_dated_ahead_later_ones_are_kept_in_their_order_and_told(target: Path) -> None:
    first = reading.read(target, "tone")
    ahead = datetime.now(UTC) + timedelta(days=40)
    experiments.append_readout(target, "tone", ahead, first)
    stored(target, *Product(2, name="tone").served("new", "control", FIRST_DAY + timedelta(days=6), response_id="new"))
    facts = reading.read(target, "tone")
    last = experiments.readouts(target, "tone")[-1]
    assert (last.read_at, last.readout["rows"]) == (ahead + timedelta(microseconds=1), first["rows"] + 1)
    assert any("dated" in each and "ahead of this machine's clock" in each for each in facts["told"])
    assert queries.ledger(target)[-1]["measured_lift"] == facts["lift"]


@pytest.mark.slow
def test_a_moment_that_is_not_there_yet_is_refused(target: Path) -> None:
    with pytest.raises(ValueError, match=r"as_of == .*, must not be after now, .*: what is not served yet cannot be"):
        reading.read(target, "tone", as_of=datetime.now(UTC) + timedelta(minutes=1))
    assert experiments.readouts(target) == []
