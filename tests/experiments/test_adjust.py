import math
from typing import NamedTuple

import numpy as np
import pytest

from experiments.adjust import Adjusted, adjusted, history_covariates
from stats.intervals import Interval

DEALS = 400


class Population(NamedTuple):
    """Users who were watched as long before a test as in it, and what they love in either arm."""

    past: np.ndarray
    exposures: np.ndarray
    loves: np.ndarray
    loves_if_treated: np.ndarray

    def dealt(self, arm: np.ndarray) -> Adjusted:
        return adjusted(np.where(arm == 1, self.loves_if_treated, self.loves), self.exposures, arm, self.past)


def population(
    rng: np.random.Generator, users: int, rate: float, *, seen: float, activity: float, taste: float, lift: float = 0.0
) -> Population:
    """Activity and taste are lognormal with mean 1; nobody loves more than every second response."""
    active, fond = (np.exp(sd * rng.standard_normal(users) - sd * sd / 2) for sd in (activity, taste))
    before, now = rng.poisson(seen * active, (2, users))
    loved_before = rng.binomial(before, np.minimum(rate * fond, 0.5))
    loves = rng.binomial(now, np.minimum(rate * fond, 0.5))
    more = rng.binomial(now, np.minimum(rate * fond * (1 + lift), 0.5))
    came = now > 0
    return Population(history_covariates(loved_before[came], before[came]), now[came], loves[came], more[came])


HEAVY = {"seen": 50.0, "activity": 1.5, "taste": 1.5}
DEMO_LIKE = {"seen": 5.0, "activity": 1.2, "taste": 0.6}


@pytest.mark.slow
@pytest.mark.parametrize("lift", [0.0, 0.2])
def test_over_many_deals_the_adjusted_lift_is_the_true_one_and_its_interval_covers(lift: float) -> None:
    """One population, dealt 400 times: the truth is what all would love treated over what all would love untreated."""
    rng = np.random.default_rng(1)
    people = population(rng, 3_000, 0.02, lift=lift, seen=20, activity=1.0, taste=1.0)
    truth = math.log(people.loves_if_treated.sum() / people.loves.sum())
    found = [people.dealt(rng.integers(0, 2, len(people.loves))) for _ in range(DEALS)]
    off = np.array([each.log_ratio - truth for each in found])
    plain = np.array([each.unadjusted_log_ratio - truth for each in found])
    covers = np.mean([each.ci.low <= math.expm1(truth) <= each.ci.high for each in found])
    assert abs(off.mean()) < 2 * off.std() / math.sqrt(DEALS)
    assert covers > 0.95 - 2 * math.sqrt(0.05 * 0.95 / DEALS)
    assert off.var() < 0.6 * plain.var()


@pytest.mark.slow
def test_in_a_heavy_world_the_interval_covers_over_new_users_each_time() -> None:
    rng = np.random.default_rng(2)
    found = []
    for _ in range(DEALS):
        people = population(rng, 2_000, 0.002, **HEAVY)
        found.append(people.dealt(rng.integers(0, 2, len(people.loves))))
    covers = np.mean([each.ci.low <= 0 <= each.ci.high for each in found])
    off = np.array([each.log_ratio for each in found])
    assert covers > 0.95 - 2 * math.sqrt(0.05 * 0.95 / DEALS)
    assert abs(off.mean()) < 2 * off.std() / math.sqrt(DEALS)


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "least", "most"), [(0.001, 0.3, 0.7), (0.01, 0.04, 0.2), (0.05, 0.02, 0.08)])
def test_heavy_users_leave_little_of_the_variance(rate: float, least: float, most: float) -> None:
    rng = np.random.default_rng(3)
    worlds = [population(rng, 9_000, rate, **HEAVY) for _ in range(9)]
    left = [people.dealt(rng.integers(0, 2, len(people.loves))).variance_left for people in worlds]
    assert least < np.median(left) < most


@pytest.mark.parametrize("rate", [0.001, 0.01])
def test_rare_loves_of_users_who_are_alike_gain_nothing(rate: float) -> None:
    rng = np.random.default_rng(4)
    people = population(rng, 30_000, rate, **DEMO_LIKE)
    found = people.dealt(rng.integers(0, 2, len(people.loves)))
    assert found.covariates == 4
    assert 0.95 < found.variance_left < 1.01
    assert found.log_ratio == pytest.approx(found.unadjusted_log_ratio, abs=0.2 * found.standard_error)


