import numpy as np
import pytest
from scipy.stats import binom

from stats.intervals import fisher_z, normal_quantile, wilson


def test_wilson_covers_a_rare_share() -> None:
    counts = np.arange(0, 200)
    chances = binom.pmf(counts, 5_000, 0.005)
    covered = [wilson(int(k), 5_000).low <= 0.005 <= wilson(int(k), 5_000).high for k in counts]
    assert float(chances @ np.array(covered)) == pytest.approx(0.95, abs=0.02)


def test_wilson_without_a_trial_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_more_successes_than_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and the trials"):
        wilson(3, 2)


def test_three_pairs_say_nothing_about_a_correlation() -> None:
    assert fisher_z(0.99, 3) == (-1.0, 1.0)


def test_a_perfect_correlation_keeps_its_value() -> None:
    assert fisher_z(1.0, 5) == (1.0, 1.0)


def test_impossible_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must be in \[-1, 1\]"):
        fisher_z(1.5, 10)
    with pytest.raises(ValueError, match="confidence == 95"):
        normal_quantile(95)
