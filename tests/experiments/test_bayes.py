import math

import numpy as np
import pytest

from experiments.bayes import WIDE, LiftPrior, posterior, prior_from


def test_a_prior_of_dersimonian_and_laird_is_found_again() -> None:
    """Of 2,000 experiments drawn from N(.03, .1^2) with errors of different size."""
    rng = np.random.default_rng(1)
    errors = rng.uniform(0.02, 0.2, 2_000)
    found = prior_from(rng.normal(0.03, 0.1, 2_000) + errors * rng.standard_normal(2_000), errors)
    assert found.mean == pytest.approx(0.03, abs=0.01)
    assert found.deviation == pytest.approx(0.1, abs=0.01)
    assert found.experiments == 2_000


def test_a_small_case_by_hand() -> None:
    """Equal errors of .1: Q = 8, k - 1 = 2, sum w - sum w^2 / sum w = 200, so tau^2 = .03; var(mu) = .04 / 3."""
    found = prior_from([-0.2, 0.0, 0.2], [0.1, 0.1, 0.1])
    assert found.mean == pytest.approx(0)
    assert found.deviation == pytest.approx(math.sqrt(0.03 + 0.04 / 3))


def test_experiments_that_are_all_alike_do_not_make_a_prior_without_width() -> None:
    found = prior_from([0.02] * 5, [0.05] * 5)
    assert found.deviation > 0.03
    assert posterior(0.5, 0.02, found).lift > 0.25


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_experiments_are_not_learnt_from(count: int) -> None:
    found = prior_from([5.0] * count, [0.01] * count)
    assert (found.mean, found.deviation, found.experiments) == (0.0, WIDE, 0)
    assert found.words.startswith("assumed, ")


def test_the_posterior_is_what_drawing_gives() -> None:
    """Draws of theta from the prior, weighted by the likelihood of what was measured."""
    rng = np.random.default_rng(2)
    theta = rng.normal(0.05, 0.2, 400_000)
    weight = np.exp(-0.5 * ((0.15 - theta) / 0.1) ** 2)
    lift = np.expm1(theta)
    found = posterior(0.15, 0.1, LiftPrior(0.05, 0.2, 3, ""))
    assert found.lift == pytest.approx(np.average(lift, weights=weight), abs=2e-3)
    assert found.chance_to_beat == pytest.approx(np.average(theta > 0, weights=weight), abs=3e-3)
    assert found.expected_loss_if_shipped == pytest.approx(np.average(np.maximum(-lift, 0), weights=weight), abs=3e-4)
    assert found.expected_loss_if_not == pytest.approx(np.average(np.maximum(lift, 0), weights=weight), abs=2e-3)
    inside = (lift >= found.ci.low) & (lift <= found.ci.high)
    assert np.average(inside, weights=weight) == pytest.approx(0.95, abs=3e-3)


def test_credible_intervals_cover_and_tame_the_winners() -> None:
    """Over experiments of the prior, the most promising tenth is overestimated by the measured lift alone."""
    rng = np.random.default_rng(3)
    truth = rng.normal(0.0, 0.1, 2_000)
    seen = truth + 0.1 * rng.standard_normal(2_000)
    prior = prior_from(seen, np.full(2_000, 0.1))
    found = [posterior(each, 0.1, prior) for each in seen.tolist()]
    covers = np.mean([each.ci.low <= math.expm1(true) <= each.ci.high for each, true in zip(found, truth, strict=True)])
    assert covers == pytest.approx(0.95, abs=2 * math.sqrt(0.95 * 0.05 / 2_000))
    best = np.argsort(seen)[-200:]
    believed = np.mean([found[place].lift for place in best])
    real = np.expm1(truth[best]).mean()
    assert abs(believed - real) < 0.02
    assert np.expm1(seen[best]).mean() > real + 0.08


def test_a_precise_test_outvotes_the_prior_and_a_vague_one_does_not() -> None:
    prior = LiftPrior(0.0, 0.1, 10, "")
    assert posterior(0.3, 0.001, prior).lift == pytest.approx(math.expm1(0.3), abs=1e-3)
    assert posterior(0.3, 50.0, prior).lift == pytest.approx(math.expm1(0.1**2 / 2), abs=1e-4)


def test_a_sure_winner_risks_nothing_and_a_sure_loser_all() -> None:
    prior = LiftPrior(0.0, 1.0, 10, "")
    won, lost = posterior(0.2, 1e-3, prior), posterior(-0.2, 1e-3, prior)
    assert (won.chance_to_beat, won.expected_loss_if_shipped) == (1.0, 0.0)
    assert lost.expected_loss_if_shipped == pytest.approx(-math.expm1(-0.2), abs=1e-4)
    assert lost.expected_loss_if_not == 0.0


def test_what_cannot_be_is_refused() -> None:
    prior = prior_from([], [])
    with pytest.raises(ValueError, match=r"columns of different lengths \(log_lifts 2, errors 1\)"):
        prior_from([0.1, 0.2], [0.1])
    with pytest.raises(ValueError, match="log_lifts hold nan, must be finite"):
        prior_from([0.1, math.nan], [0.1, 0.1])
    with pytest.raises(ValueError, match="errors hold 0, must be above 0"):
        prior_from([0.1, 0.2], [0.1, 0.0])
    with pytest.raises(ValueError, match=r"errors holds nan \(row 1\), must be a number from 0 on"):
        prior_from([0.1], [math.nan])
    with pytest.raises(ValueError, match="error == inf, must be a positive number"):
        posterior(0.1, math.inf, prior)
    with pytest.raises(ValueError, match="log_lift == nan, must be finite"):
        posterior(math.nan, 0.1, prior)
    with pytest.raises(ValueError, match=r"prior\.deviation == 0\.0, must be a positive number"):
        posterior(0.1, 0.1, LiftPrior(0.0, 0.0, 3, ""))


def test_one_experiment_of_no_error_beside_others_of_a_large_one_still_gives_a_prior() -> None:
    found = prior_from([0.1, 0.2, -0.1], [1e-9, 1.0, 1.0])
    assert math.isfinite(found.mean)
    assert 0 < found.deviation < math.inf