def test_without_covariates_it_is_the_delta_method() -> None:
    rng = np.random.default_rng(5)
    exposures, arm = rng.integers(1, 9, 500), rng.integers(0, 2, 500)
    loves = rng.binomial(exposures, 0.2)
    found = adjusted(loves, exposures, arm, np.ones((500, 2)))
    variance, rates = 0.0, []
    for of in (arm == 0, arm == 1):
        x, y, n = loves[of], exposures[of], of.sum()
        rates.append(x.sum() / y.sum())
        variance += n / (n - 1) * ((x - rates[-1] * y) ** 2).sum() / x.sum() ** 2
    assert found.log_ratio == pytest.approx(math.log(rates[1] / rates[0]))
    assert found.standard_error == pytest.approx(math.sqrt(variance))
    assert (found.variance_left, found.covariates) == (1.0, 0)
    assert found.unadjusted_error == found.standard_error
    assert "no covariate varies in both arms" in found.why


def test_with_one_binary_covariate_it_is_the_stratified_mean_of_each_arm() -> None:
    """A saturated regression with interactions averages the strata, by their shares among all users."""
    rng = np.random.default_rng(6)
    new, arm = rng.integers(0, 2, 800), rng.integers(0, 2, 800)
    loves = rng.poisson(1 + 2 * new + arm)
    found = adjusted(loves, np.ones(800), arm, new[:, None].astype(float))
    shift = []
    for side in (0, 1):
        own = loves[arm == side]
        means = [own[new[arm == side] == kind].mean() for kind in (0, 1)]
        strata = means[0] * (1 - new.mean()) + means[1] * new.mean()
        shift.append(math.log(own.mean()) + strata / own.mean() - 1)
    assert found.log_ratio == pytest.approx(shift[1] - shift[0])


def test_it_is_one_regression_with_interactions_and_hc2_errors() -> None:
    """Influences on arm, centred covariates and both together, by least squares over all users (Lin 2013)."""
    rng = np.random.default_rng(12)
    past, arm = rng.normal(size=(600, 2)), rng.integers(0, 2, 600)
    exposures = rng.integers(1, 9, 600)
    loves = rng.poisson(exposures * np.exp(0.5 * past[:, 0] + 0.2 * arm))
    found = adjusted(loves, exposures, arm, past)
    rates = [loves[arm == side].sum() / exposures[arm == side].sum() for side in (0, 1)]
    means = [loves[arm == side].mean() for side in (0, 1)]
    influence = (loves - np.take(rates, arm) * exposures) / np.take(means, arm) + np.log(rates)[arm]
    centred = past - past.mean(axis=0)
    design = np.column_stack([np.ones(600), arm, centred, centred * arm[:, None]])
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ influence
    left = (influence - design @ coefficients) ** 2 / (1 - np.einsum("ij,jk,ik->i", design, inverse, design))
    variance = (inverse @ (design.T * left) @ design @ inverse)[1, 1]
    common = coefficients[4:] @ np.cov(past.T, ddof=0) @ coefficients[4:] / 600
    assert found.log_ratio == pytest.approx(coefficients[1])
    assert found.standard_error == pytest.approx(math.sqrt(variance + common))


def test_columns_that_say_nothing_of_their_own_are_left_out_and_named() -> None:
    rng = np.random.default_rng(7)
    past, arm = rng.poisson(3.0, 400).astype(float), np.arange(400) % 2
    loves = rng.poisson(past + 1)
    alone = adjusted(loves, np.ones(400), arm, past[:, None])
    more = adjusted(loves, np.ones(400), arm, np.column_stack([np.full(400, 0.1), past, 3 * past - 1, arm]))
    assert (more.log_ratio, more.covariates) == (pytest.approx(alone.log_ratio), 1)
    assert more.why == "left out, constant or a sum of others: column 1, 3, 4"
    assert alone.why == ""


def test_the_scale_of_a_covariate_changes_nothing() -> None:
    rng = np.random.default_rng(8)
    past = rng.poisson(3.0, (400, 2)).astype(float)
    loves, arm = rng.poisson(past[:, 0] + 1), rng.integers(0, 2, 400)
    small = adjusted(loves, np.ones(400), arm, past * [1e-9, 1e9] + [0, 1e9])
    assert small.log_ratio == pytest.approx(adjusted(loves, np.ones(400), arm, past).log_ratio)
    assert small.covariates == 2


