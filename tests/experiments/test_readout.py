import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from experiments.metrics import Metric
from experiments.plan import Plan
from experiments.readout import RAW, WORST, Readout, read

PLAN = Plan({"control": 0.5, "treatment": 0.5}, lift=0.16, least_lift=0.05, decides="ratio")
"""Twenty thousand users of five exposures and a rate of .02 are all the evidence that it needs."""


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
    return read(table, PLAN, **settings)


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
    assert found.guardrails[0].state == "hopeless"
    assert found.decision == "stop"
    assert any("not shown to hold" in reason for reason in found.reasons)


def test_guardrails_are_told_as_ratios_with_their_counts() -> None:
    guard, _ = reading(users(lift=0.4)).guardrails
    control, treatment = (round(rate * 50_000) for rate in guard.rates)
    assert guard.effect.lift == pytest.approx(treatment / control - 1)
    assert guard.ci.low < 0.75 < guard.ci.high < 1.25
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
    assert found.reasons[0] == "22% of the evidence that a plan for +16% needs is in"


def test_a_spent_plan_without_a_case_stops() -> None:
    found = reading(users(lift=0.08))
    assert found.decision == "stop"
    assert "spent" in found.reasons[0]


def test_a_lift_too_small_to_be_worth_it_is_called_out_of_reach() -> None:
    plan = replace(PLAN, least_lift=0.5)
    found = read(users(lift=0.1, rate=0.1), plan)
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
    bots = np.where((np.arange(len(table)) < 200) & (arm == "treatment"), 5, table["loves"].to_numpy())
    found = reading(table, raw=table.set_column(3, "loves", pa.array(bots)))
    assert found.raw is not None
    assert found.raw.lift is not None
    assert found.lift is not None
    assert found.raw.lift > found.lift + 0.2


def test_few_loves_are_no_proof_however_unlike() -> None:
    """Five loves against none look large, and no test calls that proof."""
    table = users(rate=1e-9)
    loves = np.zeros(len(table), dtype=int)
    loves[1:11:2] = 1
    found = reading(table.set_column(3, "loves", pa.array(loves)))
    assert (found.decision, found.evidence.shown) == ("continue", None)
    assert found.lift is None
    assert found.lift_ci.high == math.inf


def test_nothing_exposed_yet_continues() -> None:
    found = reading(users().slice(0, 0))
    assert (found.decision, found.reasons) == ("continue", ("an arm has no exposure yet",))


