import math

import numpy as np
import pytest
from scipy.stats import norm

from experiments import boundaries
from experiments.effect import MIN_LOVERS, difference, exact_interval, exact_p, relative
from experiments.moments import ArmSums, design_effect, expected_information, log_variance, sums

PLANNED = boundaries.planned_information(0.28)


def arm(events: int, exposures: int, users: int = 1_000) -> ArmSums:
    """An arm whose users all saw the same number of responses and gave at most one love."""
    each = exposures // users
    return sums(np.r_[np.ones(events), np.zeros(users - events)], np.full(users, each))


def fans(loves: list[int], others: int = 4_000) -> ArmSums:
    """An arm of 300 exposures a user in which some love, one of each number, and all others do not."""
    return sums(np.r_[loves, np.zeros(others)], np.full(len(loves) + others, 300))


def test_clustering_is_seen_where_users_love_everything() -> None:
    rng = np.random.default_rng(1)
    exposures = np.full(2_000, 10)
    lovers = np.where(rng.random(2_000) < 0.05, 10, 0)
    assert design_effect(sums(lovers, exposures)) == pytest.approx(10, rel=0.05)
    assert design_effect(sums(rng.binomial(10, 0.05, 2_000), exposures)) == pytest.approx(1, rel=0.1)


def test_the_clustered_variance_agrees_with_a_bootstrap_over_users() -> None:
    rng = np.random.default_rng(2)
    exposures = rng.poisson(5, 3_000) + 1
    loves = rng.binomial(exposures, rng.beta(0.3, 6, 3_000))
    picks = rng.integers(0, 3_000, size=(1_000, 3_000))
    rates = loves[picks].sum(axis=1) / exposures[picks].sum(axis=1)
    assert sums(loves, exposures).variance == pytest.approx(rates.var(), rel=0.15)


def test_sums_of_chances_keep_their_fractions_and_counts_stay_whole() -> None:
    chances = sums(np.array([0.25, 0.5]), np.array([1, 2]))
    assert (chances.events, chances.whole, chances.counts) == (0.75, False, "0.8 of 3")
    counts = sums(np.array([1.0, 0.0]), np.array([1, 2]))
    assert (repr(counts.events), counts.whole, counts.lovers, counts.counts) == ("1", True, 1, "1 of 3")


