import numpy as np

from training.evaluation.bootstrap import interval, resampled


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
