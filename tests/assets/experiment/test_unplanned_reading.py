"""An experiment that nobody planned: its arms, its shares, and the plan that it is read by."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.experiment import reading
from tests.assets.experiment.conftest import FIRST_DAY, Product, stored
from warehouse import connection, experiments, queries


@pytest.fixture(scope="module")
def three_arms(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The filled warehouse with a user in a third arm. What writes takes a copy."""
    made = Path(shutil.copy(filled, tmp_path_factory.mktemp("three") / "w.duckdb"))
    stored(made, *Product(6, name="tone").served("zoe", "third", response_id="third"))
    connection.open(made).checkpoint()
    return made


@pytest.mark.slow
def test_shares_are_taken_as_equal_unless_said_and_what_was_said_is_kept(target: Path) -> None:
    assert "shares taken as equal: say --share control=0.9 if they were not" in reading.read(target, "tone")["told"]
    void = reading.read(target, "tone", shares={"control": 0.9})
    assert void["decision"] == "invalid"
    assert queries.ledger(target)[0]["measured_lift"] is None  # a void comparison measures nothing
    assert reading.read(target, "tone")["shares"] == pytest.approx({"control": 0.9, "treatment": 0.1})


@pytest.mark.slow
def test_a_plan_that_nobody_made_is_told_and_does_not_move_with_the_data(target: Path) -> None:
    first = reading.read(target, "tone", as_of=FIRST_DAY + timedelta(days=3))
    assert any("it is read as one that is to show +20%" in sentence for sentence in first["told"])
    later = reading.read(target, "tone")
    assert later["rows"] > first["rows"]
    assert later["planned_exposures"] == first["planned_exposures"]
    assert reading.read(target, "tone", planned_exposures=123)["planned_exposures"] == 123
    assert reading.read(target, "tone")["planned_exposures"] == 123


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
def test_what_does_not_fit_is_refused_with_the_way_out(three_arms: Path, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=r"experiment|--|planned") as refused:
        reading.read(three_arms, **({"name": "tone"} | asked))
    assert said in str(refused.value)
    assert experiments.readouts(three_arms) == []


@pytest.mark.slow
def test_one_pair_of_three_arms_is_read_with_shares_in_proportion(three_arms: Path, tmp_path: Path) -> None:
    target = Path(shutil.copy(three_arms, tmp_path / "w.duckdb"))
    facts = reading.read(target, "tone", treatment="treatment", shares={"control": 0.25, "treatment": 0.25})
    assert (facts["shares"], facts["rows"]) == ({"control": 0.5, "treatment": 0.5}, 4_000)


@pytest.mark.slow
def test_shares_that_differ_from_those_of_an_earlier_reading_are_told(target: Path) -> None:
    first = reading.read(target, "tone", shares={"control": 0.5})["told"]
    again = reading.read(target, "tone", shares={"control": 0.5})["told"]
    assert not any("shares are" in each for each in (*first, *again))
    (told,) = (each for each in reading.read(target, "tone", shares={"control": 0.52})["told"] if "shares are" in each)
    assert told.startswith(
        "WARNING, shares are control 0.52, treatment 0.48 as of this reading, and an earlier one was made with "
        "control 0.5, treatment 0.5"
    )
