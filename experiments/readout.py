"""What an A/B test says, in numbers, in words, and as a decision (whose rules stand in `decision`)."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from experiments import ratio, srm
from experiments.decision import Guarded, Word, decide
from experiments.effect import ArmSums, Effect, expected_information, relative, sums
from experiments.plan import Guardrail, Plan
from experiments.srm import Srm
from experiments.users import checked, told
from stats import limits
from stats.intervals import Interval, wilson


class ArmRead(NamedTuple):
    """One arm: its users, exposures, loves and Love rate with a score interval (exposures taken as independent)."""

    name: str
    users: int
    exposures: int
    loves: int
    rate: float
    rate_ci: Interval


class Readout(NamedTuple):
    """The whole readout.

    Attributes:
        decision: ship, stop, continue or invalid.
        reasons: Why, in sentences, the deciding one first.
        arms: The control, then the treatment.
        effect: On the Love rate, by filtered users.
        srm: Of the users in the arms.
        guardrails: How each stands.
        raw: The effect with nobody left out, where given.
        information: Exposures so far, in the smaller arm, over exposures planned.
        in_several_arms: Users who were seen in both arms; they are in none of the figures.
        told: What was left out, in sentences; one warns where such users are many.
    """

    decision: Word
    reasons: tuple[str, ...]
    arms: tuple[ArmRead, ...]
    effect: Effect
    srm: Srm
    guardrails: tuple[Guarded, ...]
    raw: Effect | None
    information: float
    in_several_arms: int
    told: tuple[str, ...]

    @property
    def lift(self) -> float | None:
        """The relative lift of the Love rate."""
        return self.effect.lift

    @property
    def lift_ci(self) -> Interval:
        """Its interval for one look, clustered by user; the decision rests on `effect.anytime_ci`."""
        return self.effect.ci

    @property
    def exposures(self) -> int:
        """Of both arms."""
        return sum(arm.exposures for arm in self.arms)


def read(users: pa.Table, plan: Plan, *, guardrails: Sequence[Guardrail] = (), raw: pa.Table | None = None) -> Readout:
    """Read an A/B test of two arms.

    >>> plan = Plan(exposures=10_000, shares={"control": 0.5, "treatment": 0.5})
    >>> arms = ["control", "treatment"] * 500
    >>> users = pa.table({"user_id": range(1000), "arm": arms, "exposures": [10] * 1000, "loves": [1] * 1000})
    >>> found = read(users, plan)
    >>> found.decision, found.reasons[0]
    ('continue', '50% of the planned 10,000 exposures per arm are in')

    Args:
        users: One row for each user and arm: user_id, arm, exposures, loves, and a count for each guardrail.
            Quarantined users are left out. Whoever stands in both arms is left out of the readout and counted.
        plan: What was settled beforehand.
        guardrails: Each one must be shown to hold before anything ships.
        raw: The same table with nobody left out. The sample-ratio check then reads both: a filter that removes more of
            one arm also voids the comparison.

    Raises:
        ValueError: Not two arms, a plan that cannot be, a missing column, or a row that cannot be: no user, another
            arm, a count that is no whole number, more loves than exposures, a user twice in one arm. Names the column,
            what was seen, and the rule.
    """
    plan, names = plan.checked(), (plan.control, plan.treatment)
    for each in guardrails:
        limits.positive(f"guardrail on {each.name}: most", each.most, "1.25 lets it become a quarter more frequent")
    tables = [users] if raw is None else [users, raw]
    seen = checked(tables, names, [[each.column for each in guardrails], []][: len(tables)])
    users, raw = seen.tables[0], seen.tables[1] if raw is not None else None
    balance = min((srm.check(_count(table), plan.shares) for table in seen.tables), key=lambda each: each.sequential_p)
    loves = [_sums(users, name, "loves") for name in names]
    information = min(arm.exposures for arm in loves) / plan.exposures
    effect, guarded = _effect(users, plan), tuple(_guard(users, each, plan, information) for each in guardrails)
    word, reasons = decide(balance, effect, guarded, plan, information)
    arms = tuple(_arm(name, arm, plan) for name, arm in zip(names, loves, strict=True))
    words = (told(seen.in_several_arms, seen.share),) if seen.in_several_arms else ()
    return Readout(
        word, reasons, arms, effect, balance, guarded, None if raw is None else _effect(raw, plan), information,
        seen.in_several_arms, words,
    )  # fmt: skip


def _effect(users: pa.Table, plan: Plan) -> Effect:
    control, treatment = (_sums(users, arm, "loves") for arm in (plan.control, plan.treatment))
    planned = expected_information(control, treatment, plan.exposures)
    return relative(control, treatment, planned_information=planned, alpha=1 - plan.confidence)


def _guard(users: pa.Table, guardrail: Guardrail, plan: Plan, information: float) -> Guarded:
    control, treatment = (_sums(users, arm, guardrail.column) for arm in (plan.control, plan.treatment))
    rates = {plan.control: control.rate, plan.treatment: treatment.rate}
    if information <= 0:
        unknown = ratio.of_counts(0, 0, 0, 0)
        words = f"guardrail on {guardrail.name} is not shown to hold: an arm has no exposure yet"
        return Guarded(guardrail.name, "open", guardrail.most, rates, unknown, words)
    planned = expected_information(control, treatment, plan.exposures)
    seen = ratio.at_any_look(control, treatment, planned_information=planned, alpha=1 - plan.confidence)
    state = _state(seen.ci, guardrail.most)
    verdict = {"held": "holds", "broken": "is broken", "open": "is not shown to hold"}[state]
    span = ratio.shown(seen.ci, seen.counts, guardrail.most)
    rule = f"{span}, may be at most {guardrail.most:g} times"
    words = f"guardrail on {guardrail.name} {verdict}: {treatment.rate:.2%} against {control.rate:.2%}, {rule}"
    return Guarded(guardrail.name, state, guardrail.most, rates, seen, words)


def _state(interval: Interval, most: float) -> Literal["held", "broken", "open"]:
    if interval.below(most):
        return "held"
    return "broken" if interval.above(most) else "open"


def _arm(name: str, arm: ArmSums, plan: Plan) -> ArmRead:
    events, exposures = int(arm.events), int(arm.exposures)
    interval = wilson(min(events, exposures), exposures, plan.confidence)
    return ArmRead(name, arm.users, exposures, events, arm.rate, interval)


def _sums(users: pa.Table, arm: str, column: str) -> ArmSums:
    rows = users.filter(pc.equal(users["arm"], arm))
    return sums(rows[column].to_numpy(), rows["exposures"].to_numpy())


def _count(users: pa.Table) -> dict[str, int]:
    return {row["values"]: row["counts"] for row in users["arm"].combine_chunks().value_counts().to_pylist()}
