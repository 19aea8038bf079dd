import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from experiments import boundaries
from experiments.effect import ArmSums, expected_information, sums
from experiments.guardrails import HOPELESS, GuardrailState, conditional_power, guard, tripwire

PLANNED = boundaries.planned_information(0.25)
"""What shows with 80 % power that nothing has changed, at a margin of 1.25."""


def closings(count: int, exposures: int = 50_000) -> ArmSums:
    """Five exposures a user, one closing of a user at most."""
    return ArmSums(exposures // 5, count, exposures, count, 5 * exposures, 5 * count, count)


def state(control: int, treatment: int, exposures: int = 50_000, **settings: Any) -> GuardrailState:
    plan = {"margin": 1.25, "better": "fewer", "planned_information": PLANNED, "name": "closings"}
    return guard(closings(control, exposures), closings(treatment, exposures), **{**plan, **settings})


def test_nothing_changed_holds_and_says_so() -> None:
    found = state(400, 400, 40_000)
    assert found.state == "held"
    assert found.ci.high < 1.25
    assert found.conditional_power == 1.0
    assert found.words.startswith("guardrail on closings holds: 1.00% against 1.00%, 0.")
    assert found.words.endswith("times (400 of 40,000 against 400 of 40,000), may be at most 1.25 times")


def test_half_as_many_closings_again_at_a_base_of_one_per_cent_do_not_hold_and_with_enough_data_are_broken() -> None:
    """A margin of one point would let 0.86 % against 1.28 % through."""
    early = state(430, 640, planned_information=1_000)
    assert early.state in ("open", "hopeless")
    assert early.ci.high > 1.25
    assert state(430 * 4, 640 * 4, 200_000, planned_information=1_000).state == "broken"


def test_a_broken_guardrail_is_the_tripwire_and_says_to_stop_at_once() -> None:
    control, treatment = closings(500), closings(1_400)
    found = state(500, 1_400)
    assert found.state == "broken"
    assert "guardrail on closings is broken, stop at once: 2.80% against 1.00%" in found.words
    assert tripwire(control, treatment, margin=1.25, better="fewer", planned_information=PLANNED)
    assert not tripwire(control, control, margin=1.25, better="fewer", planned_information=PLANNED)


def test_among_many_guardrails_each_needs_more_to_be_broken() -> None:
    counts = next(count for count in range(600, 1_000) if state(500, count, planned_information=300).state == "broken")
    assert state(500, counts, planned_information=300, among=5).state != "broken"
    assert state(500, counts + 150, planned_information=300, among=5).state == "broken"


def test_what_the_plan_cannot_show_is_hopeless_and_says_what_to_do() -> None:
    found = state(250, 340, 25_000, planned_information=300)
    assert found.state == "hopeless"
    assert found.conditional_power is not None
    assert found.conditional_power < HOPELESS
    assert "is not shown to hold and cannot be within the plan, stop and train against closings: " in found.words


def test_early_in_the_plan_bad_luck_is_not_hopeless() -> None:
    """A ratio as high as the margin, at a tenth of the plan: the best that it leaves possible may still be shown."""
    found = state(45, 58, 5_000)
    assert found.state == "open"
    assert found.conditional_power is not None
    assert found.conditional_power < HOPELESS
    assert "is not shown to hold yet (chance within the plan if it stays so: " in found.words


def test_the_end_of_the_plan_leaves_no_hope() -> None:
    assert state(500, 560, planned_information=100).state == "hopeless"
    assert state(500, 560, planned_information=100).conditional_power == 0.0


def test_where_more_are_better_the_margin_lies_below() -> None:
    rng = np.random.default_rng(1)
    control, same, less = (sums(rng.poisson(mean, 20_000), np.ones(20_000)) for mean in (5.0, 5.0, 4.5))
    plan: dict[str, Any] = {"margin": 0.95, "better": "more", "planned_information": 40_000, "name": "exposures"}
    assert guard(control, same, **plan).state == "held"
    broken = guard(control, less, **plan)
    assert broken.state == "broken"
    assert broken.words.startswith("guardrail on exposures is broken, stop at once: 4.5")
    assert broken.words.endswith("may be at least 0.95 times")
    assert guard(control, sums(rng.poisson(4.72, 20_000), np.ones(20_000)), **plan).words.count("train for exposures")


def test_no_event_shows_nothing_and_total_loss_of_what_is_wanted_is_broken() -> None:
    nothing = state(0, 0)
    assert (nothing.state, nothing.conditional_power) == ("open", None)
    assert "nothing is shown (0 of 50,000 against 0 of 50,000)" in nothing.words
    assert state(40, 0).state == "held"
    assert state(0, 40).state == "broken"
    assert state(40, 0, margin=0.95, better="more").state == "broken"


def test_an_arm_without_users_is_open() -> None:
    nobody = sums(np.zeros(0), np.zeros(0))
    found = guard(closings(10), nobody, margin=1.25, better="fewer", planned_information=PLANNED)
    assert (found.state, found.ci) == ("open", (0.0, math.inf))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"margin": 0.8}, "margin == 0.8, must be 1 or more where fewer are better"),
        ({"margin": math.nan}, "margin == nan, must be a positive number"),
        ({"better": "less"}, "better == 'less', must be 'more' or 'fewer'"),
        ({"among": 0.5}, r"among == 0\.5, must be at least 1"),
        ({"planned_information": 0}, "planned_information == 0, must be a positive number"),
        ({"alpha": 5}, r"alpha == 5, must be in \(0, 1\)"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        state(500, 650, **settings)


def test_conditional_power_at_the_start_is_nearly_the_plans_power() -> None:
    """The chord errs upwards, by as much as the boundary is curved between here and the end."""
    drift = boundaries.planned_drift(0.8)
    assert conditional_power(0.0, 0.3, drift * 1.3 / 0.7) > 0.8
    start = conditional_power(0.02, 0.02, drift)
    assert 0.8 <= start < 0.9


def test_conditional_power_agrees_with_simulated_paths() -> None:
    rng = np.random.default_rng(2)
    looks = np.linspace(0.5, 1.0, 201)[1:]
    paths = math.sqrt(0.5) * 1.5 + np.cumsum(rng.normal(3.0 / 400, math.sqrt(1 / 400), (4_000, 200)), axis=1)
    line = [boundaries.spent_width(float(each), 0.05) * math.sqrt(each) for each in looks]
    crossed = float((paths >= line).any(axis=1).mean())
    assert conditional_power(1.5, 0.5, 3.0) == pytest.approx(crossed, abs=0.05)
    assert conditional_power(1.5, 0.5, 3.0) >= crossed - 0.015


def test_conditional_power_of_the_certain_and_of_the_impossible() -> None:
    assert conditional_power(9.0, 0.5, 0.0) == 1.0
    assert conditional_power(1.0, 1.0, 50.0) == 0.0
    assert conditional_power(-8.0, 0.9, -300.0) == pytest.approx(0, abs=1e-12)
    assert conditional_power(0.0, 0.1, 300.0) == pytest.approx(1)
    with pytest.raises(ValueError, match=r"z == nan, drift == 1\.0, must be numbers"):
        conditional_power(math.nan, 0.5, 1.0)


def outcomes(ratio: float, tests: int, among: int = 1) -> dict[str, float]:
    """Shares of simulated tests that a guardrail is held or broken in at one of ten looks until the plan's end."""
    rng = np.random.default_rng(3)
    looks, exposures = 8, 43_000
    planned = 0.01 * exposures / (2 * 0.99)
    counts = rng.binomial(exposures // looks, 0.01 * np.array([1, ratio]), (tests, looks, 2)).cumsum(axis=1)
    found = {"held": 0, "broken": 0}
    for each in counts.tolist():
        for look, (x, y) in enumerate(each, 1):
            arms = (closings(count, exposures * look // looks) for count in (x, y))
            seen = guard(*arms, margin=1.25, better="fewer", planned_information=planned, among=among).state
            if seen in found:
                found[seen] += 1
                break
    return {name: count / tests for name, count in found.items()}


@pytest.mark.slow
def test_on_the_margin_a_guardrail_is_seldom_held_and_seldom_broken() -> None:
    tests = 200
    found = outcomes(1.25, tests)
    assert max(found.values()) <= 0.025 + 2 * math.sqrt(0.025 * 0.975 / tests)
    several = outcomes(1.25, tests, among=5)
    assert several["broken"] <= 0.005 + 2 * math.sqrt(0.005 * 0.995 / tests)


@pytest.mark.slow
def test_nothing_changed_is_held_as_often_as_planned_and_never_broken() -> None:
    found = outcomes(1.0, 150)
    assert found["held"] > 0.7
    assert found["broken"] == 0


def test_the_plans_evidence_follows_from_base_rate_and_exposures() -> None:
    assert expected_information(closings(500), closings(500), 42_500) == pytest.approx(215, rel=0.03)


def test_where_nothing_must_hold_no_step_is_asked_for() -> None:
    found = guard(
        closings(500), closings(600), margin=1.25, better="fewer", planned_information=PLANNED, required=False
    )
    asked = guard(closings(500), closings(600), margin=1.25, better="fewer", planned_information=PLANNED)
    assert found.state == asked.state == "hopeless"
    assert ("train" in found.words, "train" in asked.words) == (False, True)
    assert "cannot be within the plan, which keeps nothing from shipping" in found.words


def test_what_was_found_broken_once_stays_broken_and_says_since_when() -> None:
    same = sums(np.arange(90_000) < 4_500, np.full(90_000, 5))
    plan: dict[str, Any] = {"margin": 1.25, "better": "fewer", "planned_information": 300, "name": "closings"}
    assert guard(same, same, **plan).state == "held"
    since = datetime(2026, 3, 2, 12, tzinfo=UTC)
    found = guard(same, same, **plan, broken_at=since)
    assert (found.state, found.broken_at) == ("broken", since)
    assert found.words.startswith(
        "guardrail on closings was found broken on 2026-03-02 12:00 UTC and stays so, stop at once "
        "(by this look alone it is held): 1.00% against 1.00%"
    )
