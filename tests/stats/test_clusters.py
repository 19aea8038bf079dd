import numpy as np
import pytest

from stats.bootstrap import bootstrap_over_users
from stats.clusters import auroc_of, line_of, mean, offset_of, ratio
from stats.estimate import Estimate
from stats.metrics import auroc, sigmoid
from training.reward.noise import floor_of

RANDOM = np.random.default_rng(5)


def clustered(users: int = 150, each: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of users who differ in how much they love: labels of one user go together."""
    owner = np.repeat(np.arange(users), each)
    logits = RANDOM.normal(-1, 1, users * each)
    own = RANDOM.normal(0, 1.5, users)[owner]
    labels = (RANDOM.random(users * each) < sigmoid(logits + own)).astype(float)
    return labels, logits, owner


def test_errors_over_users_agree_with_a_bootstrap_over_users() -> None:
    labels, logits, owner = clustered()
    weights = RANDOM.uniform(0.2, 1, len(labels))
    users = owner.astype(np.str_)

    def drawn(figure: object) -> Estimate:
        return bootstrap_over_users(figure, users, draws=400)  # type: ignore[arg-type]

    found = auroc_of(labels, logits, weights, users)
    again = drawn(lambda rows: auroc(labels[rows], logits[rows], weights[rows]))
    assert found.value == again.value
    assert found.high - found.low == pytest.approx(again.high - again.low, rel=0.2)
    found = mean(labels, weights, users)
    again = drawn(lambda rows: float(np.average(labels[rows], weights=weights[rows])))
    assert found.high - found.low == pytest.approx(again.high - again.low, rel=0.2)


def test_users_whose_rows_go_together_widen_an_interval() -> None:
    labels, _, owner = clustered()
    assert ratio(labels, np.ones(len(labels)), owner)[1] > 1.5 * ratio(labels, np.ones(len(labels)), owner * 0 +
                                                                       np.arange(len(owner)))[1]  # fmt: skip


def test_slope_and_intercept_say_what_was_done_to_right_logits() -> None:
    logits = RANDOM.normal(-1, 1.5, 40_000)
    labels = (RANDOM.random(40_000) < sigmoid(logits)).astype(float)
    rows, ones = np.arange(40_000), np.ones(40_000)
    intercept, slope = line_of(labels, logits, ones, rows)
    assert slope.low < 1 < slope.high
    assert intercept.low < 0 < intercept.high
    _, steep = line_of(labels, logits * 2, ones, rows)
    assert steep.value == pytest.approx(0.5, abs=0.03)
    low = offset_of(labels, logits - 0.7, ones, rows)
    assert low.low < 0.7 < low.high


def test_scores_that_tell_the_label_without_error_have_no_slope() -> None:
    logits, ones = np.arange(40.0) / 4, np.ones(40)
    _, slope = line_of((logits > 5).astype(float), logits, ones, np.arange(40))
    assert np.isnan(slope.value)


@pytest.mark.parametrize("kind", [0.0, 1.0])
def test_rows_of_one_kind_have_no_figures(kind: float) -> None:
    labels, logits, ones = np.full(5, kind), np.arange(5.0), np.ones(5)
    assert np.isnan(offset_of(labels, logits, ones, np.arange(5)).value)
    assert np.isnan(auroc_of(labels, logits, ones, np.arange(5)).value)


def test_the_noise_floor_is_the_ece_that_perfect_models_show() -> None:
    """Of rare labels, with all positives and every twentieth negative kept: over many test sets its mean and 97.5 %."""
    from stats.metrics import calibration_error

    found, floors = [], []
    for _ in range(60):
        chances = sigmoid(RANDOM.normal(-5, 1, 20_000))
        labels = (RANDOM.random(20_000) < chances).astype(float)
        kept = (labels > 0) | (RANDOM.random(20_000) < 0.05)
        weights = np.where(labels[kept] > 0, 1.0, 20.0)
        found.append(calibration_error(labels[kept], chances[kept], weights))
        floors.append(floor_of(chances[kept], np.ones(kept.sum()), weights, negatives_stand_for=20.0))
    assert np.mean([floor.expected for floor in floors]) == pytest.approx(np.mean(found), rel=0.15)
    assert np.mean([ece > floor.high for ece, floor in zip(found, floors, strict=True)]) < 0.1
