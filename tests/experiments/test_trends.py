import math

import numpy as np
import pytest

from experiments.trends import Novelty, by_day, carry_over
from stats.intervals import Interval

DAYS = 7


def lived(rng: np.random.Generator, users: int, lifts: np.ndarray, rate: float = 0.05, taste: float = 0.8) -> Novelty:
    """Users of different taste who come on some of their days; day 0 is everybody's."""
    fond = np.exp(taste * rng.standard_normal(users) - taste * taste / 2)
    user, day = (each.ravel() for each in np.indices((users, DAYS)))
    came = (day == 0) | (rng.random(len(day)) < 0.5)
    user, day = user[came], day[came]
    arm, exposures = rng.integers(0, 2, users)[user], 1 + rng.poisson(4, len(user))
    chance = np.minimum(rate * fond[user] * np.where(arm == 1, 1 + lifts[day], 1.0), 0.9)
    return by_day(rng.binomial(exposures, chance), exposures, arm, day, user)


@pytest.mark.slow
@pytest.mark.parametrize("lift", [0.0, 0.3])
def test_an_effect_that_lasts_is_called_a_change_as_often_as_the_level_says(lift: float) -> None:
    """Users repeat with their taste, so days are not independent: without clusters by user this would fail."""
    rng = np.random.default_rng(1)
    runs = [lived(rng, 400, np.full(DAYS, lift), taste=1.2) for _ in range(300)]
    alarms = np.mean([each.p < 0.05 for each in runs])
    assert alarms < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)
    slopes = np.array([each.slope for each in runs])
    assert abs(slopes.mean()) < 2 * slopes.std() / math.sqrt(300)


@pytest.mark.slow
def test_the_slope_is_the_true_one_and_its_interval_covers() -> None:
    rng = np.random.default_rng(2)
    lifts = np.exp(0.5 - 0.08 * np.arange(DAYS)) - 1
    runs = [lived(rng, 600, lifts) for _ in range(200)]
    slopes = np.array([each.slope for each in runs])
    assert slopes.mean() == pytest.approx(-0.08, abs=2 * slopes.std() / math.sqrt(200))
    covers = np.mean([each.ci.low <= -0.08 <= each.ci.high for each in runs])
    assert covers > 0.95 - 2 * math.sqrt(0.05 * 0.95 / 200)


def test_a_novelty_fades_and_what_must_be_learnt_grows() -> None:
    rng = np.random.default_rng(3)
    fades = lived(rng, 8_000, 1.0 * 0.6 ** np.arange(DAYS))
    assert fades.ci.high < 0
    assert fades.words.startswith("the effect fades, the ratio by -")
    assert [each.day for each in fades.days] == list(range(DAYS))
    assert fades.days[0].ci.low > 0.5
    assert fades.days[-1].ci.high < 0.5
    grows = lived(rng, 8_000, 0.15 * np.arange(DAYS))
    assert grows.ci.low > 0
    assert grows.words.startswith("the effect grows, ")


def test_harm_that_passes_recovers_and_harm_that_builds_up_worsens() -> None:
    rng = np.random.default_rng(4)
    assert "the effect recovers" in lived(rng, 8_000, -0.6 * 0.6 ** np.arange(DAYS)).words
    assert "the effect worsens" in lived(rng, 8_000, -0.02 - 0.1 * np.arange(DAYS)).words


def test_the_slope_is_that_of_poisson_regression() -> None:
    """Two days saturate the model: the slope is the difference of the days' log ratios."""
    rng = np.random.default_rng(5)
    user, day, arm = np.repeat(np.arange(200), 2), np.tile([0, 3], 200), np.repeat(np.arange(200) % 2, 2)
    exposures = rng.integers(1, 9, 400)
    loves = rng.binomial(exposures, 0.3)
    found = by_day(loves, exposures, arm, day, user)
    ratios = [math.log1p(each.lift) for each in found.days]
    assert found.slope == pytest.approx((ratios[1] - ratios[0]) / 3)


def test_rows_may_stand_in_any_order_and_users_have_any_numbers() -> None:
    rng = np.random.default_rng(6)
    user, day = (each.ravel() for each in np.indices((300, 3)))
    arm, loves, exposures = user % 2, rng.binomial(4, 0.3, 900), np.full(900, 4)
    first = by_day(loves, exposures, arm, day, user)
    order = rng.permutation(900)
    second = by_day(loves[order], exposures[order], arm[order], day[order], (9 * user + 4)[order])
    assert second.slope == pytest.approx(first.slope)
    assert second.p == pytest.approx(first.p)


