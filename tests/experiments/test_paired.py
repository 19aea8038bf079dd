import numpy as np
import pytest

from experiments import paired


def test_pairing_by_prompt_covers_the_true_lift_of_the_means() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        base = rng.gamma(1, 0.01, 500)
        candidate = base * rng.gamma(4, 1.3 / 4, 500)
        covered += paired.lift(candidate, base).ci.low <= 0.3 <= paired.lift(candidate, base).ci.high
    assert 0.92 < covered / 400 < 0.98


def test_pairing_is_sharper_than_two_separate_means() -> None:
    rng = np.random.default_rng(2)
    base = rng.normal(0, 1, 1_000)
    found = [paired.delta(base + rng.normal(0.1, 0.1, 1_000), base) for _ in range(400)]
    assert max(each.ci.high - each.ci.low for each in found) < 0.02
    assert 0.92 < np.mean([each.ci.low < 0.1 < each.ci.high for each in found]) < 0.98


def test_different_prompts_are_refused() -> None:
    with pytest.raises(ValueError, match="must be the same prompts"):
        paired.delta(np.zeros(3), np.zeros(4))


def test_a_lift_over_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="needs both positive"):
        paired.lift(np.ones(3), np.zeros(3))
