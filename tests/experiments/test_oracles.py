"""The same answers as tea-tasting, gbstats and statsmodels on random cases, each asked in an environment of its own.

The environments are made once, with uv, under `$XDG_CACHE_HOME/loveloop/oracles`; where that cannot be done, for
want of a network say, the tests are skipped with the reason.
"""

import functools
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from experiments.adjust import Adjusted, adjusted
from experiments.effect import ArmSums, exact_p, relative, sums
from experiments.several import benjamini_hochberg, holm
from stats.intervals import normal_quantile

pytestmark = pytest.mark.slow
ORACLES = {
    # pinned, with what they pin no longer themselves: their answers must not move under us
    "tea_tasting": ["tea-tasting==1.14.0", "pyarrow"],
    "gbstats": ["gbstats==0.8.0", "setuptools<81"],
    "statsmodels": ["statsmodels==0.15.*"],
}
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "loveloop" / "oracles"
EXACTLY = 1e-9
"""Relative: the same formula in another order of sums differs in its last digits alone, and cancels some of them."""
Case = dict[str, dict[str, list[float]]]


@functools.cache
def environment(oracle: str) -> Path | str:
    """The Python of an oracle's environment, which is made unless it is there as wanted; or why it cannot be."""
    home, wanted = CACHE / oracle, ORACLES[oracle]
    python, stamp = home / "bin" / "python", home / "installed.txt"
    if stamp.exists() and stamp.read_text().splitlines() == wanted and python.exists():
        return python
    uv = [sys.executable, "-m", "uv"]
    made = [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)]
    filled = [*uv, "pip", "install", "--quiet", "--python", str(python), *wanted]
    for command in (made, filled):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{oracle} cannot be asked: `{' '.join(command[1:4])}` failed: {done.stderr.strip()[-300:]}"
    stamp.write_text("\n".join(wanted))
    return python


