import math

import numpy as np
import pytest

from stats.correlation import corrected, pearson, reliability, slope, spearman


def test_pearson_is_numpys_with_fishers_interval() -> None:
    random = np.random.default_rng(3)
    first = random.normal(size=30)
    second = first + random.normal(size=30) * 0.3
    found = pearson(first, second)
    assert found is not None
    assert found.r == pytest.approx(np.corrcoef(first, second)[0, 1])
    assert found.ci.low < found.r < found.ci.high


@pytest.mark.parametrize("of", [pearson, spearman])
def test_what_does_not_vary_has_no_correlation(of: object) -> None:
    assert of([1, 1, 1], [1, 2, 3]) is None  # type: ignore[operator]
    assert of([], []) is None  # type: ignore[operator]


def test_spearman_takes_ties_and_cares_for_the_order_alone() -> None:
    found = spearman([1, 2, 2, 3, 4, 5], [1, 8, 8, 27, 64, 1e6])
    assert found is not None
    assert found.r == 1
    assert found.ci.high == 1
    assert found.ci.low < 0.5  # six pairs in perfect order are no certainty


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        pearson([1, math.nan], [1, 2])
    with pytest.raises(ValueError, match="shapes"):
        slope([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="must be above 0"):
        reliability([1, 2], [0.1, 0])


@pytest.mark.slow
def test_the_intervals_cover_and_the_correction_finds_the_true_r() -> None:
    """Pairs of which the second is measured with a known error: nominal 95 %, and no bias but for small samples."""
    random = np.random.default_rng(7)
    inside, better, rhos, slopes = [], [], [], []
    for _ in range(600):
        true = random.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], size=20)
        measured = true[:, 1] + random.normal(size=20) * 0.3
        seen, rho = pearson(true[:, 0], measured), spearman(true[:, 0], measured)
        line, share = slope(true[:, 0], measured), reliability(measured, np.full(20, 0.3))
        assert seen is not None
        assert rho is not None
        assert line is not None
        assert share is not None
        attenuated = 0.9 / math.sqrt(1.09)
        inside.append(seen.ci.low <= attenuated <= seen.ci.high)
        better.append(seen.r / math.sqrt(share))
        rhos.append(rho.ci.low <= 6 / math.pi * math.asin(attenuated / 2) <= rho.ci.high)
        slopes.append(line.ci.low <= 0.9 <= line.ci.high)
        assert corrected(seen, share).r >= seen.r
    for hits in (inside, rhos, slopes):
        assert np.mean(hits) == pytest.approx(0.95, abs=0.03)
    assert np.mean(better) == pytest.approx(0.9, abs=0.015)
