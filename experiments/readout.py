"""What an A/B test says, in numbers, in words, and as a decision (whose rules stand in `decision`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from experiments import guardrails, srm
from experiments.cohort import Cohort, cohort
from experiments.decision import decide
from experiments.effect import ArmSums, Effect, expected_information, sums
from experiments.evidence import LiftEvidence, ratio_effect, weigh
from experiments.guardrails import GuardrailState
from experiments.metrics import Metric, values
from experiments.plan import Plan, Word
from experiments.secondary import Secondary, secondary
from experiments.srm import Srm
from experiments.users import checked, told
from stats.intervals import Interval, wilson

RAW, WORST = "with nobody left out", "after the worst that missed attackers can do"


@dataclass(frozen=True, slots=True)
class ArmRead:
    """One arm.

    Attributes:
        name: As it was assigned.
        users: Who were exposed.
        exposures: Responses.
        loves: Of them.
        rate: Loves per exposure.
        rate_ci: Score interval, exposures taken as independent.
        lovers: Users with a love.
    """

    name: str
    users: int
    exposures: int
    loves: int
    rate: float
    rate_ci: Interval
    lovers: int


@dataclass(frozen=True, slots=True)
class Readout:
    """The whole readout.

    Attributes:
        decision: ship, stop, continue or invalid.
        reasons: Why, in sentences, the deciding one first.
        arms: The control, then the treatment.
        evidence: The test that decides.
        beside: The same test with nobody left out (`RAW`) and after the worst that missed attackers can do (`WORST`),
            where they were asked for.
        effect: On loves per exposure, each user's capped as planned.
        srm: Of the users in the arms.
        guardrails: Those that must be shown to hold.
        watched: Those that stop the test when shown to be broken.
        secondary: Every other metric that the table has columns for.
        raw: The effect with nobody left out, where given.
        missed: How many attackers the filter is taken to have missed, where that was asked for.
        in_several_arms: Users who were seen in both arms; they are in none of the figures.
        told: What was left out, in sentences; one warns where such users are many.
    """

    decision: Word
    reasons: tuple[str, ...]
    arms: tuple[ArmRead, ...]
    evidence: LiftEvidence
    beside: Mapping[str, LiftEvidence]
    effect: Effect
    srm: Srm
    guardrails: tuple[GuardrailState, ...]
    watched: tuple[GuardrailState, ...]
    secondary: tuple[Secondary, ...]
    raw: Effect | None
    missed: int | None
    in_several_arms: int
    told: tuple[str, ...] = field(default=())

    @property
    def lift(self) -> float | None:
        """The relative lift of loves per exposure."""
        return self.effect.lift

    @property
    def lift_ci(self) -> Interval:
        """Its interval for one look, clustered by user; nothing is decided by it."""
        return self.effect.ci

    @property
    def exposures(self) -> int:
        """Of both arms."""
        return sum(arm.exposures for arm in self.arms)


def read(
    users: pa.Table,
    plan: Plan,
    *,
    raw: pa.Table | None = None,
    missed: int | None = None,
    arrivals: NDArray[np.int64] | None = None,
    metrics: Sequence[Metric] = (),
    ended: bool = False,
    unique: bool = False,
    broken: Mapping[str, datetime] | None = None,
) -> Readout:
    """Read an A/B test of two arms.

    >>> plan = Plan({"control": 0.5, "treatment": 0.5}, decides="ratio", guardrails=(), watched=())
    >>> arms = ["control", "treatment"] * 500
    >>> users = pa.table({"user_id": range(1000), "arm": arms, "exposures": [10] * 1000, "loves": [1] * 1000})
    >>> found = read(users, plan)
    >>> found.decision, found.reasons[0]
    ('continue', '89% of the evidence that a plan for +20% needs is in')

    Args:
        users: One row for each user and arm: user_id, arm, exposures, loves, a column for each guardrail, and
            `first_love` (a timestamp, null for never) where the plan decides by lovers. Quarantined users are left out.
            Whoever stands in both arms is left out of the readout and counted.
        plan: What was settled beforehand.
        raw: The same table with nobody left out; `users` itself, where the filter holds nobody back. The sample-ratio
            check then reads both: a filter that removes more of one arm also voids the comparison; and a lift must be
            shown in both.
        missed: Attackers whom the filter may have missed; a lift must survive the worst that so many can do.
        arrivals: Cumulative users by arm in the order of time, [looks, 2], for a check that sees a late leak sooner.
        metrics: Of the user's own, beside the standard ones.
        ended: Nobody is served any more.
        unique: The tables hold each user once, as those of the warehouse do; nothing is searched for then.
        broken: When an earlier reading found a guardrail broken, by `GuardrailState.name`: it stays so.

    Raises:
        ValueError: Not two arms, a plan that cannot be, a missing column, or a row that cannot be: no user, another
            arm, a count that is no whole number, more loves than exposures, a user twice in one arm. Names the column,
            what was seen, and the rule.
    """
    plan, names = plan.checked(), (plan.control, plan.treatment)
    tables = [users] if raw is None or raw is users else [users, raw]
    wanted = [each.column for each in (*plan.must_hold, *metrics) if each.column not in ("exposures", "loves")]
    seen = checked(tables, names, [wanted, []][: len(tables)], unique=unique)
    counted = cohort(seen.tables[0], names)
    everybody = cohort(seen.tables[1], names) if len(tables) > 1 else None if raw is None else counted
    balance = _balance([counted, *([everybody] if len(tables) > 1 and everybody else [])], plan, arrivals)
    main = weigh(counted, plan)
    others = {} if everybody is None else {RAW: main if everybody is counted else weigh(everybody, plan)}
    if missed is not None:
        others[WORST] = weigh(counted, plan, missed)
    loose = [each for each in plan.watched if each not in plan.must_hold]
    held, watched = (
        _guarded(counted, each, plan, main, broken or {}, required=must)
        for each, must in ((plan.must_hold, True), (loose, False))
    )
    word, reasons = decide(balance, main, plan, beside=others, held=held, watched=watched, ended=ended)
    effect = ratio_effect(counted, plan)
    arms = tuple(_arm(name, counted, place, plan) for place, name in enumerate(names))
    words = (told(seen.in_several_arms, seen.share),) if seen.in_several_arms else ()
    return Readout(
        decision=word,
        reasons=reasons,
        arms=arms,
        evidence=main,
        beside=others,
        effect=effect,
        srm=balance,
        guardrails=held,
        watched=watched,
        secondary=secondary(counted, plan, metrics),
        raw=effect if everybody is counted else None if everybody is None else ratio_effect(everybody, plan),
        missed=missed,
        in_several_arms=seen.in_several_arms,
        told=words,
    )


def _balance(cohorts: Sequence[Cohort], plan: Plan, arrivals: NDArray[np.int64] | None) -> Srm:
    """The worst of the checks: of those who count, and of everybody."""
    checks = [
        srm.check(
            {plan.control: each.controls, plan.treatment: len(each.arm) - each.controls},
            {name: plan.shares[name] for name in (plan.control, plan.treatment)},
            history=arrivals if each is cohorts[-1] else None,
        )
        for each in cohorts
    ]
    return min(checks, key=lambda each: each.sequential_p)


def _guarded(
    users: Cohort,
    metrics: Sequence[Metric],
    plan: Plan,
    main: LiftEvidence,
    broken: Mapping[str, datetime],
    *,
    required: bool,
) -> tuple[GuardrailState, ...]:
    """How each guardrail stands; of the watched, those that the table has columns for."""
    there = [each for each in metrics if each.column in users.columns and (each.per or each.column) in users.columns]
    share = max(main.information or 0.0, 0.01)
    return tuple(_guard(users, each, plan, share, among=len(there), broken=broken, required=required) for each in there)


def _guard(
    users: Cohort,
    metric: Metric,
    plan: Plan,
    share: float,
    *,
    among: int,
    broken: Mapping[str, datetime],
    required: bool,
) -> GuardrailState:
    """The guardrail's own evidence at the end of the plan is what it has now over the share of the plan that is in."""
    control, treatment = _sums(users, metric)
    most = max(control.exposures, treatment.exposures, 1) / share
    name = metric.title or metric.name
    assert metric.margin is not None
    return guardrails.guard(
        control,
        treatment,
        margin=metric.margin,
        better=metric.better,
        planned_information=expected_information(control, treatment, most),
        alpha=plan.alpha,
        among=among,
        name=name,
        required=required,
        broken_at=broken.get(name),
    )


def _sums(users: Cohort, metric: Metric) -> tuple[ArmSums, ArmSums]:
    control, treatment = map(sums, *map(users.by_arm, values(metric, users.columns)))
    return control, treatment


def _arm(name: str, users: Cohort, place: int, plan: Plan) -> ArmRead:
    loves, exposures = (users.by_arm(users.columns[column])[place] for column in ("loves", "exposures"))
    number, of = int(loves.sum()), int(exposures.sum())
    interval = wilson(min(number, of), of, plan.confidence)
    return ArmRead(name, len(loves), of, number, number / of if of else 0.0, interval, int((loves > 0).sum()))