@pytest.mark.parametrize(("loved", "planned"), [("control", 100_000), ("treatment", 50_000)])
def test_an_arm_without_any_love_is_read_as_one_with_a_single_love(loved: str, planned: int) -> None:
    words = {"control": ("stop", "the treatment is loved less"), "treatment": ("ship", "the lift is shown")}
    table = users(count=10_000)
    treated = np.arange(10_000) % 2 == 1
    chosen = treated if loved == "treatment" else ~treated
    many = np.where(chosen & (np.arange(10_000) % 20 < 2), 1, 0)
    for single in (0, 1):
        loves = many.copy()
        loves[np.flatnonzero(~chosen)[0]] = single
        found = read(table.set_column(3, "loves", pa.array(loves)), replace(PLAN, exposures=planned // 2))
        assert (found.decision, found.reasons[0].partition(":")[0]) == words[loved], single


def test_a_lift_over_nothing_is_told_as_such() -> None:
    table = users(count=10_000)
    loves = np.where(np.arange(10_000) % 20 == 1, 1, 0)
    found = read(table.set_column(3, "loves", pa.array(loves)), PLAN)
    assert found.lift is None
    assert "loves per exposure up from none, at least +" in found.reasons[0]


def test_users_in_both_arms_are_left_out_of_all_tables_and_counted() -> None:
    table, moved = users(count=10_000), users(count=30, rate=0.9)
    moved = moved.set_column(1, "arm", pa.array(["treatment", "control"] * 15))
    found = reading(table, raw=pa.concat_tables([table, moved]))
    without = reading(table.slice(30))
    assert (found.effect, found.arms) == (without.effect, without.arms)
    assert found.raw == without.effect
    assert found.in_several_arms == 30
    assert found.told == (
        "30 users seen in more than one arm, left out of all: assign by user, not by session or device",
    )
    assert without.told == ()


def test_many_users_in_both_arms_are_warned_of() -> None:
    table, moved = users(count=1_000), users(count=20)
    moved = moved.set_column(1, "arm", pa.array(["treatment", "control"] * 10))
    found = reading(pa.concat_tables([table, moved]))
    assert found.told[0].startswith("20 users seen in more than one arm")
    assert "WARNING, 2% of all users" in found.told[0]


def test_everybody_in_both_arms_leaves_nothing_to_compare() -> None:
    table = users(count=100)
    other = table.set_column(1, "arm", pa.array(["treatment", "control"] * 50))
    found = reading(pa.concat_tables([table, other]))
    assert (found.decision, found.exposures, found.in_several_arms) == ("continue", 0, 100)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        (
            "loves",
            -1,
            "column loves holds -1.0 (row 3), must be a whole number from 0 to 9,007,199,254,740,992: sum up",
        ),
        ("loves", math.nan, "column loves holds nan (row 3), must be a whole number"),
        ("loves", 0.5, "column loves holds 0.5 (row 3), must be a whole number"),
        ("loves", None, "column loves holds None (row 3), must be a count in every row: 0 where nothing was seen"),
        ("loves", 6, "column loves holds 6 (row 3), must be at most the row's exposures (5): count each loved"),
        ("exposures", math.inf, "column exposures holds inf (row 3), must be a whole number"),
        ("exposures", 1e300, "column exposures holds 1e+300 (row 3), must be a whole number"),
        ("exposures", -5, "column exposures holds -5.0 (row 3), must be a whole number"),
        ("closings", math.nan, "column closings holds nan (row 3), must be a number of 0 or more: shift"),
        ("closings", -1, "column closings holds -1.0 (row 3), must be a number of 0 or more: shift"),
        ("closings", None, "column closings holds None (row 3), must be a count"),
        ("arm", None, "column arm holds None (row 3), must be named in every row: leave out"),
        (
            "arm",
            "treatmnet",
            "column arm holds 'treatmnet' (row 3), must be one of control, treatment: is it the right",
        ),
        ("user_id", None, "column user_id holds None (row 3), must be named in every row"),
        (
            "user_id",
            "user-0",
            "1 users stand in more than one row of an arm ('user-0' in 2 of control), must be one row",
        ),
    ],
)
def test_a_row_that_cannot_be_is_named_with_its_rule(column: str, value: Any, words: str) -> None:
    table = users(count=10)
    place = table.column_names.index(column)
    cells = [float(each) if not isinstance(each, str) else each for each in table[column].to_pylist()]
    cells[2] = value
    broken = table.set_column(place, column, pa.array(cells))
    with pytest.raises(ValueError, match=re.escape(words)):
        reading(broken)
    if column != "closings":
        with pytest.raises(ValueError, match=re.escape(words)):
            reading(table, raw=broken)


def test_words_instead_of_counts_are_refused() -> None:
    table = users(count=10)
    with pytest.raises(ValueError, match="column loves is of type string, must hold whole numbers: cast it"):
        reading(table.set_column(3, "loves", pa.array(["1"] * 10)))


def test_whole_numbers_of_any_type_are_counts() -> None:
    table = users(count=2_000)
    for kind in (pa.int8(), pa.uint64(), pa.float32(), pa.float64()):
        assert reading(table.set_column(3, "loves", table["loves"].cast(kind))).arms == reading(table).arms


def test_users_who_were_never_exposed_continue_without_a_fault() -> None:
    table = users(count=10)
    nothing = pa.array([0] * 10)
    found = reading(table.set_column(2, "exposures", nothing).set_column(3, "loves", nothing), raw=table)
    assert (found.decision, found.reasons) == ("continue", ("an arm has no exposure yet",))
    alone = reading(table.filter(pc.equal(table["arm"], "control")))
    assert (alone.decision, alone.reasons) == ("continue", ("an arm has no exposure yet",))


