import json
from pathlib import Path

import numpy as np
import pytest

from stats.metrics import auroc, brier, sigmoid
from training.reward.calibration import Calibration
from training.reward.recalibration import CalibrationRows, calibrate, fit_isotonic, fit_platt, fit_temperature


def drawn(
    seed: int, rows: int = 3_000, *, centre: float = -3.0, spread: float = 1.0
) -> tuple[CalibrationRows, np.ndarray]:
    """Rows whose labels come true exactly as their logits say, of 300 users."""
    random = np.random.default_rng(seed)
    logits = random.normal(centre, spread, rows)
    labels = (random.random(rows) < sigmoid(logits)).astype(float)
    users = np.array([f"user {each}" for each in random.integers(0, 300, rows)])
    return CalibrationRows(logits, labels, np.ones(rows)), users


def log_loss(sample: CalibrationRows, logits: np.ndarray) -> float:
    return float(np.average(np.logaddexp(0, logits) - sample.labels * logits, weights=sample.weights))


@pytest.mark.slow
def test_nothing_is_fitted_to_a_model_that_is_right_already() -> None:
    chosen = [calibrate(*drawn(seed), prior_shift=1.0, seed=seed).method for seed in range(30)]
    assert chosen.count("none") >= 26


@pytest.mark.slow
def test_on_unseen_rows_it_costs_a_right_model_next_to_nothing_where_always_fitting_costs() -> None:
    always, chosen = [], []
    for seed in range(30):
        sample, users = drawn(seed, rows=1_500, centre=-5)
        unseen, _ = drawn(1_000 + seed, rows=20_000, centre=-5)
        right = log_loss(unseen, unseen.logits)
        always.append(log_loss(unseen, fit_platt(sample).fitted(unseen.logits)) - right)
        chosen.append(
            log_loss(unseen, calibrate(sample, users, prior_shift=0, seed=seed).fitted(unseen.logits)) - right
        )
    assert np.mean(always) > 2e-4
    assert np.mean(chosen) < 0.25 * np.mean(always)


@pytest.mark.parametrize(
    ("wrong", "method"),
    [
        (lambda logits: logits / 0.4, "temperature"),
        (lambda logits: logits + 1.0, "platt"),
        (lambda logits: np.where(logits > -2, -2 + 0.15 * (logits + 2), logits), "isotonic"),
    ],
)
def test_what_is_wrong_is_mended_by_the_simplest_that_can(wrong: object, method: str) -> None:
    sample, users = drawn(1, rows=30_000, centre=-2, spread=1.5)
    told = sample._replace(logits=wrong(sample.logits))  # type: ignore[operator]
    found = calibrate(told, users, prior_shift=0.0, seed=1)
    assert found.method == method
    assert "is lower than without by" in found.words
    unseen, _ = drawn(2, rows=30_000, centre=-2, spread=1.5)
    mended = found.fitted(wrong(unseen.logits))  # type: ignore[operator]
    right = log_loss(unseen, unseen.logits)
    assert log_loss(unseen, mended) - right < 0.1 * (log_loss(unseen, wrong(unseen.logits)) - right)  # type: ignore[operator]


@pytest.mark.parametrize("fit", [fit_temperature, fit_platt, fit_isotonic])
def test_no_calibrator_turns_or_ties_a_ranking(fit: object) -> None:
    """Not even where the scores rank the wrong way round, or where nothing came true."""
    sample, _ = drawn(3, rows=500)
    for labels in (sample.labels, 1 - sample.labels, sample.labels * 0, np.flip(np.sort(sample.labels))):
        found = fit(sample._replace(labels=labels))  # type: ignore[operator]
        after = found.fitted(sample.logits)
        order = np.argsort(sample.logits)
        assert (np.diff(after[order]) > 0).all()
        assert np.isfinite(after).all()
        if 0 < labels.sum() < len(labels):
            assert auroc(labels, after) == auroc(labels, sample.logits)
        np.testing.assert_allclose(found.shifted(after), sample.logits, atol=1e-9)


def test_platt_finds_the_scale_and_offset_that_were_lost() -> None:
    sample, _ = drawn(11, rows=40_000, centre=-2, spread=1.5)
    found = fit_platt(sample._replace(logits=(sample.logits - 1) / 0.5))
    assert found.scale == pytest.approx(0.5, abs=0.03)
    assert found.offset == pytest.approx(1, abs=0.1)


def test_weights_stand_for_rows() -> None:
    """Negatives of which every fifth was kept, five times as heavy, give what all of them give."""
    sample, _ = drawn(4, rows=60_000)
    told = sample._replace(logits=sample.logits / 0.5 + 0.7)
    kept = (sample.labels > 0) | (np.arange(60_000) % 5 == 0)
    fewer = told.take(kept)._replace(weights=np.where(sample.labels[kept] > 0, 1.0, 5.0))
    whole, part = fit_platt(told), fit_platt(fewer)
    assert part.scale == pytest.approx(whole.scale, abs=0.03)
    assert part.offset == pytest.approx(whole.offset, abs=0.08)
    asked = np.array([-6.0, -4.0, -2.0])
    np.testing.assert_allclose(fit_isotonic(fewer).fitted(asked), fit_isotonic(told).fitted(asked), atol=0.5)


def test_with_few_positives_nothing_is_tried_and_it_says_so() -> None:
    sample, users = drawn(5, rows=300, centre=-5)
    found = calibrate(sample, users, prior_shift=2.0, seed=0)
    assert found.method == "none"
    assert found.words.startswith("nothing was fitted after the prior shift: validation holds")
    assert found.apply(np.array([3.0])).tolist() == [1.0]


def test_a_few_annotators_do_not_keep_it_from_choosing() -> None:
    sample, _ = drawn(6, rows=4_000, centre=0)
    told = sample._replace(logits=sample.logits * 3)
    assert calibrate(told, np.array(["ann", "bob"] * 2_000), prior_shift=0, seed=0).method != "none"


def test_it_is_saved_with_what_was_tried_and_one_of_an_earlier_version_loads(tmp_path: Path) -> None:
    sample, users = drawn(7, rows=20_000)
    found = calibrate(sample._replace(logits=sample.logits**3 / 9), users, prior_shift=1.5, seed=0)
    found.save(tmp_path)
    assert Calibration.read(tmp_path) == found
    assert json.loads((tmp_path / "calibration.json").read_text())["method"] == found.method
    assert [trial.method for trial in found.tried] == ["none", "temperature", "platt", "isotonic"]
    (tmp_path / "calibration.json").write_text('{"prior_shift": 2.0, "scale": 0.5, "offset": 0.1}')
    old = Calibration.read(tmp_path)
    assert (old.method, old.apply(np.array([4.0])).tolist()) == ("platt", [1.1])


def test_it_betters_brier_on_users_that_it_did_not_see() -> None:
    sample, users = drawn(8, rows=5_000, centre=-1)
    found = calibrate(sample._replace(logits=sample.logits + 1.2), users, prior_shift=0, seed=0)
    unseen, _ = drawn(9, rows=20_000, centre=-1)
    before, after = (sigmoid(each) for each in (unseen.logits + 1.2, found.fitted(unseen.logits + 1.2)))
    assert brier(unseen.labels, after) < brier(unseen.labels, before) - 0.01
