import numpy as np
import pytest

from stats.bootstrap import interval, resampled


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(0).normal(5.0, 2.0, size=2000)
    found = interval(values.mean(), resampled(values, seed=1))
    half = 1.96 * values.std() / np.sqrt(2000)
    assert found.low < 5.0 < found.high
    assert np.isclose(found.high - found.low, 2 * half, rtol=0.1)


def test_the_same_seed_draws_the_same_prompts_so_that_differences_are_paired() -> None:
    prompts = np.random.default_rng(0).normal(0, 10, size=500)
    difference = resampled(prompts + 1.0, seed=3) - resampled(prompts, seed=3)
    np.testing.assert_allclose(difference, 1.0)


def test_several_measures_are_resampled_together() -> None:
    values = np.column_stack([np.arange(50.0), -np.arange(50.0)])
    draws = resampled(values, seed=0, resamples=10)
    assert draws.shape == (10, 2)
    np.testing.assert_allclose(draws[:, 0], -draws[:, 1])


def test_prompts_of_one_user_go_together() -> None:
    with pytest.raises(ValueError, match="3 users for 4 prompts"):
        resampled(np.arange(4.0), 1, clusters=["a", "b", "c"])
    values = np.random.default_rng(0).normal(size=60)
    alone = resampled(values, 1, clusters=np.arange(60))
    np.testing.assert_allclose(alone, resampled(values, 1))  # users of one prompt each: the same draws


@pytest.mark.slow
def test_the_interval_of_a_paired_lift_covers_where_users_differ() -> None:
    """Two policies on prompts of 60 users, some with many; users differ in how much they take to the second one.

    Drawn as wholes, users give about the nominal 95 %; drawn as if independent, prompts fall far short.
    """
    random = np.random.default_rng(5)
    covered = {"users": 0, "prompts": 0}
    trials = 200
    for _ in range(trials):
        sizes = random.geometric(0.12, size=60)
        owner = np.repeat(np.arange(60), sizes)
        liking = random.normal(0.2, 0.4, size=60)
        base = 1 + random.normal(0, 0.3, size=60)[owner] + random.normal(0, 0.3, size=len(owner))
        better = base + liking[owner] + random.normal(0, 0.3, size=len(owner))
        for name, clusters in (("users", owner), ("prompts", None)):
            draws = [resampled(each, 3, 400, clusters=clusters) for each in (better, base)]
            found = interval(better.mean() / base.mean() - 1, draws[0] / draws[1] - 1)
            covered[name] += found.low <= 0.2 <= found.high
    assert covered["users"] / trials >= 0.9
    assert covered["prompts"] / trials < 0.8
