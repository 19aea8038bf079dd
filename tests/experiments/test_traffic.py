import math

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.traffic import Traffic, estimated_variance_left, exposures_by, lovers_by, repeats_by, users_by, window

Counts = NDArray[np.int64]


def life(random: np.random.Generator, days: int, *, people: int, rate: float, spread: float) -> tuple[Counts, Counts]:
    """Exposures and loves of people by day, arrays [people, days]: heavy tails of activity and of taste."""
    activity = 0.3 * random.lognormal(-(spread**2) / 2, spread, people)
    taste = np.minimum(rate * random.lognormal(-(spread**2) / 2, spread, people), 0.5)
    shown = random.poisson(np.repeat(activity[:, None], days, axis=1))
    return shown, random.binomial(shown, taste[:, None])


def seen(shown: Counts, loved: Counts) -> Traffic:
    """The window as it would be counted: of those who came."""
    came = shown.sum(axis=1) > 0
    first = (shown[came] > 0).argmax(axis=1)
    arrivals = np.bincount(first, minlength=shown.shape[1])
    return window(loved[came].sum(axis=1), shown[came].sum(axis=1), arrivals)


def test_the_windows_own_end_is_what_it_holds() -> None:
    traffic = window([2, 1, 0, 0], [10, 10, 5, 5], [3, 1])
    end = np.array(2.0)
    assert users_by(traffic, end) == 4
    assert exposures_by(traffic, end) == 30
    assert lovers_by(traffic, end) == 2
    assert repeats_by(traffic, end) == 1
    assert (traffic.base_rate, traffic.lovers_per_love) == (0.1, pytest.approx(2 / 3))


def test_days_after_the_window_go_on_as_it_ended() -> None:
    traffic = window([1, 0, 0, 0, 0, 0], [10] * 6, [2, 1, 2, 1])
    assert users_by(traffic, np.array([0.0, 1.5, 4.0, 8.0])) == pytest.approx([0, 2.5, 6, 12])
    assert exposures_by(traffic, np.array(6.0)) == 90
    old = window([1, 0, 0, 0, 0, 0], [10] * 6, [6, 0, 0, 0])
    assert users_by(old, np.array(40.0)) == 6


def test_where_everybody_comes_once_lovers_grow_with_the_days() -> None:
    traffic = window([1] * 100 + [0] * 19_900, [1] * 20_000, [2_000] * 10)
    assert lovers_by(traffic, np.array([5.0, 10.0, 40.0])) == pytest.approx([50, 100, 400])
    assert repeats_by(traffic, np.array([3.0, 30.0])) == pytest.approx([1, 1])


@pytest.mark.parametrize(("rate", "spread"), [(0.002, 1.0), (0.05, 1.0), (0.02, 1.4)])
def test_two_weeks_foretell_four(rate: float, spread: float) -> None:
    """Persistent users of differing activity and taste: lovers within a tenth, the design effect within a quarter."""
    random = np.random.default_rng(0)
    shown, loved = life(random, 28, people=30_000, rate=rate, spread=spread)
    early, late = seen(shown[:, :14], loved[:, :14]), seen(shown, loved)
    month, week = np.array(28.0), np.array(7.0)
    assert lovers_by(early, month) == pytest.approx((late.loves > 0).sum(), rel=0.1)
    assert lovers_by(early, week) == pytest.approx((loved[:, :7].sum(axis=1) > 0).sum(), rel=0.1)
    assert users_by(early, month) == pytest.approx(len(late.loves), rel=0.12)
    grown = 1 + (early.design_effect - 1) * float(repeats_by(early, month))
    assert grown == pytest.approx(late.design_effect, rel=0.25)


@pytest.mark.slow
def test_more_love_makes_lovers_as_more_time_does() -> None:
    """A lift of loves lifts lovers less, since some love anyway."""
    plain = life(np.random.default_rng(1), 14, people=60_000, rate=0.05, spread=1.0)
    more = life(np.random.default_rng(2), 14, people=60_000, rate=0.05 * 1.3, spread=1.0)
    foretold = float(lovers_by(seen(*plain), np.array(14.0), 1.3))
    assert foretold == pytest.approx((seen(*more).loves > 0).sum(), rel=0.03)
    assert 1.1 < foretold / (seen(*plain).loves > 0).sum() < 1.25


def test_lovers_never_pass_the_users() -> None:
    traffic = window([1] * 9 + [0], [2] * 10, [10, 0])
    assert lovers_by(traffic, np.array(2_000.0)) <= 10


def test_a_cap_calms_a_superfan() -> None:
    traffic = window([400] + [1] * 40 + [0] * 4_000, [500] + [10] * 4_040, [4_041])
    assert traffic.design_effect > 100
    assert traffic.capped(2).design_effect < 2


def test_history_explains_what_heavy_users_differ_by_and_no_rare_love() -> None:
    random = np.random.default_rng(2)
    heavy_shown, heavy = life(random, 28, people=8_000, rate=0.05, spread=1.4)
    rare_shown, rare = life(random, 28, people=8_000, rate=0.001, spread=0.6)

    def left(shown: Counts, loved: Counts) -> float:
        (x0, x), (y0, y) = ((each[:, :14].sum(axis=1), each[:, 14:].sum(axis=1)) for each in (loved, shown))
        return estimated_variance_left(x, y, x0, y0)

    assert left(heavy_shown, heavy) < 0.6
    assert left(rare_shown, rare) > 0.97


@pytest.mark.parametrize("users", [5, 50])
def test_few_users_or_none_who_differ_leave_all_of_the_variance(users: int) -> None:
    zero = np.zeros(users)
    assert estimated_variance_left(zero, np.ones(users), zero, zero) == 1.0


@pytest.mark.parametrize(
    ("loves", "exposures", "arrivals", "message"),
    [
        ([], [], [1], "at least one"),
        ([1, 0], [1], [2], "one row for each user in both"),
        ([2, 0], [1, 1], [2], "user 1 has 2 loves of 1 exposures"),
        ([1, 0], [1, 1], [3], "3 users arrived and 2 are in the window"),
        ([0, 0], [1, 1], [2], "no love in the window"),
        ([0, 0], [0, 0], [2], "no exposure in the window"),
        ([math.nan, 0], [1, 1], [2], "loves holds nan"),
        ([1, 0], [1, 1.5], [2], r"exposures holds 1.5 \(row 2\)"),
        ([1, 0], [1, 1], [3, -1], "arrivals holds -1"),
    ],
)
def test_a_window_that_cannot_be_is_refused(
    loves: list[float], exposures: list[float], arrivals: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        window(loves, exposures, arrivals)


def test_a_history_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="past_loves has shape"):
        estimated_variance_left(np.ones(20), np.ones(20), np.ones(19), np.ones(20))