@pytest.mark.parametrize(
    ("events", "exposures", "words"),
    [
        ([math.nan], [1], "events hold nan, must be finite and 0 or more"),
        ([-1], [1], "events hold -1, must be finite and 0 or more"),
        ([1], [math.inf], "exposures hold inf, must be finite and 0 or more"),
        ([1, 1], [1], r"events of shape \(2,\) and exposures of shape \(1,\), must be one of each a user"),
    ],
)
def test_what_cannot_be_summed_is_refused(events: list[float], exposures: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sums(np.array(events), np.array(exposures))


def test_looking_at_any_time_is_wider_than_looking_once() -> None:
    effect = relative(arm(100, 10_000), arm(150, 10_000), planned_information=PLANNED)
    assert effect.lift == pytest.approx(0.5)
    assert effect.anytime_ci.low < effect.ci.low < 0.5 < effect.ci.high < effect.anytime_ci.high


def test_time_is_the_evidence_that_is_in_and_not_the_exposures() -> None:
    """As many loves from a few users who love again and again are less evidence, and so an earlier look."""
    once, again = (relative(each, each, planned_information=PLANNED) for each in (fans([1] * 300), fans([10] * 30)))
    assert once.information == pytest.approx(0.5 * 300 / PLANNED, rel=0.02)
    assert again.information == pytest.approx(once.information / 10, rel=0.02)


def test_the_interval_at_any_look_is_the_boundarys() -> None:
    control, treatment = fans([2] * 100), fans([2] * 150, others=3_950)
    effect = relative(control, treatment, planned_information=PLANNED, alpha=0.1)
    error = math.sqrt(control.variance / control.rate**2 + treatment.variance / treatment.rate**2)
    assert effect.standard_error == pytest.approx(error)
    assert effect.information == pytest.approx(1 / error**2 / PLANNED)
    half = boundaries.spent_width(effect.information, 0.1) * error
    assert np.log1p(effect.anytime_ci) == pytest.approx([math.log(1.5) - half, math.log(1.5) + half])


@pytest.mark.parametrize("loves", [100, 30, 19, 3, 0])
def test_the_p_value_is_below_a_level_exactly_where_the_interval_leaves_out_no_effect(loves: int) -> None:
    for more in (0, 21, 22, 60, 160):
        found = relative(arm(loves, 10_000), arm(more, 10_000), planned_information=PLANNED)
        assert (found.anytime_ci.above(0) or found.anytime_ci.below(0)) == (found.p < 0.05)
        assert (found.z > 0) == (more > loves)


def test_the_p_value_is_the_level_at_which_the_interval_touches_no_effect() -> None:
    arms = arm(100, 10_000), arm(160, 10_000)
    p = relative(*arms, planned_information=PLANNED).p
    assert relative(*arms, planned_information=PLANNED, alpha=p).anytime_ci.low == pytest.approx(0, abs=1e-5)


def test_the_exact_interval_excludes_no_effect_when_the_exact_test_does() -> None:
    for loves in range(10, 60):
        control, treatment = arm(20, 10_000), arm(loves, 10_000)
        interval = exact_interval(control, treatment)
        assert (interval.low > 0 or interval.high < 0) == (exact_p(control, treatment) < 0.05)


def test_an_arm_without_a_love_falls_back_on_the_exact_interval() -> None:
    never = relative(arm(5, 10_000), arm(0, 10_000), planned_information=PLANNED)
    assert never.lift == -1.0
    assert never.ci == never.exact_ci
    assert never.standard_error == math.inf
    first = relative(arm(0, 10_000), arm(5, 10_000), planned_information=PLANNED)
    assert first.lift is None
    assert first.ci.high == math.inf
    assert first.lovers == (0, 5)


def test_a_total_loss_is_harm_and_its_mirror_a_lift_at_once() -> None:
    """1,000 loves against none at 40,000 exposures, and already 25 against none; 3 against none show nothing."""
    for loves in (1_000, 25):
        lost, won = (
            relative(*arms, planned_information=PLANNED)
            for arms in ((arm(loves, 40_000), arm(0, 40_000)), (arm(0, 40_000), arm(loves, 40_000)))
        )
        assert lost.anytime_ci.below(0)
        assert won.anytime_ci.above(0)
        assert won.anytime_ci.high == math.inf
        assert max(lost.p, won.p) < 0.05
        assert lost.z < 0 < won.z
    few = relative(arm(3, 40_000), arm(0, 40_000), planned_information=PLANNED)
    assert few.anytime_ci.low == -1
    assert few.anytime_ci.high > 0
    assert few.p > 0.5


def test_two_arms_without_love_and_an_arm_without_exposures_show_nothing() -> None:
    for control, treatment in [
        (arm(0, 10_000), arm(0, 50_000)),
        (arm(5, 10_000), sums(np.zeros(3), np.zeros(3))),
        (sums(np.zeros(0), np.zeros(0)), arm(300, 10_000)),
        (sums(np.array([5]), np.array([5])), arm(300, 10_000)),
    ]:
        found = relative(control, treatment, planned_information=PLANNED)
        assert found.anytime_ci == (-1, math.inf)
        assert (found.p, found.information) == (1.0, 0.0)


@pytest.mark.parametrize("cap", [None, 5])
@pytest.mark.parametrize("others", [0, 10, 100])
def test_one_superfan_shows_no_lift(cap: int | None, others: int) -> None:
    """300 loves of one treated user, beside others' loves that are no more than the control's."""
    fan = 300 if cap is None else cap
    found = relative(fans([1] * max(others, 10)), fans([fan] + [1] * others), planned_information=PLANNED)
    assert found.anytime_ci.low < 0 < found.anytime_ci.high
    assert found.p > 0.05


def test_a_superfan_of_the_control_hides_no_loss_that_is_there_and_is_none_by_leaving() -> None:
    assert relative(fans([300]), fans([]), planned_information=PLANNED).anytime_ci.high > 0
    assert relative(fans([300] + [1] * 5_000, 1), fans([]), planned_information=PLANNED).anytime_ci.high < -0.5


def test_fewer_lovers_than_the_least_number_are_read_exactly() -> None:
    most = MIN_LOVERS
    for control, exact in ((arm(most - 1, 10_000), True), (arm(most, 10_000), False)):
        found = relative(control, arm(40, 10_000), planned_information=PLANNED)
        half = boundaries.spent_width(found.information, 0.05)
        level = 2 * float(norm.cdf(half)) - 1
        assert (exact_interval(control, arm(40, 10_000), level) == pytest.approx(found.anytime_ci, rel=0.01)) == exact


@pytest.mark.parametrize("events", [1, 5, 23, 60, 500])
@pytest.mark.parametrize("planned", [5.0, PLANNED, 5_000.0])
@pytest.mark.parametrize("each", [1, 20])
def test_no_love_is_never_judged_more_mildly_than_one(events: int, planned: float, each: int) -> None:
    """Also beside an arm whose loves come from fans, `each` of one user."""
    many = sums(np.r_[np.full(events, each), np.zeros(4_000)], np.full(events + 4_000, 30))
    none, one = (sums(np.r_[loves, np.zeros(2_000)], np.r_[90, np.full(2_000, 5)]) for loves in (0, 1))
    harm = [relative(many, arm, planned_information=planned).anytime_ci for arm in (none, one)]
    assert harm[0].high <= harm[1].high
    gain = [relative(arm, many, planned_information=planned).anytime_ci for arm in (none, one)]
    assert gain[0].low >= gain[1].low


def test_users_who_are_all_alike_do_not_make_a_few_loves_certain() -> None:
    """One of five against two of five by every user: no variance between them, and an interval all the same."""
    few, many = (sums(np.full(20, loves), np.full(20, 5)) for loves in (1, 2))
    effect = relative(few, many, planned_information=PLANNED)
    assert few.variance == pytest.approx(0, abs=1e-12)
    assert effect.anytime_ci.low < 0 < effect.anytime_ci.high
    every = relative(*[sums(np.full(20, 5), np.full(20, 5))] * 2, planned_information=PLANNED)
    assert every.anytime_ci.low < 0 < every.ci.high


def test_chances_that_are_all_alike_have_a_width_and_a_narrower_one_than_counts() -> None:
    chances = sums(np.full(400, 0.5), np.full(400, 5))
    assert chances.variance == pytest.approx(0, abs=1e-12)
    assert log_variance(chances) == pytest.approx(1 / 400**2)
    found = relative(chances, chances, planned_information=PLANNED)
    assert found.ci.low < 0 < found.ci.high < 0.01


def test_a_mean_per_user_is_a_rate_with_one_exposure_a_user() -> None:
    rng = np.random.default_rng(3)
    control, treatment = rng.poisson(5.0, 8_000), rng.poisson(6.0, 8_000)
    found = relative(*(sums(each, np.ones(8_000)) for each in (control, treatment)), planned_information=PLANNED)
    assert found.lift == pytest.approx(treatment.mean() / control.mean() - 1)
    error = math.sqrt(sum(each.var(ddof=1) / 8_000 / each.mean() ** 2 for each in (control, treatment)))
    assert found.standard_error == pytest.approx(error)
    assert found.anytime_ci.above(0.1)


def test_the_difference_is_that_of_the_rates_with_the_clustered_error() -> None:
    rng = np.random.default_rng(4)
    control, treatment = rng.poisson(5.0, 8_000), rng.poisson(6.0, 8_000)
    found = difference(*(sums(each, np.ones(8_000)) for each in (control, treatment)))
    half = 1.959964 * math.sqrt((control.var(ddof=1) + treatment.var(ddof=1)) / 8_000)
    assert found == pytest.approx((treatment.mean() - control.mean(), found.value - half, found.value + half))


def test_the_one_look_interval_leaves_out_no_effect_exactly_where_the_difference_does() -> None:
    for more in range(90, 150):
        control, treatment = fans([2] * 100), fans([2] * more)
        shown = relative(control, treatment, planned_information=PLANNED).ci.low > 0
        assert shown == (difference(control, treatment).low > 0)


def test_a_plan_in_exposures_is_as_much_evidence_as_these_bring() -> None:
    control = sums(np.r_[np.full(100, 3), np.zeros(3_900)], np.full(4_000, 10))
    there = relative(control, control, planned_information=expected_information(control, control, 40_000))
    assert there.information == pytest.approx(1, rel=0.01)
    half_way = relative(control, control, planned_information=expected_information(control, control, 80_000))
    assert half_way.information == pytest.approx(0.5, rel=0.01)
    nothing = arm(0, 10_000)
    assert 0 < expected_information(nothing, nothing, 10_000) < 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"planned_information": 0}, "planned_information == 0, must be a positive number"),
        ({"planned_information": math.nan}, "planned_information == nan, must be a positive number"),
        ({"planned_information": 100, "alpha": 5}, r"alpha == 5, must be in \(0, 1\)"),
        ({"planned_information": 100, "alpha": 0.7}, r"alpha == 0\.7, must be below 0\.5"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(settings: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        relative(arm(100, 10_000), arm(100, 10_000), **settings)


def heavy_arms(rng: np.random.Generator, rate: float) -> list[ArmSums]:
    """400 users an arm, 50 exposures a user: activity and taste are lognormal, so that a few users give most loves."""
    users = 800
    activity, taste = (np.exp(1.5 * rng.standard_normal(users)) for _ in range(2))
    exposures = rng.multinomial(50 * users, activity / activity.sum())
    loves = rng.binomial(exposures, np.minimum(rate * taste / math.exp(1.5**2 / 2), 0.5))
    return [sums(loves[dealt], exposures[dealt]) for dealt in (slice(0, 400), slice(400, users))]


@pytest.mark.slow
def test_the_one_look_interval_covers_where_a_few_users_give_most_loves() -> None:
    """The normal interval of the log ratio misses the truth there nearly twice as often as it says."""
    rng = np.random.default_rng(6)
    effects = [relative(*heavy_arms(rng, 0.05), planned_information=PLANNED) for _ in range(1_000)]
    missed = np.mean([not each.ci.low <= 0 <= each.ci.high for each in effects])
    normal = np.mean([abs(math.log1p(each.lift or 0.0)) > 1.959964 * each.standard_error for each in effects])
    assert missed < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 1_000)
    assert normal > 0.05 + 2 * math.sqrt(0.05 * 0.95 / 1_000)


def test_the_evidence_of_a_mean_above_one_is_planned_by_its_own_variance() -> None:
    """Exposures per user have no `1 - R`: taken as a chance they seemed all but certain, and no look came near it."""
    drawn = np.random.default_rng(3)
    arms = [sums(drawn.poisson(2.1, 4_000).astype(float), np.ones(4_000)) for _ in range(2)]
    planned = expected_information(*arms, 4_000)
    assert planned == pytest.approx(2.1 * 4_000 / 2, rel=0.05)  # of a Poisson count: variance of the log 1 / (R n)
    found = relative(*arms, planned_information=planned)
    assert found.anytime_ci.high - found.anytime_ci.low < 0.15
