from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from experiments.ramp import STAGES, Checks, Ramp, next_step

FINE = Checks(hours=48, exposures=5_000, srm_passed=True, guardrails={"closings": "open"}, decision="continue")


def test_a_clean_ramp_goes_through_every_stage_and_stays_at_the_last() -> None:
    state, coverages, shares = Ramp(), [], []
    for _ in STAGES:
        step = next_step(state, FINE)
        assert step.action == "advance"
        state = step.ramp
        coverages.append(step.coverage)
        shares.append(state.share)
    assert shares == list(STAGES)
    assert coverages == [0.02, 0.1, 0.2, 0.5, 1.0]
    last = next_step(state, FINE)
    assert (last.action, last.ramp) == ("hold", state)
    assert "until the readout decides" in last.why
    assert "ship it" in next_step(state, replace(FINE, decision="ship")).why


def test_coverage_follows_from_the_treatments_share() -> None:
    """Of two treatments and a control of a third each, one is served to a third of all users at most."""
    assert Ramp(stages=(0.01, 0.1), at=2, treatment_share=0.1).coverage == 1.0
    assert Ramp(stages=(0.01, 0.1), at=1, treatment_share=0.1).coverage == pytest.approx(0.1)


def test_a_last_stage_may_be_what_the_control_leaves_over_to_the_last_digit() -> None:
    assert 1 - 0.8 < 0.2
    assert Ramp(stages=(0.05, 0.2), at=2, treatment_share=1 - 0.8).coverage == 1.0


@pytest.mark.parametrize(
    ("change", "action", "why"),
    [
        ({"tripped": ("kill switch",)}, "rollback", "alarm fired: kill switch: nobody is in the test any more"),
        ({"guardrails": {"closings": "broken", "returns": "held"}}, "rollback", "guardrail broken: closings"),
        ({"srm_passed": False}, "stop", "sample ratio"),
        ({"decision": "stop"}, "stop", "the readout says stop"),
        ({"decision": "invalid"}, "stop", "the readout says invalid"),
        ({"srm_passed": False, "tripped": ("tripwire",)}, "rollback", "alarm fired: tripwire"),
    ],
)
def test_what_ends_a_ramp_takes_everybody_out_at_once(change: dict[str, Any], action: str, why: str) -> None:
    step = next_step(Ramp(at=4), replace(FINE, **change))
    assert step.action == action
    assert step.why.startswith(why)
    assert (step.coverage, step.ramp.at, step.ramp.ended) == (0.0, 0, True)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"hours": 3.5}, "stage 2 of 5 has had 3.5 of at least 24 hours"),
        ({"exposures": 10}, "stage 2 of 5 has had 10 of at least 1,000 exposures"),
        (
            {"hours": 1, "exposures": 10},
            "stage 2 of 5 has had 1 of at least 24 hours and 10 of at least 1,000 exposures",
        ),
        ({"guardrails": {"closings": "hopeless"}}, "guardrail cannot be shown within the plan: closings"),
    ],
)
def test_what_is_not_ripe_holds(change: dict[str, Any], why: str) -> None:
    step = next_step(Ramp(at=2), replace(FINE, **change))
    assert (step.action, step.ramp) == ("hold", Ramp(at=2))
    assert step.why.startswith(why)


def test_harm_ends_a_ramp_before_its_stage_is_ripe() -> None:
    assert next_step(Ramp(at=1), Checks(hours=0, exposures=3, srm_passed=True, tripped=("kill switch",))).ramp.ended


def test_an_ended_ramp_does_not_begin_again() -> None:
    ended = next_step(Ramp(at=3), replace(FINE, srm_passed=False)).ramp
    again = next_step(ended, FINE)
    assert (again.action, again.ramp, again.coverage) == ("hold", ended, 0.0)


def test_the_first_stage_needs_no_exposures_but_silence() -> None:
    nothing = Checks(hours=0, exposures=0, srm_passed=True)
    assert next_step(Ramp(), nothing).ramp.at == 1
    assert next_step(Ramp(), replace(nothing, tripped=("kill switch",))).action == "hold"


def test_no_check_whatever_skips_a_stage_or_falls_but_to_nothing() -> None:
    every = product(
        range(len(STAGES) + 1),
        (0.0, 48.0),
        (0, 5_000),
        (True, False),
        ((), ("kill switch",)),
        ("held", "open", "broken", "hopeless"),
        (None, "ship", "stop", "continue", "invalid"),
    )
    for at, hours, exposures, passed, tripped, guard, word in every:
        step = next_step(Ramp(at=at), Checks(hours, exposures, passed, tripped, {"closings": guard}, word))  # type: ignore[dict-item, arg-type]
        assert step.ramp.at in (0, at, at + 1)
        assert (step.action == "advance") == (step.ramp.at == at + 1)
        assert (step.action in ("stop", "rollback")) == step.ramp.ended
        bad = bool(tripped) or guard == "broken" or not passed or word in ("stop", "invalid")
        assert step.ramp.ended == (bad and at > 0)
        assert step.why


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stages": ()}, "must rise"),
        ({"stages": (0.1, 0.05)}, "must rise"),
        ({"stages": (0.1, 0.1)}, "must rise"),
        ({"stages": (0.0, 0.1)}, "must rise"),
        ({"stages": (0.1, 0.6)}, "at most the treatment's share 0.5"),
        ({"stages": (0.1, float("nan"))}, "must rise"),
        ({"at": 6}, "must be a whole number from 0 to 5"),
        ({"at": -1}, "must be a whole number from 0 to 5"),
        ({"treatment_share": 1.0}, r"must be in \(0, 1\)"),
        ({"least_hours": float("nan")}, "must be at least 0"),
        ({"least_exposures": -1}, "must be at least 0"),
    ],
)
def test_a_ramp_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Ramp(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hours": -1}, "counted since the stage was reached"),
        ({"exposures": float("nan")}, "must be at least 0"),
        ({"guardrails": {"closings": "fine"}}, r"guardrail states \['fine'\]"),
    ],
)
def test_checks_that_cannot_be_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(FINE, **change)


def test_where_an_experiment_may_not_have_all_users_its_share_and_that_of_all_are_told() -> None:
    ripe = Checks(hours=30, exposures=4_000, srm_passed=True)
    assert next_step(Ramp(at=1), ripe).why.endswith("on to 5% of all users")
    part = next_step(Ramp(at=1, reach=0.38), ripe)
    assert part.why.endswith("on to 5% of the experiment's users, 1.9% of all")
    assert part.coverage == 0.1, "coverage is of the experiment's users in any case"
    with pytest.raises(ValueError, match=r"reach == 0, must be in \(0, 1\]"):
        Ramp(reach=0)


def test_a_stop_says_which_guardrail_or_effect_the_readout_stopped_for() -> None:
    checks = Checks(hours=1, exposures=9, srm_passed=True, decision="stop", reason="guardrail on needless closings ...")
    assert next_step(Ramp(at=1), checks).why == (
        "the readout says stop (guardrail on needless closings ...): nobody is in the test any more"
    )
