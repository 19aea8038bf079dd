"""The test that decides: first lovers, the clustered ratio, or the ratio adjusted by history; read at any look."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from experiments import adjust, boundaries, effect, lovers
from experiments.cohort import Cohort
from experiments.metrics import STANDARD, values
from experiments.plan import Plan
from stats.intervals import Interval

Shown = Literal["more", "fewer"]
TITLES = {
    "lovers": "users who love",
    "ratio": "loves per exposure",
    "adjusted": "loves per exposure, adjusted by history",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the deciding test says at this look.

    Attributes:
        decides: Which test.
        shown: `more` or `fewer` where a difference is shown at any look, else None.
        lift: Relative; None while it is not known.
        ci: Its interval at any look.
        p: Of no difference, valid at any look.
        information: The share of the planned evidence that is in; None before the first exposure of an arm.
        log_ratio: The estimate on the log scale, with `error` its standard error; None where an arm has no event.
        error: One look's; None with `log_ratio`.
        words: All of it as a clause.
    """

    decides: str
    shown: Shown | None
    lift: float | None
    ci: Interval
    p: float
    information: float | None
    log_ratio: float | None
    error: float | None
    words: str


def weigh(users: Cohort, plan: Plan) -> Evidence:
    """Read the plan's deciding test.

    Args:
        users: Both arms, with loves and exposures; `first_love` for the walk of lovers, past_loves and past_exposures
            for the adjusted ratio.
        plan: What was settled beforehand.

    Raises:
        ValueError: The table lacks what the plan's test reads.
    """
    exposures = users.columns["exposures"]
    if not all((exposures[users.arm == arm] > 0).any() for arm in (0, 1)):
        return Evidence(plan.decides, None, None, Interval(-1.0, math.inf), 1.0, None, None, None, "nothing is known yet")
    return {"lovers": _lovers, "ratio": _ratio, "adjusted": _adjusted}[plan.decides](users, plan)


def _lovers(users: Cohort, plan: Plan) -> Evidence:
    order = users.lovers()
    if order is None:
        raise ValueError(
            "the plan decides by first lovers, and the table has no column first_love: add the moment of each user's "
            "first love, or plan with decides='ratio'"
        )
    share = plan.shares[plan.treatment]
    found = lovers.first_lovers(order, treatment_share=share, planned=plan.lovers, alpha=plan.alpha)
    log_ratio, error = _of_lovers(found.control, found.treatment, share)
    return _evidence(plan, found.crossed, found.lift, found.ci, found.p, found.information, log_ratio, error, found.counts)


def _of_lovers(control: int, treatment: int, share: float) -> tuple[float | None, float | None]:
    """The log of the lovers' odds over the shares' odds, and its error by the delta method."""
    if not control or not treatment:
        return None, None
    return math.log(treatment / control * (1 - share) / share), math.sqrt(1 / control + 1 / treatment)


def _ratio(users: Cohort, plan: Plan) -> Evidence:
    found = ratio_effect(users, plan)
    counts = " against ".join(f"{count:,}" for count in reversed(found.lovers))
    shown: Shown | None = None
    if found.anytime_ci.above(0.0) and found.p < plan.alpha:
        shown = "more"
    elif found.anytime_ci.below(0.0):
        shown = "fewer"
    return _evidence(
        plan, shown, found.lift, found.anytime_ci, found.p, found.information, found.log_ratio, found.error,
        f"{counts} users who love",
    )  # fmt: skip


def ratio_effect(users: Cohort, plan: Plan) -> effect.Effect:
    """Loves per exposure, each user's loves capped as planned."""
    control, treatment = ratio_sums(users, plan)
    return effect.relative(control, treatment, planned_information=plan.information, alpha=plan.alpha)


def ratio_sums(users: Cohort, plan: Plan) -> tuple[effect.ArmSums, effect.ArmSums]:
    """The control's and the treatment's sums of capped loves and exposures."""
    loves = users.columns["loves"] if plan.cap is None else np.minimum(users.columns["loves"], plan.cap)
    control, treatment = (
        effect.sums(loves[users.arm == arm], users.columns["exposures"][users.arm == arm]) for arm in (0, 1)
    )
    return control, treatment


def _adjusted(users: Cohort, plan: Plan) -> Evidence:
    missing = [name for name in ("past_loves", "past_exposures") if name not in users.columns]
    if missing:
        raise ValueError(
            f"the plan decides by the ratio adjusted by history, and the table has no {' and no '.join(missing)}: read "
            "it with history, or plan with decides='ratio'"
        )
    x, y = values(STANDARD["loves_per_exposure"], users.columns)
    loves = x if plan.cap is None else np.minimum(x, plan.cap)
    history = adjust.history_covariates(users.columns["past_loves"], users.columns["past_exposures"])
    found = adjust.adjusted(loves, y, users.arm, history)
    least = [int((loves[users.arm == arm] > 0).sum()) for arm in (0, 1)]
    counts = f"{least[1]:,} against {least[0]:,} users who love, variance left {found.variance_left:.0%}"
    if not math.isfinite(found.log_ratio) or not found.standard_error > 0 or min(least) < effect.MIN_LOVERS:
        # too few for the normal law that the adjustment needs: the plain ratio has exact bounds there
        return _ratio(users, plan)
    z, information = found.log_ratio / found.standard_error, 1 / found.standard_error**2 / plan.information
    half = boundaries.spent_width(information, plan.alpha) * found.standard_error
    ci = Interval(math.expm1(found.log_ratio - half), math.expm1(min(found.log_ratio + half, 700.0)))
    shown: Shown | None = "more" if ci.above(0.0) else "fewer" if ci.below(0.0) else None
    return _evidence(
        plan, shown, math.expm1(found.log_ratio), ci, boundaries.spent_p(z, information), information, found.log_ratio,
        found.standard_error, counts,
    )  # fmt: skip


def _evidence(
    plan: Plan, shown: Shown | None, lift: float | None, ci: Interval, p: float, information: float,
    log_ratio: float | None, error: float | None, counts: str,
) -> Evidence:  # fmt: skip
    words = f"{TITLES[plan.decides]} {span(lift, ci)} ({counts}; p = {p:.2g} at any look)"
    return Evidence(plan.decides, shown, lift, ci, p, information, log_ratio, error, words)


def span(lift: float | None, ci: Interval) -> str:
    """A lift with its interval, as far as each is known.

    >>> span(0.5, Interval(0.1, 1.0)), span(None, Interval(2.5, math.inf)), span(None, Interval(-1.0, math.inf))
    ('+50.0%, +10.0% to +100.0%', 'up from none, at least +250.0%', 'not known, no limits yet')
    """
    low, high = ci
    known = "up from none" if low > -1 else "not known"
    said = known if lift is None or not math.isfinite(lift) else f"{lift:+.1%}"
    if math.isfinite(high):
        return f"{said}, {low:+.1%} to {high:+.1%}"
    return f"{said}, at least {low:+.1%}" if low > -1 else f"{said}, no limits yet"
