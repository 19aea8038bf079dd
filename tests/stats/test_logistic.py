import math

import numpy as np
import pytest
from numpy.typing import NDArray

from stats.logistic import LogisticFit, SeparationError, contrast, fit, inflation

Survey = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]


def survey(seed: int, users: int = 200, rows: int = 5, effect: float = 0.6) -> Survey:
    """Rows of users with a hidden habit that moves the signal, what is seen of it, and the outcome."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(users), rows)
    habit = rng.standard_normal(users)[codes]
    signal = (rng.random(len(codes)) < 0.2 + 0.2 * (habit > 0)).astype(float)
    seen = habit + rng.standard_normal(len(codes))
    stays = rng.random(len(codes)) < 1 / (1 + np.exp(0.5 - effect * signal - habit))
    return np.column_stack([signal, seen]), stays, codes


def errors(model: LogisticFit) -> NDArray[np.float64]:
    return np.sqrt(np.diag(model.covariance))


def test_it_finds_what_statsmodels_finds() -> None:
    model = fit(*survey(7))  # statsmodels 0.15.0: Logit(...).fit(cov_type="cluster")
    np.testing.assert_allclose(model.coefficients, [-0.577092106, 0.726582059, 0.378648699], rtol=1e-8)
    np.testing.assert_allclose(errors(model), [0.082207049, 0.143558027, 0.056466144], rtol=1e-7)


def test_the_marginal_effect_is_that_of_statsmodels_and_its_error_counts_the_rows_as_drawn() -> None:
    columns, stays, codes = survey(7)
    found = contrast(fit(columns, stays, codes), columns, codes, 0)
    assert found.value == pytest.approx(0.16732816515725474, rel=1e-7)
    assert 0.033167905 < found.error < 0.033167905 * 1.01  # statsmodels: given the rows


def test_one_binary_column_gives_the_odds_ratio_of_the_four_cells() -> None:
    signal = np.repeat([1.0, 1.0, 0.0, 0.0], [30, 10, 20, 40])
    stays = np.repeat([True, False, True, False], [30, 10, 20, 40])
    model = fit(signal[:, None], stays, np.arange(100))
    assert model.coefficients[1] == pytest.approx(math.log(30 * 40 / (10 * 20)))
    woolf = math.sqrt(1 / 30 + 1 / 10 + 1 / 20 + 1 / 40)
    assert errors(model)[1] == pytest.approx(woolf * math.sqrt(100 / 99 * 99 / 98), rel=1e-6)


def test_the_unit_of_a_column_changes_nothing_but_the_unit() -> None:
    columns, stays, codes = survey(1)
    model = fit(columns, stays, codes)
    other = fit(columns * [1.0, 1e6] + [0.0, 1e7], stays, codes)
    assert other.coefficients[1] == pytest.approx(model.coefficients[1])
    assert errors(other)[2] * 1e6 == pytest.approx(errors(model)[2])


def test_rows_of_a_user_that_say_the_same_add_no_certainty() -> None:
    columns, stays, codes = survey(2, users=400, rows=1)
    once, often = fit(columns, stays, codes), fit(*(np.repeat(each, 9, axis=0) for each in (columns, stays, codes)))
    np.testing.assert_allclose(often.coefficients, once.coefficients)
    np.testing.assert_allclose(errors(often), errors(once), rtol=0.01)


@pytest.mark.slow
def test_the_intervals_cover_as_often_as_they_say_and_unclustered_ones_do_not() -> None:
    truth = fit(*survey(0, users=10_000, rows=20)).coefficients[2]
    clustered = unclustered = 0
    for seed in range(1, 301):
        columns, stays, codes = survey(seed, users=80, rows=20)
        model, naive = fit(columns, stays, codes), fit(columns, stays, np.arange(len(codes)))
        off = abs(model.coefficients[2] - truth)
        clustered += off < 1.96 * errors(model)[2]
        unclustered += off < 1.96 * errors(naive)[2]
    assert 0.92 < clustered / 300 < 0.98
    assert unclustered / 300 < 0.88


@pytest.mark.slow
def test_the_marginal_effect_covers_as_often_as_it_says() -> None:
    columns, stays, codes = survey(0, users=20_000)
    truth = contrast(fit(columns, stays, codes), columns, codes, 0).value
    covered = 0
    for seed in range(1, 301):
        columns, stays, codes = survey(seed, users=120)
        found = contrast(fit(columns, stays, codes), columns, codes, 0)
        covered += abs(found.value - truth) < 1.96 * found.error
    assert 0.92 < covered / 300 < 0.98


def test_a_column_that_tells_the_outcome_is_refused() -> None:
    columns, stays, codes = survey(3)
    columns[:, 0] = stays & (codes < 20)
    with pytest.raises(SeparationError, match=r"column 0 tells the outcome without error .*; leave it out"):
        fit(columns, stays, codes)


def test_a_column_that_follows_from_the_others_is_refused() -> None:
    columns, stays, codes = survey(4)
    with pytest.raises(ValueError, match="follows from the others"):
        fit(np.column_stack([columns, columns.sum(axis=1)]), stays, codes)
    with pytest.raises(ValueError, match="column 2 is the same in every row"):
        fit(np.column_stack([columns, np.ones(len(codes))]), stays, codes)


def test_one_user_or_one_outcome_is_not_enough() -> None:
    columns, stays, codes = survey(5)
    with pytest.raises(ValueError, match="needs two users"):
        fit(columns, stays, codes * 0)
    with pytest.raises(ValueError, match="0 with the outcome"):
        fit(columns, stays & False, codes)


def test_inflation_is_one_without_and_large_with_collinearity() -> None:
    columns, _, _ = survey(7)
    np.testing.assert_allclose(inflation(columns), 1.0091500118, rtol=1e-9)  # statsmodels
    assert inflation(np.column_stack([columns, columns[:, 0] + 0.01 * columns[:, 1]])).min() > 100
