"""Tests in which an easy reading goes wrong: each was once answered with the wrong word."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from experiments import ledger
from experiments.cohort import cohort
from experiments.plan import Plan
from experiments.readout import Readout, read

HALVES = {"control": 0.5, "treatment": 0.5}
DECIDES = pytest.mark.parametrize("decides", ["lovers", "ratio"])


def table(
    exposures: Any, loves: Any, closings: Any = 0, *, rng: np.random.Generator | None = None, count: int = 20_000
) -> pa.Table:
    """Users of both arms in turn; first loves come in any order."""
    columns = {"exposures": exposures, "loves": loves, "closings": closings}
    filled = {name: np.broadcast_to(np.asarray(each), count).astype(np.int64) for name, each in columns.items()}
    moments = (rng or np.random.default_rng(1)).permutation(count) + 1_767_225_600_000_000
    love = pa.array(moments, pa.timestamp("us", "UTC"), mask=filled["loves"] == 0)
    arms = np.where(treated(count), "treatment", "control")
    return pa.table({"user_id": np.arange(count).astype(str), "arm": arms, **filled, "first_love": love})


def treated(count: int = 20_000) -> np.ndarray:
    return np.arange(count) % 2 == 1


def reading(users: pa.Table, **settings: Any) -> Readout:
    return read(users, Plan(HALVES, guardrails=(), watched=(), **settings))


@DECIDES
@pytest.mark.parametrize("lost", ["control", "treatment"])
def test_a_total_loss_of_loves_is_seen_long_before_the_plan_is_spent(decides: Any, lost: str) -> None:
    loving = treated() if lost == "control" else ~treated()
    loves = loving & (np.arange(20_000) % 20 < 2)
    found = reading(table(4, loves), decides=decides, lift=0.05)
    word = "stop" if lost == "treatment" else "ship"
    assert (found.decision, found.evidence.shown) == (word, "more" if lost == "control" else "fewer")
    assert found.evidence.information is not None
    assert found.evidence.information < 0.3


@pytest.mark.slow
@DECIDES
def test_one_superfan_ships_nothing(decides: Any) -> None:
    loves, exposures = np.zeros(20_000), np.full(20_000, 10)
    loves[0:20:2] = 1
    loves[1], exposures[1] = 300, 400
    found = reading(table(exposures, loves), decides=decides, lift=0.28)
    assert found.decision != "ship"
    assert found.evidence.shown is None


@DECIDES
@pytest.mark.parametrize("seed", range(10))
def test_driving_away_those_who_love_seldom_ships_nothing(decides: Any, seed: int) -> None:
    """Loves per exposure rise by 24 % in expectation; loves per assigned user fall by 7 %, and nobody loves more."""
    rng = np.random.default_rng(seed)
    often = np.arange(20_000) // 2 % 2 == 1
    exposures = np.where(treated() & ~often, 5, 10)
    loves = rng.binomial(exposures, np.where(often, 0.0172, 0.0028))
    found = reading(table(exposures, loves, rng=rng), decides=decides, lift=0.2)
    assert found.decision != "ship"


@pytest.mark.slow
@DECIDES
def test_what_was_served_to_the_last_is_not_told_to_go_on(decides: Any) -> None:
    """The smaller arm of a plan by exposures nearly always ends just short of it."""
    rng = np.random.default_rng(3)
    users = table(5, rng.binomial(5, 0.02, 20_000), rng=rng)
    open_plan = Plan(HALVES, guardrails=(), watched=(), decides=decides, lift=0.1)
    assert read(users, open_plan).decision == "continue"
    assert read(users, open_plan, ended=True).decision == "stop"
    spent = read(users, replace(open_plan, lift=0.3))
    assert (spent.decision, spent.reasons[0].startswith("the plan is spent")) == ("stop", True)


def test_a_ledger_of_three_rows_trusts_nobody() -> None:
    pairs = ((0.1, 0.08), (0.2, 0.17), (0.3, 0.31))
    rows = [
        ledger.row(
            f"candidate-{number}", predicted_lift=predicted, measured_lift=measured, measured_ci=(-0.1, 0.5),
            experiment=f"e{number}", day=date(2026, 1, 1), one_look=(measured - 0.1, measured + 0.1),
        )._asdict()
        for number, (predicted, measured) in enumerate(pairs)
    ]  # fmt: skip
    found = ledger.agreement(rows)
    assert found.r is not None
    assert found.r > 0.95
    assert not found.passed


@DECIDES
def test_closings_up_by_half_do_not_hold_and_do_not_ship(decides: Any) -> None:
    rng = np.random.default_rng(5)
    loves = rng.binomial(10, np.where(treated(), 0.016, 0.01))
    closings = rng.binomial(10, np.where(treated(), 0.0128, 0.0086))
    found = read(table(10, loves, closings, rng=rng), Plan(HALVES, decides=decides, lift=0.28))
    assert found.evidence.shown == "more"
    assert found.guardrails[0].state != "held"
    assert found.decision == "stop"


@DECIDES
def test_users_who_are_all_alike_make_nothing_certain(decides: Any) -> None:
    found = reading(table(5, np.where(treated(20), 2, 1), count=20), decides=decides, lift=0.28)
    assert found.effect.anytime_ci.high - found.effect.anytime_ci.low > 1
    assert found.decision == "continue"


def test_a_love_that_is_no_number_is_refused_with_its_place() -> None:
    users = table(5, 0)
    loves = users["loves"].cast(pa.float64()).to_pylist()
    loves[7] = float("nan")
    broken = users.set_column(users.column_names.index("loves"), "loves", pa.array(loves))
    with pytest.raises(ValueError, match=r"column loves holds nan \(row 8\)"):
        reading(broken)


@DECIDES
def test_the_least_lift_is_held_against_the_lower_end_and_not_the_middle(decides: Any) -> None:
    rng = np.random.default_rng(9)
    users = table(5, rng.binomial(5, np.where(treated(), 0.028, 0.02)), rng=rng)
    assert reading(users, decides=decides, lift=0.2).decision == "ship"
    found = reading(users, decides=decides, lift=0.2, least_lift=0.3)
    assert found.evidence.lift is not None
    assert found.evidence.lift > 0.3 > found.evidence.ci.low
    assert found.decision != "ship"


@pytest.mark.slow
def test_five_guardrails_together_stop_a_sound_test_no_more_often_than_alpha() -> None:
    """Each has alpha / 5 to be called broken: at a truth on the margin, one in 40 of each would be one in 8 of all."""
    from experiments.metrics import Metric

    rng, stopped, tests = np.random.default_rng(11), 0, 200
    watched = tuple(Metric(f"m{number}", f"m{number}", better="fewer", margin=1.25) for number in range(5))
    plan = Plan(HALVES, guardrails=(), watched=watched, decides="ratio", lift=0.2)
    for _ in range(tests):
        users = table(10, rng.binomial(10, 0.05, 4_000), rng=rng, count=4_000)
        for each in watched:
            bad = rng.binomial(10, np.where(treated(4_000), 0.0625, 0.05))
            users = users.append_column(each.column, pa.array(bad))
        stopped += any(each.state == "broken" for each in read(users, plan).watched)
    assert stopped / tests <= 0.05


@pytest.mark.parametrize("moments", [1, 7])
def test_first_loves_of_one_moment_show_no_effect_that_is_not_there(moments: int) -> None:
    """A log with whole days: the control's lovers before the treatment's are a run of coins that fall alike."""
    users = table(10, np.arange(20_000) % 50 < 2)
    days = pa.array(np.arange(20_000) % moments * 86_400_000_000, pa.timestamp("us", "UTC"))
    loved = pc.if_else(pc.greater(users["loves"], 0), days, None)
    found = reading(users.set_column(users.column_names.index("first_love"), "first_love", loved), lift=0.2)
    assert (found.decision, found.evidence.shown) == ("continue", None)


def test_loves_of_one_moment_have_one_order_whatever_the_order_of_the_rows() -> None:
    users = table(10, np.arange(20_000) % 50 < 2)
    users = users.set_column(
        users.column_names.index("first_love"),
        "first_love",
        pc.if_else(pc.greater(users["loves"], 0), users["first_love"][0], None),
    )
    turned = users.take(np.arange(20_000)[::-1])
    walks = [cohort(each, ("control", "treatment")).lovers() for each in (users, turned)]
    assert walks[0] is not None
    assert walks[0].tolist() == walks[1].tolist()


def test_a_lift_that_has_turned_into_its_contrary_is_not_shipped() -> None:
    """Of the first 25 lovers all are the treatment's; of the 850 after them, 250."""
    coins = np.repeat([1, 0, 1], [25, 600, 250])
    others = np.repeat([0, 1], [9_400, 9_725])
    arms, loves = np.concatenate([coins, others]), np.repeat([1, 0], [len(coins), len(others)])
    users = table(10, loves, count=len(arms))
    moments = pa.array(np.arange(len(arms)), pa.timestamp("us", "UTC"), mask=loves == 0)
    columns = {"arm": np.where(arms == 1, "treatment", "control"), "first_love": moments}
    for name, column in columns.items():
        users = users.set_column(users.column_names.index(name), name, pa.array(column))
    found = reading(users)
    assert (found.decision, found.evidence.shown) == ("stop", "fewer")
    assert found.evidence.ci.high < 0


def test_users_who_are_all_alike_are_read_by_the_plain_ratio_where_the_adjusted_one_decides() -> None:
    users = table(1, 1, count=400)
    for name in ("past_loves", "past_exposures"):
        users = users.append_column(name, pa.array(np.zeros(400, np.int64)))
    found = reading(users, decides="adjusted")
    assert (found.evidence.decides, found.evidence.shown) == ("ratio", None)
