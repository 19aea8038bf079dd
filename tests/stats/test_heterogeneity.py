import numpy as np
import pytest

from stats.correlation import pearson
from stats.heterogeneity import latent_correlation, pooled, shrunk


def test_moments_find_the_mean_and_the_true_spread() -> None:
    random = np.random.default_rng(0)
    errors = random.uniform(0.05, 0.2, 4_000)
    values = random.normal(0.1, 0.15, 4_000) + errors * random.standard_normal(4_000)
    found = pooled(values, errors)
    assert found.mean == pytest.approx(0.1, abs=4 * found.error)
    assert found.variance == pytest.approx(0.15**2, rel=0.06)


def test_figures_that_differ_by_chance_alone_have_no_spread_and_shrink_to_their_mean() -> None:
    values, errors = [0.1, 0.11, 0.09, 0.1], [0.05, 0.1, 0.05, 0.2]
    found = pooled(values, errors)
    assert found.variance == 0.0
    assert shrunk(values, errors).values == pytest.approx([found.mean] * 4)
    assert shrunk(values, errors).errors.min() >= found.error


def test_the_largest_shrunk_figure_is_right_on_average_and_covered() -> None:
    """The raw one is too large: it was looked for."""
    random = np.random.default_rng(1)
    raw, drawn, covered = [], [], []
    for _ in range(600):
        truth = random.normal(0.1, 0.1, 20)
        errors = random.uniform(0.05, 0.2, 20)
        values = truth + errors * random.standard_normal(20)
        found = shrunk(values, errors)
        best = int(found.values.argmax())
        raw.append(values.max() - truth[values.argmax()])
        drawn.append(found.values[best] - truth[best])
        covered.append(abs(drawn[-1]) < 1.96 * found.errors[best])
    assert np.mean(raw) > 0.1
    assert abs(np.mean(drawn)) < 0.012
    assert np.mean(covered) > 0.9


def test_one_figure_stands_for_itself() -> None:
    assert pooled([0.3], [0.1]) == pytest.approx((0.3, 0.1, 0.0))


def test_without_error_the_latent_correlation_is_pearsons_with_fishers_interval() -> None:
    random = np.random.default_rng(2)
    x = random.normal(size=12)
    y = 0.8 * x + 0.5 * random.normal(size=12)
    found, plain = latent_correlation(x, y, np.full(12, 1e-6)), pearson(x, y)
    assert plain is not None
    assert found.r == pytest.approx(plain.r, abs=1e-3)
    assert found.ci == pytest.approx(plain.ci, abs=2e-3)


def test_errors_lift_the_correlation_and_widen_its_interval() -> None:
    x, y = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.4, 1.5, 3.2, 3.6, 5.4, 5.5]
    exact, noisy = latent_correlation(x, y, [0.01] * 6), latent_correlation(x, y, [0.4] * 6)
    assert noisy.r > exact.r
    assert noisy.ci.high == 1.0 > exact.ci.high


def test_a_side_that_differs_by_its_errors_alone_has_any_correlation() -> None:
    found = latent_correlation([1.0, 2.0, 3.0, 4.0, 5.0], [0.1, 0.0, 0.2, 0.1, 0.0], [1.0] * 5)
    assert found.ci == (-1.0, 1.0)


def test_three_pairs_say_nothing() -> None:
    assert latent_correlation([1.0, 2.0, 3.0], [1.0, 2.1, 3.0], [0.01] * 3).ci == (-1.0, 1.0)


def test_a_fall_is_a_negative_correlation() -> None:
    x, y, errors = [1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 1.0, 4.0, 3.0, 5.0], [0.3] * 5
    up, down = latent_correlation(x, y, errors), latent_correlation(x, [-each for each in y], errors)
    assert (down.r, *down.ci) == pytest.approx((-up.r, -up.ci.high, -up.ci.low))


@pytest.mark.slow
@pytest.mark.parametrize(("rho", "pairs", "error"), [(0.9, 10, 0.5), (0.5, 8, 0.5), (0.0, 6, 0.7)])
def test_the_interval_holds_the_true_correlation(rho: float, pairs: int, error: float) -> None:
    """Least coverage allowed: .95 less three errors of 60 draws."""
    random = np.random.default_rng(3)
    held = 0
    for _ in range(60):
        x = random.normal(size=pairs)
        y = rho * x + np.sqrt(1 - rho**2) * random.normal(size=pairs)
        errors = error * random.uniform(0.6, 1.4, pairs)
        found = latent_correlation(x, y + errors * random.normal(size=pairs), errors)
        held += found.ci.low <= rho <= found.ci.high
    assert held / 60 > 0.865


@pytest.mark.parametrize(
    ("values", "errors", "message"),
    [
        ([], [], "one error for each figure"),
        ([0.1, 0.2], [0.1], "one error for each figure"),
        ([0.1, float("nan")], [0.1, 0.1], "not finite"),
        ([0.1, 0.2], [0.1, 0.0], "must be above 0"),
    ],
)
def test_what_is_no_figure_with_an_error_is_refused(values: list[float], errors: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pooled(values, errors)


@pytest.mark.parametrize("first", [[1.0, 2.0], [1.0, 1.0, 1.0]])
def test_too_few_or_equal_pairs_are_refused(first: list[float]) -> None:
    with pytest.raises(ValueError, match="must be at least 3 that differ"):
        latent_correlation(first, [0.1, 0.2, 0.3][: len(first)], [0.1] * len(first))
