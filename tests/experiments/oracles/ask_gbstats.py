"""What gbstats says of the cases on standard input, as JSON; runs in an environment that has it."""

import json
import sys

from gbstats.frequentist.tests import FrequentistConfig, SequentialConfig, SequentialTwoSidedTTest, TwoSidedTTest
from gbstats.models.statistics import RatioStatistic, RegressionAdjustedStatistic, SampleMeanStatistic, compute_theta

Arm = dict[str, list[float]]


def mean(values: list[float]) -> SampleMeanStatistic:
    return SampleMeanStatistic(n=len(values), sum=sum(values), sum_squares=sum(value * value for value in values))


def product(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def ratio(arm: Arm) -> RatioStatistic:
    x, y = arm["loves"], arm["exposures"]
    return RatioStatistic(n=len(x), m_statistic=mean(x), d_statistic=mean(y), m_d_sum_of_products=product(x, y))


def adjusted(arm: Arm, theta: float) -> RegressionAdjustedStatistic:
    x, before = arm["loves"], arm["past_loves"]
    return RegressionAdjustedStatistic(
        n=len(x),
        post_statistic=mean(x),
        pre_statistic=mean(before),
        post_pre_sum_of_products=product(x, before),
        theta=theta,
    )


def said(case: dict[str, Arm]) -> dict[str, object]:
    arms = case["control"], case["treatment"]
    plain = [ratio(arm) for arm in arms]
    means = [mean(arm["loves"]) for arm in arms]
    theta = compute_theta(*[adjusted(arm, 0.0) for arm in arms])
    once = TwoSidedTTest(*plain, FrequentistConfig(difference_type="absolute"))
    always = SequentialTwoSidedTTest(*plain, SequentialConfig(difference_type="absolute"))
    cuped = TwoSidedTTest(*[adjusted(arm, theta) for arm in arms], FrequentistConfig(difference_type="absolute"))
    return {
        "errors": [(each.variance / each.n) ** 0.5 for each in plain],
        "difference": once.point_estimate,
        "degrees_of_freedom": once.dof,
        "once": list(map(float, once.confidence_interval)),
        "always": list(map(float, always.confidence_interval)),
        "mean_error": float(TwoSidedTTest(*means, FrequentistConfig(difference_type="absolute")).variance ** 0.5),
        "adjusted_error": float(cuped.variance**0.5),
    }


print(json.dumps([said(case) for case in json.load(sys.stdin)]))
