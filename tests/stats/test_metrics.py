import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from stats.bootstrap import bootstrap_over_users
from stats.metrics import auroc, average_precision, brier, calibration_error, rank_correlation, reliability, sigmoid
from training.reward.agreement import policy_table
from training.reward.calibration import prior_shift

RANDOM = np.random.default_rng(3)
SCORES = RANDOM.normal(size=2_000).round(1)
LABELS = (RANDOM.random(2_000) < sigmoid(SCORES - 2)).astype(float)
WEIGHTS = RANDOM.uniform(0.1, 1, 2_000)


def test_ranking_figures_agree_with_scikit_learn_on_ties_and_weights() -> None:
    assert auroc(LABELS, SCORES, WEIGHTS) == pytest.approx(roc_auc_score(LABELS, SCORES, sample_weight=WEIGHTS))
    expected = average_precision_score(LABELS, SCORES, sample_weight=WEIGHTS)
    assert average_precision(LABELS, SCORES, WEIGHTS) == pytest.approx(expected)


def test_brier_and_rank_correlation_agree_with_their_references() -> None:
    chances = sigmoid(SCORES - 2)
    assert brier(LABELS, chances, WEIGHTS) == pytest.approx(brier_score_loss(LABELS, chances, sample_weight=WEIGHTS))
    assert rank_correlation(SCORES, chances + LABELS) == pytest.approx(spearmanr(SCORES, chances + LABELS).statistic)


def test_auroc_without_a_positive_is_not_a_number() -> None:
    assert np.isnan(auroc(np.zeros(3), np.arange(3.0)))


def test_true_chances_have_almost_no_calibration_error_and_doubled_ones_do() -> None:
    random = np.random.default_rng(0)
    chances = random.uniform(0, 0.2, 50_000)
    labels = (random.random(50_000) < chances).astype(float)
    assert calibration_error(labels, chances) < 0.005
    assert calibration_error(labels, 2 * chances) > 0.08


def test_weights_restore_the_natural_rate_of_a_sub_sample() -> None:
    kept = (LABELS == 1) | (np.arange(2_000) % 4 == 0)
    stands_for = np.where(LABELS == 1, 1.0, 4.0)[kept]
    whole = calibration_error(LABELS, sigmoid(SCORES))
    assert calibration_error(LABELS[kept], sigmoid(SCORES[kept]), stands_for) == pytest.approx(whole, abs=0.03)


def test_reliability_bins_hold_every_row() -> None:
    assert sum(each.rows for each in reliability(LABELS, sigmoid(SCORES))) == 2_000


def test_the_bootstrap_draws_whole_users() -> None:
    """One user who loves everything: by rows the mean is certain, by users it is not."""
    users = np.array(["fan"] * 500 + [f"user {place}" for place in range(500)])
    values = np.array([1.0] * 500 + [0.0] * 500)
    estimate = bootstrap_over_users(lambda rows: float(values[rows].mean()), users)
    assert estimate.value == 0.5
    assert estimate.high - estimate.low > 0.3


def test_the_prior_shift_of_one_in_a_thousand_to_one_in_ten_is_the_published_one() -> None:
    assert prior_shift(0.001, 0.1) == pytest.approx(4.71, abs=0.005)
    with pytest.raises(ValueError, match=r"trained positive rate == 1.4, must be in \(0, 1\)"):
        prior_shift(0.001, 1.4)


def test_the_policy_table_has_one_row_a_policy() -> None:
    table = policy_table(["b", "a", "b"], np.array([1.0, 0.0, 0.0]), np.array([0.2, 0.1, 0.4]))
    assert [(row.policy, row.responses) for row in table] == [("a", 1), ("b", 2)]
    assert table[1].mean_p_love == pytest.approx(0.3)
    assert table[1].love_rate == 0.5
