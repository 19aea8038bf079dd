import math

import numpy as np
import pytest
from scipy.stats import norm

from experiments.boundaries import (
    KEPT,
    LATEST,
    chance_of_reaching,
    going_on,
    one_look_information,
    open_width,
    planned_drift,
    planned_information,
    power,
    spent_p,
    spent_threshold,
    spent_width,
    stops,
)
from experiments.passage import first_passage


def paths(drift: float, times: np.ndarray, count: int, seed: int) -> np.ndarray:
    """z of Brownian motion with drift at some times, shape (count, times)."""
    steps = np.random.default_rng(seed).standard_normal((count, len(times))) * np.sqrt(np.diff(times, prepend=0))
    return (np.cumsum(steps, axis=1) + drift * times) / np.sqrt(times)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_open_width_is_where_the_normal_mixture_reaches_one_over_alpha(confidence: float) -> None:
    for information in (0.01, 0.3, 1.0, 20.0):
        z = open_width(information, confidence)
        twice = 2 * math.log(1 / (1 - confidence))
        nu = (twice + math.log(1 + twice)) * information
        mixture = math.exp(z * z / 2 * nu / (1 + nu)) / math.sqrt(1 + nu)
        assert mixture == pytest.approx(1 / (1 - confidence))


def test_all_of_alpha_but_the_kept_part_is_spent_until_the_latest_look() -> None:
    for alpha in (0.001, 0.01, 0.05, 0.2, 0.4):
        assert chance_of_reaching(spent_threshold(alpha)) == pytest.approx((1 - KEPT) * alpha, rel=1e-6)


def test_at_five_per_cent_the_threshold_is_about_half_of_the_one_that_holds_for_ever() -> None:
    assert 9.4 < spent_threshold(0.05) < 9.7
    assert spent_width(1.0, 0.05) == pytest.approx(2.75, abs=0.01)


def test_looks_long_after_the_end_of_the_plan_raise_no_more_false_alarms_than_alpha() -> None:
    times = np.geomspace(0.01, 8, 400)
    widths = np.array([spent_width(time, 0.05) for time in times])
    alarms = (np.abs(paths(0.0, times, 10_000, 1)) >= widths).any(axis=1).mean()
    assert 0.035 < alarms < 0.05 + 2 * 0.0022


def test_after_the_latest_look_only_the_kept_part_of_alpha_is_left() -> None:
    at_end, late = spent_width(LATEST, 0.05), spent_width(LATEST + 1e-9, 0.05)
    assert late > at_end + 1
    nu = 8 * LATEST
    assert late == pytest.approx(math.sqrt((1 + 1 / nu) * (math.log1p(nu) + 2 * math.log(1 / (KEPT * 0.05)))))


def test_chances_of_reaching_fall_and_stay_below_one_over_the_threshold() -> None:
    thresholds = [1.0, 1.01, 1.5, 3.0, 9.0, 100.0, 1e6, 1e13, 1e100]
    chances = [chance_of_reaching(each) for each in thresholds]
    assert chances == sorted(chances, reverse=True)
    assert all(0 < chance <= 1 / threshold for chance, threshold in zip(chances, thresholds, strict=True))


@pytest.mark.parametrize("drift", [0.5, 2.881, 5.0])
def test_the_first_passage_has_the_law_of_levys_reflection(drift: float) -> None:
    line = 2.2414
    times = np.geomspace(0.001, 1, 120)
    one_side = norm.cdf(drift - line) + math.exp(2 * line * drift) * norm.cdf(-line - drift)
    found = first_passage(times, np.full(120, line), drift)[0]
    assert found.more[-1] == pytest.approx(one_side, abs=3e-4)


def test_the_law_without_drift_is_the_same_on_both_sides_and_loses_nobody() -> None:
    law = stops(0.0)
    assert np.allclose(law.more, law.fewer, atol=1e-12)
    for information in (0.001, 0.3, 1.0):
        more, at, mass = going_on(information, 0.0)
        assert 2 * more + mass.sum() == pytest.approx(1, abs=2e-4)
        assert np.sum(mass * at) == pytest.approx(0, abs=1e-9)


def test_the_law_agrees_with_simulated_paths() -> None:
    times = np.arange(1, 1001) / 1000
    widths = np.array([spent_width(time, 0.05) for time in times])
    out = paths(3.2, times, 4000, 2) >= widths
    assert power(3.2) == pytest.approx(out.any(axis=1).mean(), abs=0.03)
    when = np.where(out.any(axis=1), times[out.argmax(axis=1)], np.inf)
    assert stops(3.2).median() == pytest.approx(np.median(when), abs=0.03)


def test_a_planned_drift_has_its_power_and_needs_a_third_more_than_one_look() -> None:
    drift = planned_drift(0.9, 0.01)
    assert power(drift, 0.01) == pytest.approx(0.9, abs=1e-4)
    assert power(-drift, 0.01) == power(drift, 0.01)
    assert planned_information(0.1) / one_look_information(0.1) == pytest.approx(1.33, abs=0.01)


def test_half_of_the_planned_tests_have_stopped_at_three_quarters_of_one_look() -> None:
    drift = planned_drift()
    once = (norm.ppf(0.975) + norm.ppf(0.8)) ** 2
    assert 0.71 < stops(drift).median() * drift**2 / once < 0.75


@pytest.mark.parametrize("lift", [0.28, 0.097, -0.2])
def test_the_planned_information_is_near_the_rule_of_thumb(lift: float) -> None:
    assert planned_information(lift) == pytest.approx((2.88 / math.log1p(lift)) ** 2 * 1.25, rel=0.02)


def test_a_test_that_seldom_stops_has_no_median() -> None:
    assert stops(1.0).median() == math.inf


@pytest.mark.parametrize("information", [0.02, 0.5, 1.0, LATEST, 1.5, 30.0])
def test_p_is_alpha_on_the_boundary(information: float) -> None:
    for alpha in (0.001, 0.05, 0.3):
        assert spent_p(-spent_width(information, alpha), information) == pytest.approx(alpha, rel=1e-6)


def test_p_falls_from_one_as_the_effect_grows_and_takes_any_size() -> None:
    found = [spent_p(z, 0.7) for z in (0.0, 1.0, 2.0, 3.0, 6.0, 30.0, 1e6, math.inf)]
    assert found == sorted(found, reverse=True)
    assert found[0] == 1.0
    assert found[-1] >= 0


@pytest.mark.parametrize("information", [0, -1, math.nan, math.inf])
def test_without_information_there_is_no_width(information: float) -> None:
    for width in (lambda x: open_width(x, 0.95), lambda x: spent_width(x, 0.05)):
        with pytest.raises(ValueError, match=r"information == .*, must be a positive number"):
            width(information)


@pytest.mark.parametrize("alpha", [0, 0.5, 5, math.nan])
def test_alpha_is_a_chance_below_a_half(alpha: float) -> None:
    for boundary in (spent_threshold, lambda x: spent_width(0.5, x)):
        with pytest.raises(ValueError, match="alpha == "):
            boundary(alpha)


def test_other_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match="z == nan"):
        spent_p(math.nan, 0.5)
    with pytest.raises(ValueError, match="drift == nan"):
        stops(math.nan)
    with pytest.raises(ValueError, match="must be above alpha"):
        planned_drift(0.04, 0.05)
    with pytest.raises(ValueError, match="lift == 0, must not be"):
        planned_information(0.0)
    with pytest.raises(ValueError, match="lift == -1, must be a number above -1"):
        one_look_information(-1)