def ask(oracle: str, question: Any) -> Any:
    """What an oracle answers."""
    made, script = environment(oracle), Path(__file__).parent / "oracles" / f"ask_{oracle}.py"
    if isinstance(made, str):  # why there is none
        pytest.skip(made)
    command = [str(made), "-W", "ignore", str(script)]
    done = subprocess.run(command, input=json.dumps(question), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    return json.loads(done.stdout)


def arm(random: np.random.Generator, users: int, rate: float, stays: float) -> dict[str, list[float]]:
    """Users of unlike taste and activity: what they saw and loved, before the test and in it."""
    taste = random.gamma(0.5, 2.0, users)
    exposures, past = random.geometric(stays, (2, users))
    chance = np.clip(rate * taste, 0, 1)
    return {
        "loves": random.binomial(exposures, chance).tolist(),
        "exposures": exposures.tolist(),
        "past_loves": random.binomial(past, np.clip(0.03 * taste, 0, 1)).tolist(),
        "past_exposures": past.tolist(),
    }


@functools.cache
def cases() -> tuple[Case, ...]:
    """Arms of unequal size and rate, with from a few dozen to hundreds of loves."""
    random = np.random.default_rng(20)
    found = []
    for _ in range(8):
        rate, lift, stays = random.uniform(0.01, 0.06), random.uniform(-0.3, 0.5), random.uniform(0.05, 0.4)
        sizes = random.integers(400, 2_500, 2)
        control = arm(random, sizes[0], rate, stays)
        found.append({"control": control, "treatment": arm(random, sizes[1], rate * (1 + lift), stays)})
    return tuple(found)


def arm_sums(case: Case) -> tuple[ArmSums, ArmSums]:
    control, treatment = (sums(np.array(case[name]["loves"]), np.array(case[name]["exposures"])) for name in case)
    return control, treatment


@functools.cache
def tea_tasting() -> list[Any]:
    return list(ask("tea_tasting", cases()))


@functools.cache
def gbstats() -> list[Any]:
    return list(ask("gbstats", cases()))


@functools.cache
def statsmodels() -> Any:
    random = np.random.default_rng(21)
    p_values = [np.sort(random.beta(0.3, 3.0, size)).tolist() for size in (1, 2, 5, 20, 40)]
    return {**ask("statsmodels", {"cases": cases(), "p_values": p_values}), "p_values": p_values}


def test_the_error_of_a_clustered_rate_is_gbstats() -> None:
    for case, said in zip(cases(), gbstats(), strict=True):
        ours = [math.sqrt(each.variance) for each in arm_sums(case)]
        assert ours == pytest.approx(said["errors"], rel=EXACTLY)


def test_the_absolute_interval_is_gbstats() -> None:
    for case, said in zip(cases(), gbstats(), strict=True):
        control, treatment = arm_sums(case)
        gap, error = treatment.rate - control.rate, math.sqrt(control.variance + treatment.variance)
        width = float(t.ppf(0.975, said["degrees_of_freedom"])) * error
        assert [gap - width, gap + width] == pytest.approx(said["once"], rel=EXACTLY, abs=1e-12)


def test_the_absolute_interval_and_its_p_are_tea_tastings() -> None:
    for case, said in zip(cases(), tea_tasting(), strict=True):
        control, treatment = arm_sums(case)
        gap, error = treatment.rate - control.rate, math.sqrt(control.variance + treatment.variance)
        ratio, width = said["ratio"], normal_quantile(0.95) * error
        assert gap == pytest.approx(ratio["effect_size"], rel=EXACTLY)
        assert gap - width == pytest.approx(ratio["effect_size_ci_lower"], rel=EXACTLY, abs=1e-12)
        assert math.erfc(abs(gap) / error / math.sqrt(2)) == pytest.approx(ratio["pvalue"], rel=1e-6)


def test_the_relative_lift_and_its_error_are_tea_tastings() -> None:
    for case, said in zip(cases(), tea_tasting(), strict=True):
        found, ratio = relative(*arm_sums(case), planned_information=100.0), said["ratio"]
        assert found.lift == pytest.approx(ratio["rel_effect_size"], rel=EXACTLY)
        assert found.design_effect > 1, "else the error would be that of independent exposures, on purpose"
        assert found.lift is not None
        half = normal_quantile(0.95) * found.standard_error
        ends = [math.expm1(math.log1p(found.lift) + side * half) for side in (-1, 1)]
        assert ends == pytest.approx(
            [ratio["rel_effect_size_ci_lower"], ratio["rel_effect_size_ci_upper"]], rel=EXACTLY, abs=1e-12
        )


def test_the_one_look_interval_ends_where_gbstats_errors_put_it() -> None:
    # Fieller's ends are the ratios r at which R_t - r R_c is just 1.96 of its own standard errors away from nothing.
    for case, said in zip(cases(), gbstats(), strict=True):
        control, treatment = arm_sums(case)
        found = relative(control, treatment, planned_information=100.0)
        for end, side in zip(found.ci, (1, -1), strict=True):
            error = math.hypot(said["errors"][1], (1 + end) * said["errors"][0])
            away = treatment.rate - (1 + end) * control.rate
            assert away == pytest.approx(side * normal_quantile(0.95) * error, rel=EXACTLY)


def test_the_exact_p_is_statsmodels_conditional_test_of_two_poisson_rates() -> None:
    for case, said in zip(cases(), statsmodels()["cases"], strict=True):
        assert exact_p(*arm_sums(case)) == pytest.approx(said["exact"], rel=EXACTLY)


def test_the_error_of_the_log_ratio_is_that_of_a_poisson_regression_over_users() -> None:
    # HC0 has no n/(n-1), which is within a thousandth of 1 at these sizes: taken out before they are compared
    for case, said in zip(cases(), statsmodels()["cases"], strict=True):
        arms = arm_sums(case)
        estimate, error = said["clustered"]
        ours = math.sqrt(sum(each.variance / each.rate**2 * (each.users - 1) / each.users for each in arms))
        assert math.log(arms[1].rate / arms[0].rate) == pytest.approx(estimate, abs=1e-9)
        assert ours == pytest.approx(error, rel=1e-7)


@pytest.mark.parametrize(("method", "ours"), [("holm", holm), ("fdr_bh", benjamini_hochberg)])
def test_several_answers_at_once_are_statsmodels(method: str, ours: Any) -> None:
    asked = statsmodels()["p_values"]
    shown = [[*ours({str(place): p for place, p in enumerate(each)}, 0.05).values()] for each in asked]
    assert shown == statsmodels()["several"][method]
    assert any(any(each) and not all(each) for each in shown), "some fall and some stand"


def cuped(case: Case, per: str | None, *covariates: str) -> Adjusted:
    def column(name: str) -> np.ndarray:
        return np.concatenate([case["control"][name], case["treatment"][name]])

    loves, arms = column("loves"), np.repeat([0, 1], [len(case[name]["loves"]) for name in case])
    past = np.column_stack([column(name) for name in covariates])
    return adjusted(loves, column(per) if per else np.ones(len(loves)), arms.astype(np.int8), past)


@pytest.mark.parametrize(("metric", "per"), [("ratio", "exposures"), ("mean", None)])
def test_the_adjusted_estimate_is_statsmodels_interacted_regression(metric: str, per: str | None) -> None:
    for case, said in zip(cases(), statsmodels()["cases"], strict=True):
        ours = cuped(case, per, "past_loves", "past_exposures")
        estimate, error = said[metric]
        assert ours.covariates == 2
        assert ours.log_ratio == pytest.approx(estimate, abs=1e-9)
        # ours adds what the joint mean of the past varies itself: (difference of slopes)^2 x variance of that mean
        assert ours.standard_error == pytest.approx(error, rel=2e-3)
        assert ours.standard_error >= error * (1 - EXACTLY)


def test_cuped_is_tea_tastings_but_for_slopes_of_their_own_in_each_arm() -> None:
    for case, said in zip(cases(), tea_tasting(), strict=True):
        ours, mean = cuped(case, None, "past_loves"), said["mean_adjusted"]
        low, high = (math.log1p(mean[f"rel_effect_size_ci_{end}"]) for end in ("lower", "upper"))
        # One slope for both arms, on the scale of loves: apart by (difference of slopes) x (imbalance of the past),
        # a product of two small numbers, each of the order of a standard error. HC2 gives the few users with a long
        # past more weight, which their pooled variance does not: some per cent at a hundred loves an arm.
        assert ours.log_ratio == pytest.approx(math.log1p(mean["rel_effect_size"]), abs=0.05 * ours.standard_error)
        assert ours.standard_error == pytest.approx((high - low) / 2 / normal_quantile(0.95), rel=0.08)


def test_what_cuped_leaves_of_the_variance_is_what_gbstats_leaves() -> None:
    for case, said in zip(cases(), gbstats(), strict=True):
        ours = cuped(case, None, "past_loves")
        theirs = (said["adjusted_error"] / said["mean_error"]) ** 2
        assert ours.variance_left == pytest.approx(theirs, abs=0.1), "apart by HC2's weights, twice as in the error"


def test_without_covariates_the_adjusted_estimate_is_tea_tastings_plain_one() -> None:
    for case, said in zip(cases(), tea_tasting(), strict=True):
        ours, mean = cuped(case, None, "past_loves"), said["mean"]
        low, high = (math.log1p(mean[f"rel_effect_size_ci_{end}"]) for end in ("lower", "upper"))
        assert ours.unadjusted_log_ratio == pytest.approx(math.log1p(mean["rel_effect_size"]), rel=EXACTLY)
        assert ours.unadjusted_error == pytest.approx((high - low) / 2 / normal_quantile(0.95), rel=EXACTLY)


def test_the_default_that_the_benchmark_stops_against_is_gbstats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
    from ab_tests_parts.rivals import default_width

    for case, said in zip(cases(), gbstats(), strict=True):
        control, treatment = arm_sums(case)
        half = default_width(control.users + treatment.users) * math.sqrt(control.variance + treatment.variance)
        assert half == pytest.approx((said["always"][1] - said["always"][0]) / 2, rel=EXACTLY)