def test_a_missing_guardrail_column_is_named() -> None:
    with pytest.raises(ValueError, match=r"columns \['closings'\] are missing"):
        reading(users().drop_columns(["closings"]))


def test_three_arms_are_refused() -> None:
    with pytest.raises(ValueError, match="one pair at a time"):
        read(users(), replace(PLAN, shares={"control": 0.4, "a": 0.3, "b": 0.3}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"exposures": 0}, "plan.exposures == 0, must be a positive number: per arm"),
        ({"exposures": math.nan}, "plan.exposures == nan, must be a positive number"),
        ({"least_lift": math.nan}, "plan.least_lift == nan, must be a number above -1"),
        ({"confidence": 95}, "plan.confidence == 95, must be in (0, 1): 0.95 for 95 % intervals"),
        ({"shares": {"control": 50, "treatment": 50}}, "must each be in (0, 1] and sum to 1: per cent over 100"),
        ({"shares": {"control": 0.5, "treatment": 0.6}}, "sum to 1, they sum to 1.1: name every arm"),
        ({"shares": {"control": math.nan, "treatment": 0.5}}, "must each be in (0, 1] and sum to 1"),
        ({"shares": {"control": 1.0, "treatment": 0.0}}, "an arm that nobody was to get is no arm"),
        ({"shares": {"control": 1.0}}, "must be 'control' and one other"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        read(users(count=10), replace(PLAN, **changes))


@pytest.mark.parametrize("margin", [math.nan, 0, -1.25, math.inf, 0.8])
def test_a_guardrail_without_a_margin_that_can_be_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="metric closings: margin == "):
        Metric("closings", "closings", better="fewer", margin=margin)


def test_a_plan_whose_guardrail_has_no_margin_is_refused() -> None:
    loose = (Metric("closings", "closings", better="fewer"),)
    with pytest.raises(ValueError, match=r"guardrails closings have no margin, must have one"):
        read(users(count=10), replace(PLAN, guardrails=loose))


def test_a_lift_must_hold_with_nobody_left_out() -> None:
    """The filter's flags come after the treatment: a lift that only they make is none."""
    table = users(lift=0.4)
    arm = np.array(table["arm"].to_pylist())
    honest = np.where((np.arange(len(table)) < 1_200) & (arm == "control"), 5, table["loves"].to_numpy())
    found = reading(table, raw=table.set_column(3, "loves", pa.array(honest)))
    assert found.evidence.shown == "more"
    assert found.beside[RAW].shown != "more"
    assert found.decision != "ship"
    assert any(reason.startswith(f"{RAW} it does not hold") for reason in found.reasons)


def test_a_lift_must_outlive_the_attackers_whom_the_filter_may_have_missed() -> None:
    table = users(lift=0.4)
    plan = replace(PLAN, least_lift=0.0)
    few, many = (read(table, plan, missed=missed) for missed in (3, 300))
    assert few.decision == "ship"
    assert many.beside[WORST].shown != "more"
    assert many.decision != "ship"


def test_a_test_that_has_ended_is_not_told_to_go_on() -> None:
    found = reading(users(lift=0.1, count=4_000), ended=True)
    assert found.decision == "stop"
    assert found.reasons[0].startswith("the test has ended without a case for shipping, 22% of the evidence")


def test_metrics_of_the_users_own_stand_beside_the_standard_ones() -> None:
    table = users(lift=0.4)
    paid = np.where(np.array(table["arm"].to_pylist()) == "treatment", 1.5, 1.0) * (np.arange(len(table)) % 7)
    found = reading(
        table.append_column("paid", pa.array(paid)), metrics=[Metric("paid", "paid", per=None, title="paid per user")]
    )
    by_name = {each.metric.name: each for each in found.secondary}
    assert by_name["paid"].effect.lift == pytest.approx(0.5, abs=0.05)
    assert by_name["paid"].discovered
    assert not by_name["exposures_per_user"].discovered
    assert {"loves_per_exposure", "loves_per_user", "lovers", "closings_per_exposure"} < set(by_name)