def test_a_day_without_a_love_in_one_arm_is_read_exactly_and_does_not_break_the_slope() -> None:
    rng = np.random.default_rng(7)
    user, day = (each.ravel() for each in np.indices((400, 3)))
    arm, exposures = user % 2, np.full(1_200, 5)
    loves = rng.binomial(5, 0.1, 1_200)
    loves[(arm == 1) & (day == 1)] = 0
    loves[(arm == 0) & (day == 2)] = 0
    found = by_day(loves, exposures, arm, day, user)
    assert found.slope is not None
    assert found.days[1].lift == -1
    assert -1 == found.days[1].ci.low < found.days[1].ci.high < -0.9
    assert found.days[2].lift is None
    assert found.days[2].ci.low > 1
    assert found.days[2].ci.high == math.inf


@pytest.mark.parametrize(
    ("loves", "arm", "day"),
    [
        ([], [], []),
        ([1, 2, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]),
        ([0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 1]),
        ([1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]),
        ([1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 1, 1]),
        ([1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 1]),
    ],
)
def test_where_days_say_nothing_no_slope_is_told(loves: list[int], arm: list[int], day: list[int]) -> None:
    """Nobody, one day, no love, loves that never share a day, one arm, no love in one arm."""
    found = by_day(loves, [5] * len(loves), arm, day, range(len(loves)))
    assert (found.slope, found.p) == (None, 1.0)
    assert found.ci == Interval(-math.inf, math.inf)
    assert found.words == "too few days with events to see a change"


def previous(rng: np.random.Generator, left_over: float, new_lift: float = 0.0) -> tuple[np.ndarray, ...]:
    users = 4_000
    arm, before = rng.integers(0, 2, users), rng.integers(-1, 2, users)
    exposures = 1 + rng.poisson(9, users)
    chance = 0.05 * np.where(before == 1, 1 + left_over, 1.0) * np.where(arm == 1, 1 + new_lift, 1.0)
    return rng.binomial(exposures, chance), exposures, arm, before


def test_what_an_earlier_treatment_left_is_found_whatever_the_new_one_does() -> None:
    found = carry_over(*previous(np.random.default_rng(8), 0.5, new_lift=1.0))
    assert found.ci.low < 0.5 < found.ci.high
    assert found.p < 1e-6
    assert found.words.startswith("carry-over, who was treated before")
    assert abs(found.leak) < 0.02


def test_the_leak_is_what_unequal_shares_make_of_it() -> None:
    """All who were treated before are in the new treatment: all of the carry-over seems to be its effect."""
    arm = before = np.repeat([0, 1], 500)
    loves = np.random.default_rng(9).binomial(10, 0.1 * (1 + before))
    found = carry_over(loves, np.full(1_000, 10), arm, before)
    assert found.leak == pytest.approx(found.lift)
    assert f"makes {found.leak:+.2%} of the new lift" in found.words


@pytest.mark.slow
def test_without_carry_over_it_is_told_as_seldom_as_the_level_says() -> None:
    rng = np.random.default_rng(10)
    told = [carry_over(*previous(rng, 0.0)).p < 0.05 for _ in range(300)]
    assert np.mean(told) < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)


def test_without_anybody_treated_before_nothing_is_known() -> None:
    found = carry_over([1, 2, 3], [4, 4, 4], [0, 1, 1], [-1, 0, 0])
    assert (found.lift, found.p, found.leak) == (None, 1.0, 0.0)
    assert found.words == "no carry-over is shown, who was treated before, over who was a control: not known"


def test_what_cannot_be_is_refused() -> None:
    good = {"events": [1, 2], "exposures": [3, 3], "arm": [0, 1], "day": [0, 0], "user": [0, 1]}
    for wrong, told in (
        ({"day": [0, -1]}, r"day holds -1 \(row 2\), must be a whole number from 0 on"),
        ({"day": [0, 0.5]}, r"day holds 0\.5 \(row 2\), must be a whole number from 0 on"),
        ({"user": [0]}, r"columns of different lengths \(events 2, day 2, user 1\)"),
        ({"user": [7, 7], "arm": [0, 0]}, "user 7 has several rows of day 0, must be one row for each user and day"),
        ({"user": [7, 7], "day": [0, 1]}, "user 7 is in both arms, must be in one"),
        ({"events": [1, math.nan]}, r"events holds nan \(row 2\)"),
    ):
        with pytest.raises(ValueError, match=told):
            by_day(**(good | wrong))
    with pytest.raises(ValueError, match=r"previous_arm holds 2 \(row 2\), must be one of -1 and 0 and 1"):
        carry_over([1, 2], [3, 3], [0, 1], [0, 2])