def test_few_users_are_not_adjusted() -> None:
    arm = np.arange(30) % 2
    found = adjusted(np.arange(30), np.ones(30), arm, np.random.default_rng(9).normal(size=(30, 2)))
    assert (found.covariates, found.variance_left) == (0, 1.0)
    assert found.why == "15 users in an arm are too few for 2 covariates, nothing is adjusted"


def test_a_covariate_that_foretells_every_event_is_not_believed() -> None:
    loves, arm = np.random.default_rng(10).poisson(2.0, 300), np.arange(300) % 2
    found = adjusted(loves, np.ones(300), arm, loves[:, None].astype(float))
    assert found.covariates == 0
    assert found.standard_error > 0
    assert "were they measured before the first exposure?" in found.words


@pytest.mark.parametrize(
    ("loves", "arm", "why"),
    [
        ([0, 0, 1, 2], [0, 0, 1, 1], "the control has no event"),
        ([1, 2, 0, 0], [0, 0, 1, 1], "the treatment has no event"),
        ([1, 2, 1, 2], [0, 0, 0, 0], "the treatment has 0 users and 0 exposures"),
        ([], [], "the control has 0 users and 0 exposures"),
    ],
)
def test_where_an_arm_shows_nothing_the_interval_is_everything(loves: list[int], arm: list[int], why: str) -> None:
    found = adjusted(loves, np.ones(len(loves)), arm, np.zeros((len(loves), 1)))
    assert found.ci == Interval(-1.0, math.inf)
    assert found.lift is None
    assert why in found.why


def test_users_who_are_all_alike_make_nothing_certain() -> None:
    found = adjusted([1.0] * 20 + [2.0] * 20, [5.0] * 40, [0] * 20 + [1] * 20, np.arange(40.0)[:, None])
    assert found.lift == pytest.approx(1.0)
    assert found.ci == Interval(-1.0, math.inf)
    assert "users do not differ" in found.words


def test_shrunk_rates_lie_between_a_users_own_and_everybodys() -> None:
    rng = np.random.default_rng(11)
    chance, exposures = rng.beta(2, 18, 4_000), rng.integers(1, 40, 4_000)
    loves = rng.binomial(exposures, chance)
    rate = history_covariates(loves, exposures)[:, 2]
    own, mean = loves / exposures, loves.sum() / exposures.sum()
    assert (np.abs(rate - mean) <= np.abs(own - mean) + 1e-12).all()
    assert np.mean((rate - chance) ** 2) < 0.7 * np.mean((own - chance) ** 2)
    best = (loves + 2) / (exposures + 20)
    assert np.abs(rate - best).max() < 0.03


def test_rates_that_differ_by_chance_alone_are_all_the_mean() -> None:
    past = history_covariates([1, 1, 0, 0], [10, 10, 10, 0])
    assert past[:, 2].tolist() == pytest.approx([2 / 30, 2 / 30, 2 / 30, 0])
    assert past[:, 3].tolist() == [1, 1, 1, 0]
    assert not history_covariates([0, 0], [0, 0]).any()


def test_what_cannot_be_is_refused() -> None:
    good = {"events": [1.0, 2.0], "exposures": [1.0, 1.0], "arm": [0, 1], "covariates": np.ones((2, 1))}
    for wrong, told in (
        ({"events": [1.0, math.nan]}, r"events holds nan \(row 2\), must be a number from 0 on"),
        ({"exposures": [-1.0, 1.0]}, r"exposures holds -1 \(row 1\), must be a number from 0 on"),
        ({"arm": [0, 2]}, r"arm holds 2 \(row 2\), must be one of 0 and 1"),
        ({"arm": [0]}, r"columns of different lengths \(events 2, exposures 2, arm 1\)"),
        ({"covariates": np.ones((3, 1))}, r"different lengths \(events 2, covariates 3\)"),
        ({"covariates": np.ones(2)}, r"covariates have the shape \(2,\), must be \[users, columns\]"),
        ({"covariates": np.array([[1.0], [math.inf]])}, r"covariates hold inf \(row 2, column 1\), must be finite"),
    ):
        with pytest.raises(ValueError, match=told):
            adjusted(**(good | wrong))
    with pytest.raises(ValueError, match=r"confidence == 95, must be in \(0, 1\)"):
        adjusted(**good, confidence=95)
    with pytest.raises(ValueError, match=r"past_loves holds 3 of 2 past exposures \(row 2\), must be at most as many"):
        history_covariates([0, 3], [0, 2])
