import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from experiments.plan import Guardrail, Plan
from experiments.readout import Readout, read

PLAN = Plan(exposures=50_000, shares={"control": 0.5, "treatment": 0.5}, least_lift=0.05)
CLOSINGS = Guardrail("closings", 1.25, "needless closings")


def users(
    lift: float = 0.0, closing: float = 0.006, count: int = 20_000, rate: float = 0.02, seed: int = 1
) -> pa.Table:
    """Users of both arms in turn, five responses each."""
    rng = np.random.default_rng(seed)
    treated = np.arange(count) % 2 == 1
    loves = rng.binomial(5, np.clip(rate * rng.gamma(2, 0.5, count) * np.where(treated, 1 + lift, 1), 0, 1))
    closings = rng.binomial(5, np.where(treated, closing, 0.008))
    arms = np.where(treated, "treatment", "control")
    ids = [f"user-{number}" for number in range(count)]
    return pa.table({"user_id": ids, "arm": arms, "exposures": [5] * count, "loves": loves, "closings": closings})


def reading(table: pa.Table, **settings: Any) -> Readout:
    return read(table, PLAN, guardrails=[CLOSINGS], **settings)


def test_a_shown_lift_with_held_guardrails_ships() -> None:
    found = reading(users(lift=0.4))
    assert found.decision == "ship"
    assert found.effect.anytime_ci.low > 0
    assert found.exposures == 100_000
    assert found.guardrails[0].state == "held"


def test_a_shown_lift_with_a_broken_guardrail_stops() -> None:
    found = reading(users(lift=0.4, closing=0.028))
    assert found.decision == "stop"
    assert "needless closings is broken" in found.reasons[0]


def test_an_inconclusive_guardrail_does_not_ship() -> None:
    found = reading(users(lift=0.4, closing=0.0095))
    assert found.guardrails[0].state == "open"
    assert found.decision == "stop"
    assert any("not shown to hold" in reason for reason in found.reasons)


def test_guardrails_are_told_as_ratios_with_their_counts() -> None:
    (guard,) = reading(users(lift=0.4)).guardrails
    control, treatment = guard.ratio.base_events, guard.ratio.events
    assert guard.ratio.value == pytest.approx(treatment / control)
    assert guard.ratio.ci.low < 0.75 < guard.ratio.ci.high < 1.25
    assert guard.words.startswith("guardrail on needless closings holds: ")
    assert f"times ({treatment} of 50,000 against {control} of 50,000), may be at most 1.25 times" in guard.words


def test_no_closing_in_either_arm_shows_nothing_and_does_not_ship() -> None:
    table = users(lift=0.4)
    found = reading(table.set_column(4, "closings", pa.array([0] * len(table))))
    assert (found.decision, found.guardrails[0].state) == ("stop", "open")
    assert "nothing is shown (0 of 50,000 against 0 of 50,000)" in found.guardrails[0].words


def test_a_loss_stops_before_the_plan_is_spent() -> None:
    found = reading(users(lift=-0.6, count=10_000))
    assert found.decision == "stop"
    assert "loved less" in found.reasons[0]


def test_too_little_evidence_continues() -> None:
    found = reading(users(lift=0.1, count=4_000))
    assert found.decision == "continue"
    assert found.reasons[0] == "20% of the planned 50,000 exposures per arm are in"


def test_a_spent_plan_without_a_case_stops() -> None:
    found = reading(users(lift=0.08))
    assert found.decision == "stop"
    assert "spent" in found.reasons[0]


def test_a_lift_too_small_to_be_worth_it_is_called_out_of_reach() -> None:
    plan = PLAN._replace(least_lift=0.5)
    found = read(users(lift=0.1, rate=0.1), plan, guardrails=[CLOSINGS])
    assert found.decision == "stop"
    assert "out of reach" in found.reasons[0]


def test_a_sample_ratio_mismatch_voids_even_a_great_lift() -> None:
    table = users(lift=0.8)
    keep = [number for number in range(len(table)) if number % 2 == 0 or number % 20 != 1]
    found = reading(table.take(keep))
    assert found.decision == "invalid"
    assert len(found.reasons) == 1


def test_a_filter_that_takes_more_of_one_arm_voids_the_test() -> None:
    table = users(lift=0.4)
    keep = [number for number in range(len(table)) if number % 2 == 0 or number % 20 != 1]
    assert reading(table.take(keep), raw=table).decision == "invalid"


def test_raw_loves_stand_beside_filtered_ones() -> None:
    table = users()
    arm = np.array(table["arm"].to_pylist())
    bots = table["loves"].to_numpy() + np.where((np.arange(len(table)) < 200) & (arm == "treatment"), 5, 0)
    found = reading(table, raw=table.set_column(3, "loves", pa.array(bots)))
    assert found.raw is not None
    assert found.raw.lift is not None
    assert found.lift is not None
    assert found.raw.lift > found.lift + 0.2


def test_few_loves_need_the_exact_test_too() -> None:
    """Five loves against none look large, and the exact test does not call that proof."""
    table = users(rate=1e-9)
    loves = np.zeros(len(table), dtype=int)
    loves[1:11:2] = 1
    found = reading(table.set_column(3, "loves", pa.array(loves)))
    assert found.decision == "stop"
    assert found.lift is None
    assert found.lift_ci.high == math.inf


def test_nothing_exposed_yet_continues() -> None:
    found = reading(users().slice(0, 0))
    assert (found.decision, found.reasons) == ("continue", ("an arm has no exposure yet",))


def test_a_user_in_both_arms_is_refused() -> None:
    table = users(count=10)
    with pytest.raises(ValueError, match="10 users stand in more than one row"):
        reading(pa.concat_tables([table, table]))


def test_a_missing_guardrail_column_is_named() -> None:
    with pytest.raises(ValueError, match=r"columns \['closings'\] are missing"):
        reading(users().drop_columns(["closings"]))


def test_three_arms_are_refused() -> None:
    with pytest.raises(ValueError, match="one pair at a time"):
        read(users(), PLAN._replace(shares={"control": 0.4, "a": 0.3, "b": 0.3}))


def test_a_plan_without_exposures_is_refused() -> None:
    with pytest.raises(ValueError, match=r"plan.exposures == 0, must be positive"):
        read(users(), PLAN._replace(exposures=0))
