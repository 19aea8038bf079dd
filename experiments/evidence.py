"""The test that decides: first lovers, the clustered ratio, or the ratio adjusted by history; read at any look."""

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from experiments import adjust, attacked, boundaries, covariates
from experiments.cohort import Cohort
from experiments.effect import MIN_LOVERS, ArmSums, Effect, relative, sums
from experiments.lovers import first_lovers
from experiments.plan import Plan
from stats.estimate import Floats
from stats.intervals import Interval

Shown = Literal["more", "fewer"]
TITLES: Final = {
    "lovers": "users who love",
    "ratio": "loves per exposure",
    "adjusted": "loves per exposure, adjusted by history",
}


@dataclass(frozen=True, slots=True)
class LiftEvidence:
    """What the deciding test says at this look.

    Attributes:
        decides: Which test.
        shown: `more` or `fewer` where a difference is shown at any look, else None. Of lovers it stays shown, unless
            later looks have nothing in common with it: then it is what the last one says.
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


def weigh(users: Cohort, plan: Plan, missed: int = 0) -> LiftEvidence:
    """Read the plan's deciding test.

    Args:
        users: Both arms, with loves and exposures; `first_love` for the walk of lovers, past_loves and past_exposures
            for the adjusted ratio.
        plan: What was settled beforehand.
        missed: Attackers among the treatment's users: those who speak most for it are taken for them.

    Raises:
        ValueError: The table lacks what the plan's test reads.
    """
    exposures = users.columns["exposures"]
    if not all((part > 0).any() for part in users.by_arm(exposures)):
        words = "nothing is known yet"
        return LiftEvidence(plan.decides, None, None, Interval(-1.0, math.inf), 1.0, None, None, None, words)
    if plan.decides == "lovers":
        return _lovers(users, plan, missed)
    kept = users if not missed else users.only(_honest(users, plan, missed))
    return _adjusted(kept, plan) if plan.decides == "adjusted" else _ratio(kept, plan)


def _honest(users: Cohort, plan: Plan, missed: int) -> NDArray[np.bool_]:
    """Who is left when the users who speak most for the treatment are taken for attackers."""
    counts = attacked.UserCounts(_capped(users, plan), users.columns["exposures"], users.arm)
    return attacked.honest(counts, missed)


def _lovers(users: Cohort, plan: Plan, missed: int) -> LiftEvidence:
    order = users.lovers()
    if order is None:
        raise ValueError(
            "the plan decides by first lovers, and the table has no column first_love: add the moment of each user's "
            "first love, or plan with decides='ratio'"
        )
    share = plan.shares[plan.treatment]
    walk = attacked.worst_walk(order, missed)
    found = first_lovers(walk, treatment_share=share, planned=plan.lovers, alpha=plan.alpha)
    log_ratio = error = None
    if found.control and found.treatment:
        log_ratio = math.log(found.treatment / found.control * (1 - share) / share)
        error = math.sqrt(1 / found.control + 1 / found.treatment)
    lift = found.lift if found.lift is not None and math.isfinite(found.lift) else None
    counts = f"{found.treatment:,} against {found.control:,}"
    # what was shown once and has turned into its contrary since is no reason to ship: the interval then is of today
    shown = found.crossed and _side(found.ci)
    evidence = LiftEvidence("lovers", shown, lift, found.ci, found.p, found.information, log_ratio, error, counts)
    return _worded(evidence)


def _ratio(users: Cohort, plan: Plan) -> LiftEvidence:
    found = ratio_effect(users, plan)
    log_ratio = error = None
    if found.lift is not None and found.lift > -1 and math.isfinite(found.standard_error):
        log_ratio, error = math.log1p(found.lift), found.standard_error
    counts = " against ".join(f"{count:,}" for count in reversed(found.lovers))
    evidence = LiftEvidence(
        "ratio", _side(found.anytime_ci), found.lift, found.anytime_ci, found.p, found.information, log_ratio, error,
        f"{counts} users who love",
    )  # fmt: skip
    return _worded(evidence)


def _side(ci: Interval) -> Shown | None:
    if ci.above(0.0):
        return "more"
    return "fewer" if ci.below(0.0) else None


def ratio_effect(users: Cohort, plan: Plan) -> Effect:
    """Loves per exposure, each user's loves capped as planned."""
    control, treatment = ratio_sums(users, plan)
    return relative(control, treatment, planned_information=plan.information, alpha=plan.alpha)


def ratio_sums(users: Cohort, plan: Plan) -> tuple[ArmSums, ArmSums]:
    """The control's and the treatment's sums of capped loves and exposures."""
    control, treatment = map(sums, *map(users.by_arm, (_capped(users, plan), users.columns["exposures"])))
    return control, treatment


def _capped(users: Cohort, plan: Plan) -> Floats:
    loves = users.columns["loves"]
    return loves if plan.cap is None else np.minimum(loves, plan.cap)


def _adjusted(users: Cohort, plan: Plan) -> LiftEvidence:
    missing = [name for name in ("past_loves", "past_exposures") if name not in users.columns]
    if missing:
        raise ValueError(
            f"the plan decides by the ratio adjusted by history, and the table has no {' and no '.join(missing)}: read "
            "it with history, or plan with decides='ratio'"
        )
    loves = _capped(users, plan)
    least = [int((part > 0).sum()) for part in users.by_arm(loves)]
    if min(least) < MIN_LOVERS:
        # too few for the normal law that the adjustment needs: the plain ratio has exact bounds there
        return _ratio(users, plan)
    history = covariates.history_covariates(users.columns["past_loves"], users.columns["past_exposures"])
    found = adjust.adjusted(loves, users.columns["exposures"], users.arm, history)
    if not math.isfinite(found.standard_error):
        # users who are all alike leave no variance to adjust; the plain ratio has a least
        return _ratio(users, plan)
    z, information = found.log_ratio / found.standard_error, 1 / found.standard_error**2 / plan.information
    half = boundaries.spent_width(information, plan.alpha) * found.standard_error
    ci = Interval(math.expm1(found.log_ratio - half), math.expm1(min(found.log_ratio + half, 700.0)))
    counts = f"{least[1]:,} against {least[0]:,} users who love, {found.variance_left:.0%} of the variance left"
    evidence = LiftEvidence(
        "adjusted", _side(ci), found.lift, ci, boundaries.spent_p(z, information), information, found.log_ratio,
        found.standard_error, counts,
    )  # fmt: skip
    return _worded(evidence)


def _worded(found: LiftEvidence) -> LiftEvidence:
    words = f"{TITLES[found.decides]} {span(found.lift, found.ci)} ({found.words}; p = {found.p:.2g} at any look)"
    return replace(found, words=words)


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
