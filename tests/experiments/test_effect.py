import math

import numpy as np
import pytest

from experiments.effect import ArmSums, design_effect, exact_interval, exact_p, relative, sums


def arm(events: int, exposures: int, users: int = 1_000) -> ArmSums:
    """An arm whose users all saw the same number of responses and gave at most one love."""
    each = exposures // users
    return sums(np.r_[np.ones(events), np.zeros(users - events)], np.full(users, each))


def test_clustering_is_seen_where_users_love_everything() -> None:
    rng = np.random.default_rng(1)
    exposures = np.full(2_000, 10)
    fans = np.where(rng.random(2_000) < 0.05, 10, 0)
    assert design_effect(sums(fans, exposures)) == pytest.approx(10, rel=0.05)
    assert design_effect(sums(rng.binomial(10, 0.05, 2_000), exposures)) == pytest.approx(1, rel=0.1)


def test_the_clustered_variance_agrees_with_a_bootstrap_over_users() -> None:
    rng = np.random.default_rng(2)
    exposures = rng.poisson(5, 3_000) + 1
    loves = rng.binomial(exposures, rng.beta(0.3, 6, 3_000))
    picks = rng.integers(0, 3_000, size=(1_000, 3_000))
    rates = loves[picks].sum(axis=1) / exposures[picks].sum(axis=1)
    assert sums(loves, exposures).variance == pytest.approx(rates.var(), rel=0.15)


def test_looking_at_any_time_is_wider_than_looking_once() -> None:
    effect = relative(arm(100, 10_000), arm(150, 10_000), information=0.5)
    assert effect.lift == pytest.approx(0.5)
    assert effect.anytime_ci.low < effect.ci.low < 0.5 < effect.ci.high < effect.anytime_ci.high


def test_the_exact_interval_excludes_no_effect_when_the_exact_test_does() -> None:
    for loves in range(10, 60):
        control, treatment = arm(20, 10_000), arm(loves, 10_000)
        interval = exact_interval(control, treatment)
        assert (interval.low > 0 or interval.high < 0) == (exact_p(control, treatment) < 0.05)


def test_an_arm_without_a_love_falls_back_on_the_exact_interval() -> None:
    never = relative(arm(5, 10_000), arm(0, 10_000), information=1.0)
    assert never.lift == -1.0
    assert never.ci == never.exact_ci
    first = relative(arm(0, 10_000), arm(5, 10_000), information=1.0)
    assert first.lift is None
    assert first.ci.high == math.inf


@pytest.mark.parametrize("events", [1, 5, 23, 60, 500])
@pytest.mark.parametrize("information", [0.1, 1.0, 2.0])
@pytest.mark.parametrize("each", [1, 20])
def test_no_love_is_never_judged_more_mildly_than_one(events: int, information: float, each: int) -> None:
    """Also beside an arm whose loves come from fans, `each` of one user."""
    fans = sums(np.r_[np.full(events, each), np.zeros(4_000)], np.full(events + 4_000, 30))
    none, one = (sums(np.r_[loves, np.zeros(2_000)], np.r_[90, np.full(2_000, 5)]) for loves in (0, 1))
    harm = [relative(fans, arm, information=information).anytime_ci for arm in (none, one)]
    assert harm[0].high <= harm[1].high
    gain = [relative(arm, fans, information=information).anytime_ci for arm in (none, one)]
    assert gain[0].low >= gain[1].low


def test_a_lost_arm_is_seen_at_any_look_and_two_without_love_show_nothing() -> None:
    lost = relative(arm(500, 50_000), arm(0, 50_000), information=0.5)
    assert lost.anytime_ci.low == -1
    assert lost.anytime_ci.high < -0.9
    assert relative(arm(0, 50_000), arm(500, 50_000), information=0.5).anytime_ci.low > 10
    assert relative(arm(5, 10_000), arm(0, 10_000), information=1.0).anytime_ci.high > 0
    assert relative(arm(0, 10_000), arm(0, 50_000), information=1.0).anytime_ci == (-1, math.inf)
    assert relative(arm(5, 10_000), sums(np.zeros(3), np.zeros(3)), information=1.0).anytime_ci == (-1, math.inf)


def test_users_who_are_all_alike_do_not_make_a_few_loves_certain() -> None:
    """One of five against two of five by every user: no variance between them, and an interval all the same."""
    few, many = (sums(np.full(20, loves), np.full(20, 5)) for loves in (1, 2))
    effect = relative(few, many, information=1.0)
    assert few.variance == pytest.approx(0, abs=1e-12)
    assert effect.anytime_ci.low < 0 < effect.anytime_ci.high
    every = sums(np.full(20, 5), np.full(20, 5))
    assert relative(every, every, information=1.0).anytime_ci.low < 0 < relative(every, every, information=1.0).ci.high
