from itertools import product

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from experiments.several import benjamini_hochberg, e_bh, e_from_p, holm, split


def named(values: np.ndarray) -> dict[str, float]:
    return {str(place): float(value) for place, value in enumerate(values)}


def test_e_bh_finds_what_the_definition_says_on_random_cases() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        values = rng.lognormal(2, 2, size=rng.integers(1, 9)).round(1)
        m, alpha = len(values), 0.1
        sizes = [k for k in range(1, m + 1) if sum(values >= m / (alpha * k)) >= k]
        least = m / (alpha * max(sizes)) if sizes else np.inf
        assert list(e_bh(named(values), alpha).values()) == (values >= least).tolist()


def test_one_e_value_falls_at_one_over_alpha() -> None:
    assert e_bh({"a": 20.0}, 0.05) == {"a": True}
    assert e_bh({"a": 19.9}, 0.05) == {"a": False}


def test_infinite_and_zero_evidence_are_evidence() -> None:
    assert e_bh({"a": float("inf"), "b": 0.0}, 0.05) == {"a": True, "b": False}
    assert e_bh({"a": 0.0, "b": 0.0}, 0.05) == {"a": False, "b": False}


def test_equal_e_values_fall_together() -> None:
    assert e_bh({"a": 20.0, "b": 20.0, "c": 20.0}, 0.05) == {"a": True, "b": True, "c": True}


def test_the_false_discoveries_of_e_bh_stay_below_alpha_when_all_hang_together() -> None:
    rng = np.random.default_rng(2)
    shared = rng.normal(size=(2_000, 1))
    z = 0.8**0.5 * shared + 0.2**0.5 * rng.normal(size=(2_000, 10))
    z[:, :3] += 5
    evidence = np.exp(3 * z - 3**2 / 2)  # likelihood ratio of N(3, 1) against N(0, 1): expectation 1 under the null
    found = np.array([[*e_bh(named(row), 0.1).values()] for row in evidence])
    false = found[:, 3:].sum(axis=1) / np.maximum(found.sum(axis=1), 1)
    assert false.mean() <= 0.1
    assert found[:, :3].mean() > 0.7


def test_holm_steps_down_and_stops_at_the_first_that_stands() -> None:
    found = holm({"a": 0.03, "b": 0.001, "c": 0.026, "d": 0.012}, 0.05)
    assert found == {"a": False, "b": True, "c": False, "d": True}


def test_holm_is_rarely_wrong_and_never_finds_less_than_bonferroni() -> None:
    rng = np.random.default_rng(3)
    p = norm.sf(rng.normal(size=(2_000, 5)) + np.array([3, 3, 0, 0, 0]))
    found = np.array([[*holm(named(row), 0.05).values()] for row in p])
    assert found[:, 2:].any(axis=1).mean() < 0.05 + 3 * (0.05 * 0.95 / 2_000) ** 0.5
    assert (found >= (p <= 0.05 / 5)).all()
    assert found.sum() > (p <= 0.05 / 5).sum()


def test_benjamini_hochberg_finds_what_the_definition_says() -> None:
    for values in product((0.001, 0.02, 0.04, 0.6), repeat=4):
        m = len(values)
        sizes = [k for k in range(1, m + 1) if sum(p <= 0.05 * k / m for p in values) >= k]
        most = 0.05 * max(sizes) / m if sizes else -1
        assert list(benjamini_hochberg(named(np.array(values)), 0.05).values()) == [p <= most for p in values]


def test_an_e_value_of_a_uniform_p_has_expectation_one() -> None:
    assert quad(e_from_p, 0, 1)[0] == pytest.approx(1)
    assert e_from_p(1.0) == 0.5
    assert e_from_p(0.0) == float("inf")


def test_the_parts_of_alpha_are_equal_and_make_a_whole() -> None:
    parts = split(0.05, ("a", "b", "c"))
    assert set(parts) == {"a", "b", "c"}
    assert sum(parts.values()) == pytest.approx(0.05)
    assert split(0.05, ["only"]) == {"only": 0.05}


def test_no_question_has_no_answer() -> None:
    assert e_bh({}, 0.05) == holm({}, 0.05) == benjamini_hochberg({}, 0.05) == {}


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_p_value_outside_of_its_range_is_refused(value: float) -> None:
    for rule in (holm, benjamini_hochberg):
        with pytest.raises(ValueError, match=r"p-values == .*, must be in \[0, 1\]"):
            rule({"a": 0.5, "b": value}, 0.05)
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        e_from_p(value)


@pytest.mark.parametrize("value", [-1.0, float("nan")])
def test_an_e_value_below_zero_or_missing_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="must be numbers of at least 0"):
        e_bh({"a": 3.0, "b": value}, 0.05)


@pytest.mark.parametrize("alpha", [0, 1, 5, float("nan")])
def test_a_level_that_is_none_is_refused(alpha: float) -> None:
    for rule in (e_bh, holm, benjamini_hochberg):
        with pytest.raises(ValueError, match=r"must be in \(0, 1\)"):
            rule({"a": 0.5}, alpha)
    with pytest.raises(ValueError, match=r"must be in \(0, 1\)"):
        split(alpha, ["a"])


@pytest.mark.parametrize("arms", [[], ["a", "a"], "ab"])
def test_arms_without_a_name_of_their_own_are_refused(arms: list[str] | str) -> None:
    with pytest.raises(ValueError, match="each of them once"):
        split(0.05, arms)
