"""The behaviour model learns from decisions, and says when there are too few."""

import numpy as np
import pytest

from training.trust.behaviour import FEWEST, Behaviour


def decided(count: int = 120, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Bad accounts are busier, and mostly never rated; a third column is unknown throughout."""
    rng = np.random.default_rng(seed)
    bad = np.arange(count) % 2 == 0
    busy = rng.normal(np.where(bad, 2.0, 0.0), 1.0)
    rated = np.where(bad & (rng.random(count) < 0.7), np.nan, rng.normal(size=count))
    return np.column_stack([busy, rated, np.full(count, np.nan)]), bad


def test_unseen_bad_accounts_score_above_unseen_good_ones() -> None:
    features, bad = decided()
    unseen, truth = decided(seed=2)
    score = Behaviour.fit(features, bad).score(unseen)
    assert np.mean(score[truth][:, None] > score[~truth][None]) > 0.9
    assert ((score >= 0) & (score <= 1)).all()


@pytest.mark.slow
def test_the_same_decisions_and_seed_give_the_same_scores() -> None:
    features, bad = decided()
    first, second = (Behaviour.fit(features, bad, seed=3).score(features) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.slow
def test_without_any_relation_nothing_is_learnt() -> None:
    features, bad = decided()
    unseen, truth = decided(seed=5)
    aurocs = []
    for seed in range(4):
        shuffled = np.random.default_rng(seed).permutation(bad)
        score = Behaviour.fit(features, shuffled).score(unseen)
        aurocs.append(np.mean(score[truth][:, None] > score[~truth][None]))
    assert abs(np.mean(aurocs) - 0.5) < 0.25


def test_too_few_decisions_of_a_kind_are_refused() -> None:
    features, bad = decided()
    few = np.flatnonzero(bad)[: FEWEST - 1].tolist() + np.flatnonzero(~bad).tolist()
    with pytest.raises(ValueError, match=f"{FEWEST - 1} decisions of the rarer kind"):
        Behaviour.fit(features[few], bad[few])


def test_a_decision_is_needed_for_each_account() -> None:
    features, bad = decided()
    with pytest.raises(ValueError, match="must be one each"):
        Behaviour.fit(features, bad[:-1])
