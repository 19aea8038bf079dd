"""What an A/B test says, in numbers, in words, and as a decision (whose rules stand in `decision`)."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from experiments import ratio, srm
from experiments.decision import Guarded, Word, decide
from experiments.effect import Effect, Sums, relative, sums
from experiments.intervals import Interval, wilson
from experiments.plan import Guardrail, Plan
from experiments.srm import Srm


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
    """

    decision: Word
    reasons: tuple[str, ...]
    arms: tuple[ArmRead, ...]
    effect: Effect
    srm: Srm
    guardrails: tuple[Guarded, ...]
    raw: Effect | None
    information: float

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
    >>> users = pa.table({"user_id": range(1000), "arm": arms, "exposures": [10] * 1000, "loves": [0, 1] * 500})
    >>> found = read(users, plan)
    >>> found.decision, found.reasons[0]
    ('continue', '50% of the planned 10,000 exposures per arm are in')

    Args:
        users: One row per user: user_id, arm, exposures, loves, and a count for each guardrail. Quarantined users are
            left out.
        plan: What was settled beforehand.
        guardrails: Each one must be shown to hold before anything ships.
        raw: The same table with nobody left out. The sample-ratio check then reads both: a filter that removes more of
            one arm also voids the comparison.

    Raises:
        ValueError: Not two arms, a missing column, or a user in more than one row.
    """
    names = (plan.control, plan.treatment)
    tables = [users] if raw is None else [users, raw]
    for table in tables:
        _check(table, ["user_id", "arm", "exposures", "loves"])
    _check(users, [each.column for each in guardrails])
    balance = min((srm.check(_count(table), plan.shares) for table in tables), key=lambda seen: seen.sequential_p)
    loves = [_sums(users, name, "loves") for name in names]
    information = min(arm.exposures for arm in loves) / plan.exposures
    effect, guarded = _effect(users, plan), tuple(_guard(users, each, plan, information) for each in guardrails)
    word, reasons = decide(balance, effect, guarded, plan, information)
    arms = tuple(_arm(name, arm, plan) for name, arm in zip(names, loves, strict=True))
    return Readout(word, reasons, arms, effect, balance, guarded, _effect(raw, plan) if raw else None, information)


def _effect(users: pa.Table, plan: Plan) -> Effect:
    control, treatment = (_sums(users, arm, "loves") for arm in (plan.control, plan.treatment))
    information = max(1, min(control.exposures, treatment.exposures)) / plan.exposures
    return relative(control, treatment, information=information, confidence=plan.confidence)


def _guard(users: pa.Table, guardrail: Guardrail, plan: Plan, information: float) -> Guarded:
    control, treatment = (_sums(users, arm, guardrail.column) for arm in (plan.control, plan.treatment))
    rates = {plan.control: control.rate, plan.treatment: treatment.rate}
    if information <= 0:
        unknown = ratio.of_counts(0, 0, 0, 0)
        words = f"guardrail on {guardrail.name} is not shown to hold: an arm has no exposure yet"
        return Guarded(guardrail.name, "open", guardrail.most, rates, unknown, words)
    seen = ratio.at_any_look(control, treatment, information=information, confidence=plan.confidence)
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


def _arm(name: str, arm: Sums, plan: Plan) -> ArmRead:
    interval = wilson(min(arm.events, arm.exposures), arm.exposures, plan.confidence)
    return ArmRead(name, arm.users, arm.exposures, arm.events, arm.rate, interval)


def _sums(users: pa.Table, arm: str, column: str) -> Sums:
    rows = np.asarray(users["arm"].to_pylist(), dtype=object) == arm
    return sums(users[column].to_numpy()[rows], users["exposures"].to_numpy()[rows])


def _count(users: pa.Table) -> dict[str, int]:
    return {row["values"]: row["counts"] for row in users["arm"].combine_chunks().value_counts().to_pylist()}


def _check(users: pa.Table, needed: Sequence[str]) -> None:
    missing = [column for column in needed if column not in users.column_names]
    if missing:
        raise ValueError(f"columns {missing} are missing, the table has {users.column_names}")
    ids = users["user_id"]
    extra = len(ids) - len(ids.unique())
    if extra:
        raise ValueError(f"{extra:,} users stand in more than one row, must be one row and one arm for each user")
