"""Shares, errors and evidence: against plain computation, and against chance."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from training.behaviours.corpus import Corpus, CorpusPair, paired
from training.behaviours.prevalence import Prevalence, log_evidence, prevalence


def pair_of(clusters: list[str], other: list[str], weights: tuple[np.ndarray, np.ndarray] | None = None) -> CorpusPair:
    """Two sides whose rows belong to these prompts."""
    sides = [
        Corpus([[{"role": "user", "content": name}] for name in names], ["x"] * len(names), weights=weight)
        for names, weight in zip((clusters, other), weights or (None, None), strict=True)
    ]
    return paired(*sides)


def measured(pair: CorpusPair, held: np.ndarray, prior: float = 200.0, scale: float = 0.02) -> Prevalence:
    return prevalence(pair, csr_array(held.astype(float).reshape(len(pair.responses), -1)), prior=prior, scale=scale)


def test_the_error_is_the_sum_over_clusters_of_squared_influences() -> None:
    rng = np.random.default_rng(1)
    names = [f"p{place // 3}" for place in range(300)]
    weights = rng.random(300) + 0.5, rng.random(300) + 0.5
    pair = pair_of(names, names, weights)
    held = rng.random((600, 4)) < 0.3
    found = measured(pair, held)
    signed = np.where(pair.candidate, 1, -1) * pair.shares
    after, before = (pair.shares[rows] @ held[rows] for rows in (pair.candidate, ~pair.candidate))
    influence = signed[:, None] * (held - np.where(pair.candidate[:, None], after, before))
    sums = np.array([np.bincount(pair.clusters, column) for column in influence.T])
    assert found.after == pytest.approx(after)
    assert found.error == pytest.approx(np.sqrt((sums**2).sum(axis=1) * 100 / 99))


def test_pairs_that_agree_make_the_change_more_certain_than_independent_responses() -> None:
    rng = np.random.default_rng(2)
    names = [f"p{place}" for place in range(2_000)]
    shared = rng.random(2_000) < 0.3
    other = shared ^ (rng.random(2_000) < 0.02)
    paired_up = measured(pair_of(names, names), np.concatenate([shared, other]))
    apart = measured(pair_of(names, [f"q{name}" for name in names]), np.concatenate([shared, other]))
    assert paired_up.error[0] < apart.error[0] / 3


def test_ten_copies_of_every_row_are_no_more_evidence_than_one() -> None:
    rng = np.random.default_rng(3)
    names, other = [f"p{place}" for place in range(800)], [f"q{place}" for place in range(800)]
    held = np.concatenate([rng.random(800) < 0.1, rng.random(800) < 0.14])
    once = measured(pair_of(names, other), held)
    many = measured(pair_of(names * 10, other * 10), np.concatenate([np.tile(half, 10) for half in np.split(held, 2)]))
    assert many.error == pytest.approx(once.error)
    assert many.log_evidence == pytest.approx(once.log_evidence)


def test_nothing_on_a_small_side_is_not_taken_for_certainty() -> None:
    """None of 500 against 100 of 10,000 happens by chance once in 150 times; a bare sandwich has ten errors."""
    pair = pair_of([f"p{place}" for place in range(500)], [f"q{place}" for place in range(10_000)])
    held = np.zeros(10_500)
    held[500:600] = 1
    found = measured(pair, held)
    assert found.after[0] / found.error[0] < 2.5
    assert found.log_evidence[0] < 2


def test_intervals_cover_the_true_change_and_evidence_is_at_most_one_on_average_under_no_change() -> None:
    rng = np.random.default_rng(4)
    names = [f"p{place // 2}" for place in range(600)]
    pair = pair_of(names, names)
    moods = rng.normal(size=(300, 400))[pair.clusters]  # what a prompt causes, on both sides alike
    chance = 1 / (1 + np.exp(2 - moods))
    held = rng.random(chance.shape) < chance
    found = measured(pair, held, scale=0.1)
    low, high = found.after - found.before - 1.96 * found.error, found.after - found.before + 1.96 * found.error
    assert 0.92 < np.mean((low < 0) & (high > 0)) < 0.98
    assert np.exp(found.log_evidence).mean() < 1.2
    assert np.mean(np.exp(found.log_evidence) > 20) <= 0.05


def test_evidence_may_be_read_at_every_look_of_a_growing_sample() -> None:
    """Under no change a path of e-values passes 20 at most once in 20 (Ville); p-values at .05 would far oftener."""
    rng = np.random.default_rng(5)
    steps = np.cumsum(rng.normal(size=(2_000, 100)) * 0.05, axis=1)
    variance = (0.05 / np.arange(1, 101)) * 0.05
    evidence = log_evidence(steps / np.arange(1, 101), variance[None, :], 0.01)
    crossed = (evidence > np.log(20)).any(axis=1).mean()
    naive = (np.abs(steps / np.arange(1, 101)) > 1.96 * np.sqrt(variance)).any(axis=1).mean()
    assert crossed <= 0.05
    assert naive > 0.3


def test_the_prior_draws_rare_features_to_no_change_and_leaves_frequent_ones() -> None:
    pair = pair_of([f"p{place}" for place in range(1_000)], [f"q{place}" for place in range(1_000)])
    held = np.zeros((2_000, 2))
    held[0, 0] = held[1_000:1_004, 0] = 1  # 1 against 4
    held[:100, 1] = held[1_000:1_400, 1] = 1  # 100 against 400
    weak, strong = measured(pair, held, prior=1e-6), measured(pair, held, prior=1_000.0)
    assert np.exp(weak.log_odds[0]) == pytest.approx(4, rel=0.02)
    assert 1 < np.exp(strong.log_odds[0]) < 2.6
    assert np.exp(weak.log_odds[1]) == pytest.approx(6, rel=0.02)
    assert np.exp(measured(pair, held, prior=100.0).log_odds[1]) > 4.9


def test_shares_have_score_intervals_that_do_not_end_at_nothing() -> None:
    pair = pair_of([f"p{place}" for place in range(300)], [f"q{place}" for place in range(300)])
    before, after = measured(pair, np.zeros(600)).shares(0)
    assert before == pytest.approx(after)
    assert before.value == before.low == 0
    assert before.high == pytest.approx(0.0126, abs=1e-4)
