"""The benchmark on real fraud: its cross-validation is honest, and it runs where the data are."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
sys.path.insert(0, str(ROOT / "bench"))

from adversary_real_parts import crossing, sets  # noqa: E402

from training.trust.actions import Features  # noqa: E402

has_data = pytest.mark.skipif(not (DATA / "bitcoin_otc").is_dir(), reason=f"{DATA} holds no real data")


def test_recall_at_a_precision_is_the_most_that_any_threshold_gives() -> None:
    bad = np.array([True, True, False, True, False, False])
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    assert crossing.recall(bad, score, 1.0) == pytest.approx(2 / 3)
    assert crossing.recall(bad, score, 0.75) == 1.0


def test_no_threshold_precise_enough_gives_no_recall() -> None:
    assert crossing.recall(np.array([False, True]), np.array([0.9, 0.1]), 0.9) == 0.0


@pytest.mark.slow
def test_figures_without_meaning_score_like_a_coin() -> None:
    rng = np.random.default_rng(1)
    people = sets.Labelled(Features(("noise",), rng.normal(size=(120, 1))), np.arange(120) % 2 == 0)
    found = crossing.scores(people, folds=2, repeats=1, words="")
    figure = crossing.measured(people.bad, found, 0.9)["auroc"]
    assert figure.low < 0.5 < figure.high


def test_a_reference_is_met_to_the_digits_it_was_printed_with() -> None:
    found = {"auroc": crossing.Estimate(0.8926, 0.88, 0.90), "recall": crossing.Estimate(0.6549, 0.6, 0.7)}
    told = crossing.beside(found, {"auroc": 0.893, "recall": 0.66})
    assert (told["auroc"]["kept"], told["recall"]["kept"]) == (True, False)


@has_data
def test_an_account_in_both_lists_is_not_in_the_sample() -> None:
    people = sets.accounts(DATA / "starscout")
    assert people.bad.sum() == 7_061
    assert len(people.bad) < 7_061 + 7_000


@pytest.mark.slow
@has_data
def test_fraudsters_stand_out_by_what_they_do() -> None:
    people = sets.raters(DATA / "bitcoin_otc")["own"]
    found = crossing.scores(people, folds=2, repeats=1, words="")
    assert crossing.measured(people.bad, found, 0.9)["auroc"].low > 0.8
