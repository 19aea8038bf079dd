"""Every other metric of an A/B test, shown beside the one that decides; that there are many is paid for."""

from collections.abc import Sequence
from typing import NamedTuple

from experiments import effect, several
from experiments.cohort import Cohort
from experiments.effect import Effect
from experiments.metrics import STANDARD, Metric, values
from experiments.plan import Plan


class Secondary(NamedTuple):
    """One metric: its value per arm, its effect at any look, and whether it stands among all that were looked at."""

    metric: Metric
    rates: dict[str, float]
    effect: Effect
    discovered: bool


def secondary(users: Cohort, plan: Plan, own: Sequence[Metric] = ()) -> tuple[Secondary, ...]:
    """Read the standard metrics that the table has columns for, and the user's own.

    A metric counts as discovered by e-BH at the plan's alpha, whose false discoveries stay below it however the
    metrics hang together; each metric's e-value comes from its p-value at any look.

    Args:
        users: Both arms.
        plan: What was settled beforehand; its information is that which the intervals are narrowest about.
        own: Metrics beside the standard ones.

    Raises:
        ValueError: A column of `own` is missing.
    """
    standard = [each for each in STANDARD.values() if {each.column, each.per or each.column} <= {*users.columns}]
    metrics = {each.name: each for each in (*standard, *own)}
    effects, rates = {}, {}
    for name, each in metrics.items():
        control, treatment = map(effect.sums, *map(users.by_arm, values(each, users.columns)))
        effects[name] = effect.relative(control, treatment, planned_information=plan.information, alpha=plan.alpha)
        rates[name] = {plan.control: control.rate, plan.treatment: treatment.rate}
    found = several.e_bh({name: several.e_from_p(each.p) for name, each in effects.items()}, plan.alpha)
    return tuple(Secondary(metrics[name], rates[name], effects[name], found[name]) for name in metrics)
