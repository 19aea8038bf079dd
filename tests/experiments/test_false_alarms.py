"""How often the intervals are wrong, by simulated A/A and A/B tests with users of different taste."""

import numpy as np
import pytest

from experiments.effect import Effect, expected_information, relative, sums

RATE = 0.005


def arm_pair(rng: np.random.Generator, users: int, lift: float, rate: float = RATE) -> tuple[np.ndarray, ...]:
    """Exposures and loves of both arms: tastes are gamma with a variance of 2, so that loves cluster in fans."""
    exposures = rng.geometric(0.15, size=(2, users))
    chance = np.clip(rate * rng.gamma(0.5, 2.0, size=(2, users)) * np.array([[1.0], [1 + lift]]), 0, 1)
    loves = rng.binomial(exposures, chance)
    return exposures[0], loves[0], exposures[1], loves[1]


def effect(exposures: np.ndarray, loves: np.ndarray, treated: np.ndarray, treated_loves: np.ndarray) -> Effect:
    return relative(sums(loves, exposures), sums(treated_loves, treated), planned_information=170)


@pytest.mark.slow
@pytest.mark.parametrize("lift", [0.0, 0.3])
def test_the_clustered_interval_covers_the_truth_on_rare_loves(lift: float) -> None:
    rng = np.random.default_rng(7)
    effects = [effect(*arm_pair(rng, 2_500, lift)) for _ in range(500)]
    assert np.mean([each.ci.low <= lift <= each.ci.high for each in effects]) == pytest.approx(0.95, abs=0.025)


@pytest.mark.slow
def test_the_unclustered_interval_would_not() -> None:
    rng = np.random.default_rng(8)
    effects = [effect(*arm_pair(rng, 2_500, 0.0, rate=0.04)) for _ in range(300)]
    assert np.mean([each.exact_ci.low <= 0 <= each.exact_ci.high for each in effects]) < 0.9


@pytest.mark.slow
def test_looking_again_and_again_at_users_who_return_rarely_finds_an_effect_that_is_not_there() -> None:
    rng = np.random.default_rng(9)
    looks, users, tests = 20, 800, 200
    once, always = 0, 0
    for _ in range(tests):
        rate = 0.03 * rng.gamma(0.5, 2.0, size=(2, users, 1))
        seen = rng.poisson(1.0, size=(2, users, looks)).cumsum(axis=2)
        loves = rng.poisson(rate, size=(2, users, looks))
        loves = np.where(np.diff(seen, axis=2, prepend=0) > 0, loves, 0).cumsum(axis=2)
        found = [_look(loves[:, :, look], seen[:, :, look], (look + 1) / looks) for look in range(2, looks)]
        once += any(not each.ci.low <= 0 <= each.ci.high for each in found)
        always += any(not each.anytime_ci.low <= 0 <= each.anytime_ci.high for each in found)
    assert always / tests <= 0.05
    assert once / tests > 0.1, "looking again and again at a one-look interval should have misled"


def _look(loves: np.ndarray, seen: np.ndarray, information: float) -> Effect:
    control, treatment = (sums(loves[arm], seen[arm]) for arm in (0, 1))
    planned = expected_information(control, treatment, min(control.exposures, treatment.exposures) / information)
    return relative(control, treatment, planned_information=planned)
