"""A ramp's steps: when it waits, grows, stops or takes everybody back."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.experiment import ramping, reading
from streams.live.messages import Trip
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
    state,
    store,
)
from warehouse import connection
from warehouse.ingest import live

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clock")]


def test_a_ramp_waits_for_hours_and_exposures_and_then_grows_by_one_stage(started: Path, clock: type[Clock]) -> None:
    waiting = said(loveloop("experiment", "ramp", "warmer", warehouse=started))
    assert waiting.startswith("hold: stage 1 of 5 has had 0 of at least 24 hours and 0 of at least 1,000 exposures")
    store(started, events(in_turn, range(600)))
    clock.moment += timedelta(hours=30)
    grown = said(loveloop("experiment", "ramp", "warmer", "--by", "ada", warehouse=started)).splitlines()
    assert grown[0].startswith("advance: stage 1 of 5 has had 30 hours and 1,200 exposures, and every check passed")
    assert grown[1].startswith("warmer is ramped: 10% of the users are in the test (5.0% of all users treated)")
    assert state(started)["changes"][-1]["by"] == "ada"
    again = said(loveloop("experiment", "ramp", "warmer", warehouse=started))
    assert again.startswith("hold: stage 2 of 5 has had 0 of at least 24 hours")


def test_a_ramp_asked_for_on_a_machine_whose_clock_is_behind_waits(started: Path, clock: type[Clock]) -> None:
    clock.moment -= timedelta(minutes=5)
    assert said(loveloop("experiment", "ramp", "warmer", warehouse=started)).startswith(
        "hold: stage 1 of 5 has had 0 of"
    )


def test_a_ramp_goes_where_it_is_asked_to_and_never_back(started: Path) -> None:
    said(loveloop("experiment", "ramp", "warmer", "--to", "0.25", "--why", "launch week", warehouse=started))
    assert (state(started)["coverage"], state(started)["changes"][-1]["why"]) == (0.5, "launch week")
    words = refused(loveloop("experiment", "ramp", "warmer", "--to", "0.1", warehouse=started))
    assert "0.25 of the users are treated, and a ramp only grows" in words
    words = refused(loveloop("experiment", "ramp", "warmer", "--to", "0.6", warehouse=started))
    assert words == "--to 0.6: 50% of the users in the test are dealt treatment, must be at most that"


def of_three(target: Path, *, loved: dict[str, float]) -> None:
    """A test of two treatments at the second of its two stages, with some exposures of each arm."""
    shares = [word for arm in ("control", "a", "b") for word in ("--share", f"{arm}={1 / 3}")]
    said(loveloop("experiment", "plan", "warmer", *shares, "--stage", 0.1, "--stage", 0.4, warehouse=target))
    served = [word for arm in ("control", "a", "b") for word in ("--bundle", f"{arm}=policy-{arm}")]
    said(loveloop("experiment", "start", "warmer", *served, warehouse=target))
    store(target, events(lambda user: ("control", "a", "b")[user % 3], range(600), loved=loved))


def test_the_ramp_of_several_treatments_grows_where_every_pair_passes(empty: Path, clock: type[Clock]) -> None:
    of_three(empty, loved={"control": 0.1, "a": 0.1, "b": 0.1})
    clock.moment += timedelta(hours=30)
    taken = json.loads(said(loveloop("experiment", "ramp", "warmer", "--json", warehouse=empty)))
    assert (taken["action"], taken["coverage"]) == ("advance", pytest.approx(0.6))
    assert taken["treated"] == pytest.approx(0.4), "both treatments together"
    assert [each["treatment"] for each in taken["readings"]] == ["a", "b"]
    assert [each["plan"]["confidence"] for each in taken["readings"]] == [pytest.approx(0.975)] * 2


def test_harm_of_one_treatment_of_several_ends_the_test_and_names_it(empty: Path, clock: type[Clock]) -> None:
    of_three(empty, loved={"control": 0.4, "a": 0.4, "b": 0.02})
    clock.moment += timedelta(hours=30)
    taken = json.loads(said(loveloop("experiment", "ramp", "warmer", "--json", warehouse=empty)))
    assert taken["action"] == "rollback"
    assert taken["why"].startswith("guardrail broken: b: loves per assigned user")
    assert state(empty)["changes"][-1]["why"] == taken["why"]


def test_what_stops_a_ramp_is_named_in_the_trail(empty: Path, clock: type[Clock]) -> None:
    begun(empty, CANDIDATE, "--lift", 3)
    store(empty, events(in_turn, range(200), closing={"control": 0.2, "treatment": 0.2}))
    clock.moment += timedelta(hours=30)
    said(loveloop("experiment", "ramp", "warmer", warehouse=empty))
    assert (state(empty)["state"], "guardrail on needless closings" in state(empty)["changes"][-1]["why"]) == (
        "stopped",
        True,
    )


@pytest.mark.parametrize("asked", [(), ("--to", 0.05)])
def test_of_a_step_and_somebody_who_widens_it_meanwhile_the_first_stands_and_the_other_is_told(
    started: Path, clock: type[Clock], monkeypatch: pytest.MonkeyPatch, asked: tuple[object, ...]
) -> None:
    store(started, events(in_turn, range(600)))
    clock.moment += timedelta(hours=30)
    read = reading.read

    def slowly(*given: Any, **settings: Any) -> Any:
        """Somebody else widens it while this one reads."""
        monkeypatch.setattr(reading, "read", read)
        said(loveloop("experiment", "ramp", "warmer", "--to", 0.5, "--by", "bea", warehouse=started))
        return read(*given, **settings)

    monkeypatch.setattr(reading, "read", slowly)
    words = refused(loveloop("experiment", "ramp", "warmer", *asked, "--by", "ada", warehouse=started))
    assert words.startswith("'warmer' has 3 changes, 2 were expected (bea ramped it at 2026-03-03 18:00 UTC)")
    assert (state(started)["coverage"], state(started)["changes"][-1]["by"]) == (1.0, "bea")


def test_shares_are_told_of_the_experiments_users_and_of_all(empty: Path, clock: type[Clock]) -> None:
    part = ("--namespace", "tone", "--range", 0, 0.8, "--holdout", 0.05)
    page = said(loveloop("experiment", "plan", "warmer", *part, "--stage", 0.1, "--stage", 0.5, warehouse=empty))
    assert "ramp         0.1, 0.5 of the experiment's users (0.076, 0.38 of all: it may have 0.76 of them)" in page
    line = said(loveloop("experiment", "start", "warmer", "--bundle", "control=x", "--bundle", "treatment=y",
                         warehouse=empty))  # fmt: skip
    assert "20% of the experiment's users (0.76 of all) are in the test (7.6% of all users treated)" in line
    clock.moment += timedelta(hours=1)
    taken = said(loveloop("experiment", "ramp", "warmer", "--to", 0.5, warehouse=empty))
    assert taken.startswith("advance: asked for: on to 50% of the experiment's users, 38% of all")
    page = said(loveloop("experiment", "status", "warmer", warehouse=empty))
    assert "100% of 76%  38.0%" in page


def test_a_ramp_stops_where_the_arms_lack_users(started: Path, clock: type[Clock]) -> None:
    store(started, events(lambda user: "treatment" if user % 4 == 1 else "control", range(1_200), visits=1))
    clock.moment += timedelta(hours=30)
    taken = json.loads(said(loveloop("experiment", "ramp", "warmer", "--json", "--to", "0.5", warehouse=started)))
    assert taken["action"] == "stop"
    assert taken["why"].startswith("sample ratio: the arms are not the users that were dealt")
    assert (state(started)["state"], state(started)["coverage"], state(started)["running"]) == ("stopped", 0.0, False)
    words = refused(loveloop("experiment", "ramp", "warmer", warehouse=started))
    assert words == "experiment 'warmer' is stopped, must be running: plan another to test again"


def test_a_broken_guardrail_takes_everybody_back_to_the_control(started: Path, clock: type[Clock]) -> None:
    store(started, events(in_turn, range(1_000), closing={"control": 0.05, "treatment": 0.3}))
    clock.moment += timedelta(hours=30)
    page = said(loveloop("experiment", "ramp", "warmer", warehouse=started)).splitlines()
    assert page[0].startswith("rollback: guardrail broken: needless closings")
    assert page[1] == "warmer is rolled back: everybody is served incumbent"
    assert state(started)["state"] == "rolled_back"
    facts = json.loads(said(loveloop("experiment", "read", "warmer", "--json", warehouse=started)))
    assert facts["decision"] == "stop"


def test_a_tripped_kill_switch_takes_everybody_back_to_the_control(started: Path) -> None:
    trip = Trip(experiment="warmer", arm="treatment", metric="closing_rate", against="control", rate=0.2,
                reference=0.05, served=500, log_evidence=9.0, alpha=0.01, tripped_at=NOON, rule_version=1)  # fmt: skip
    with connection.open(started).transaction() as writer:
        live.store_trips(writer, [trip])
    assert "warmer/treatment tripped by closing_rate" in said(loveloop("experiment", "status", warehouse=started))
    page = said(loveloop("experiment", "ramp", "warmer", "--to", "0.5", warehouse=started))
    assert page.startswith("rollback: alarm fired: treatment by closing_rate")
    assert state(started)["treated"] == 0


def test_before_the_treatment_is_served_the_planned_arm_is_waited_for(empty: Path) -> None:
    shares = ("--share", "control=0.8", "--share", "tender=0.2", "--stage", 0.05, "--stage", 0.2)
    said(loveloop("experiment", "plan", "warmer", *shares, warehouse=empty))
    served = ("--bundle", "control=incumbent", "--bundle", f"tender={CANDIDATE}")
    said(loveloop("experiment", "start", "warmer", *served, warehouse=empty))
    store(empty, events(lambda _: "control", range(5)))
    taken = ramping.advance(empty, "warmer", by="ada")
    assert (taken["action"], taken["reading"]["treatment"]) == ("hold", "tender")
