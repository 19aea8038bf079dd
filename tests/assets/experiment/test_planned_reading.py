"""A planned experiment is read by its plan alone."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from assets.experiment import control, own_metrics, reading
from tests.assets.experiment.conftest import (
    CANDIDATE,
    NOON,
    Clock,
    begun,
    events,
    in_turn,
    loveloop,
    refused,
    said,
    store,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clock")]


def test_a_planned_experiment_is_read_by_its_plan_alone(empty: Path) -> None:
    begun(empty, CANDIDATE, "--lift", "0.5", "--maturity-hours", "0")
    store(empty, events(in_turn, range(600)))
    for option in (("--planned", 500), ("--lift", 0.1), ("--share", "control=0.5")):
        words = refused(loveloop("experiment", "read", "warmer", *option, warehouse=empty))
        assert words.startswith(f"{option[0]}: the experiment was planned with `loveloop experiment plan`")
    facts = json.loads(said(loveloop("experiment", "read", "warmer", "--json", warehouse=empty)))
    assert (facts["planned_from"], facts["shares_from"], facts["maturity_hours"]) == ("registered", "registered", 0)
    assert (facts["plan"]["lift"], facts["plan"]["decides"]) == (0.5, "lovers")
    assert [each["action"] for each in facts["changes"]] == ["planned", "started"]


def test_a_planned_experiment_without_an_exposure_says_what_is_missing(empty: Path) -> None:
    said(loveloop("experiment", "plan", "warmer", warehouse=empty))
    words = refused(loveloop("experiment", "read", "warmer", warehouse=empty))
    assert "is planned and has no exposure yet: loveloop experiment start warmer serves it" in words
    said(loveloop("experiment", "start", "warmer", "--bundle", "control=x", "--bundle", "treatment=y", warehouse=empty))
    words = refused(loveloop("experiment", "read", "warmer", warehouse=empty))
    assert "is started and has no exposure yet: name it as `experiment`" in words


def test_an_effect_under_a_cap_says_so_beside_the_rates_without_it(empty: Path) -> None:
    begun(empty, CANDIDATE, "--cap", 1, "--maturity-hours", 0)
    store(empty, events(in_turn, range(300), visits=4, loved={"treatment": 0.6, "control": 0.3}))
    page = said(loveloop("experiment", "read", "warmer", warehouse=empty)).splitlines()
    (effect,) = (line for line in page if line.startswith("effect "))
    assert effect.endswith(" at any look), at most 1 love of a user counted")


def test_the_control_of_the_plan_is_the_control_of_the_reading(empty: Path) -> None:
    said(loveloop("experiment", "plan", "warmer", "--control", "a", "--share", "a=0.5", "--share", "b=0.5",
                  warehouse=empty))  # fmt: skip
    said(loveloop("experiment", "start", "warmer", "--bundle", "a=x", "--bundle", "b=y", warehouse=empty))
    store(empty, events(lambda user: "ab"[user % 2], range(100)))
    facts = json.loads(said(loveloop("experiment", "read", "warmer", "--json", warehouse=empty)))
    assert (facts["control"], facts["treatment"]) == ("a", "b")


def test_an_arm_that_was_never_planned_is_left_out_and_told_of(started: Path) -> None:
    store(started, events(lambda user: ("control", "treatment", "treatmnt")[user % 3], range(30)))
    facts = reading.read(started, "warmer")
    assert facts["treatment"] == "treatment"
    assert any("20 exposures name the arm 'treatmnt', which was never planned" in each for each in facts["told"])
    with pytest.raises(ValueError, match="was planned with the arms control, treatment, and no 'treatmnt'"):
        reading.read(started, "warmer", treatment="treatmnt")


def test_a_plan_that_was_made_after_the_first_exposure_says_so_in_every_reading(empty: Path) -> None:
    store(empty, events(in_turn, range(20), begin=NOON - timedelta(days=3)))
    begun(empty)
    told = reading.read(empty, "warmer")["told"]
    assert any("planned on 2026-03-02 12:00, after the first exposure on 2026-02-2" in each for each in told)


def test_a_moment_at_which_the_test_ran_is_read_as_of_a_test_that_runs(started: Path, clock: type[Clock]) -> None:
    store(started, events(in_turn, range(40)))
    clock.moment += timedelta(days=4)
    control.stop(started, "warmer", by="ada", why="enough")
    assert reading.read(started, "warmer", as_of=NOON + timedelta(days=3))["decision"] == "continue"
    assert reading.read(started, "warmer")["decision"] == "stop"


def test_a_metric_of_ones_own_is_read_beside_the_others(empty: Path) -> None:
    begun(empty, CANDIDATE, "--lift", "0.5")
    store(empty, events(in_turn, range(600)))
    file = empty.with_name("revenue.csv")
    file.write_text("user_id,revenue\n" + "".join(f"u{user},{2.5 + user % 2}\n" for user in range(599)))
    page = said(loveloop("experiment", "read", "warmer", "--metric", f"revenue={file}", warehouse=empty))
    (line,) = [line for line in page.splitlines() if line.startswith("metric       revenue per user ")]
    assert line.split()[4].startswith("+39."), line
    assert "  - 1 user of the test has no revenue in revenue.csv: taken as 0" in page


@pytest.mark.parametrize("worth", ["-1", "nan", "inf", "dear"])
def test_a_metric_of_ones_own_that_is_no_number_is_told_with_its_user(tmp_path: Path, worth: str) -> None:
    import pyarrow as pa

    file = tmp_path / "revenue.csv"
    file.write_text(f"user_id,revenue\nann,1\nbea,{worth}\n")
    with pytest.raises(ValueError, match=r"as revenue of user 'bea', must be a number of 0 or more"):
        own_metrics.join(pa.table({"user_id": ["ann", "bea"]}), {"revenue": file})


def test_what_the_plan_takes_from_here_is_told_from_both_arms_together_and_never_from_their_difference(
    empty: Path,
) -> None:
    begin = NOON - timedelta(days=2)
    store(empty, events(lambda _: None, range(2_000), name="before", begin=begin, loved={"": 0.1}))
    begun(empty, CANDIDATE, "--lift", 0.2, "--maturity-hours", 0)
    store(empty, events(in_turn, range(400), loved={"control": 0.06, "treatment": 0.09}))
    facts = reading.read(empty, "warmer")
    found = facts["reestimate"]
    pooled = sum(arm["loves"] for arm in facts["arms"]) / facts["rows"]
    assert (facts["decision"], found["base_rate"]) == ("continue", pytest.approx(pooled))
    assert found["words"].startswith(f"both arms together are loved in {pooled:.2%} (design effect ")
    assert found["planned_rate"] == pytest.approx(0.1, rel=0.15)
    page = said(loveloop("experiment", "status", "warmer", warehouse=empty))
    assert f"from here    {found['words']}" in page
