"""The decision of an A/B test, from its readout: ship, stop, continue or invalid.

1. Were the arms given the users they were promised? If not: *invalid*, nothing below is read.
2. Is harm shown, Love down or a guardrail broken? Then *stop*.
3. Is a lift worth having shown, with nobody left out too and after the worst that missed attackers can do, and is every
   guardrail shown to hold? Then *ship*.
4. Can no case for shipping be made any more: the least lift out of reach, a guardrail hopeless, the plan spent, the
   test ended? Then *stop*.
5. Otherwise *continue*. Inconclusive is never ship.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from experiments.evidence import LiftEvidence
from experiments.guardrails import GuardrailState
from experiments.plan import Plan, Word
from experiments.srm import Srm


class Decision(NamedTuple):
    """One word, and the reasons in sentences, the deciding one first."""

    word: Word
    reasons: tuple[str, ...]


def decide(
    balance: Srm,
    evidence: LiftEvidence,
    plan: Plan,
    *,
    beside: Mapping[str, LiftEvidence],
    held: Sequence[GuardrailState],
    watched: Sequence[GuardrailState],
    ended: bool = False,
) -> Decision:
    """Apply the five rules above in their order.

    Args:
        balance: The sample-ratio check.
        evidence: Of the test that decides, on the users who count.
        plan: What was settled beforehand.
        beside: The same test on other sets of users, by what they are called; each must agree before anything ships.
        held: Guardrails that must be shown to hold.
        watched: Guardrails that stop the test when they are shown to be broken.
        ended: Nobody is served any more: what is not shown now will not be.
    """
    if not balance.passed:
        return Decision("invalid", (balance.words,))
    if evidence.information is None:
        why = "an arm has no exposure yet" if not ended else "the test has ended, and an arm had no exposure"
        return Decision("stop" if ended else "continue", (why,))
    return (
        _harm(evidence, (*held, *watched))
        or _proof(evidence, plan, beside, held)
        or _patience(evidence, plan, beside, held, ended=ended)
    )


def _harm(evidence: LiftEvidence, guarded: Sequence[GuardrailState]) -> Decision | None:
    broken = [each.words for each in guarded if each.state == "broken"]
    if evidence.shown == "fewer":
        return Decision("stop", (f"the treatment is loved less: {evidence.words}", *broken))
    return Decision("stop", (*broken, evidence.words)) if broken else None


def _proof(
    evidence: LiftEvidence, plan: Plan, beside: Mapping[str, LiftEvidence], held: Sequence[GuardrailState]
) -> Decision | None:
    if not _worth(evidence, plan) or [*_disagreeing(plan, beside)] or any(each.state != "held" for each in held):
        return None
    agree = f"; it holds {', '.join(beside)} as well" if beside else ""
    return Decision("ship", (f"the lift is shown: {evidence.words}{agree}", *(each.words for each in held)))


def _patience(
    evidence: LiftEvidence,
    plan: Plan,
    beside: Mapping[str, LiftEvidence],
    held: Sequence[GuardrailState],
    *,
    ended: bool,
) -> Decision:
    """What stands between the test and a case for shipping; whether waiting can change it."""
    assert evidence.information is not None
    shown = "shown" if evidence.shown == "more" else "not shown"
    least = f" to be above {plan.least_lift:+.1%}" if plan.least_lift and evidence.shown == "more" else ""
    worth = "" if _worth(evidence, plan) or not least else f", but not{least}"
    standing = (
        f"the lift is {shown}{worth}: {evidence.words}",
        *(_disagreeing(plan, beside) if evidence.shown == "more" else ()),
        *(each.words for each in held if each.state != "held"),
    )
    # loves per user are there to see through the exposures: where the lift itself is open, they say nothing more
    chosen = {each.title or each.name for each in plan.guardrails}
    hopeless = [each.words for each in held if each.state == "hopeless" and each.name in chosen]
    if evidence.ci.high <= plan.least_lift:
        return Decision("stop", (f"the least lift worth shipping, {plan.least_lift:+.1%}, is out of reach", *standing))
    if hopeless:
        return Decision("stop", (*hopeless, *(each for each in standing if each not in hopeless)))
    if ended:
        why = f"the test has ended without a case for shipping, {_spent(evidence, plan)}"
        return Decision("stop", (why, *standing))
    if evidence.information >= 1:
        why = f"the plan is spent without a case for shipping, {_spent(evidence, plan)}"
        return Decision("stop", (why, *standing))
    return Decision("continue", (_spent(evidence, plan), *standing))


def _worth(evidence: LiftEvidence, plan: Plan) -> bool:
    """Whether a lift is shown, and shown to be above the least: the point estimate alone would pass by luck."""
    return evidence.shown == "more" and (plan.least_lift <= 0 or evidence.ci.low > plan.least_lift)


def _disagreeing(plan: Plan, beside: Mapping[str, LiftEvidence]) -> Iterator[str]:
    for name, each in beside.items():
        if not _worth(each, plan):
            yield f"{name} it does not hold: {each.words}"


def _spent(evidence: LiftEvidence, plan: Plan) -> str:
    return f"{evidence.information:.0%} of the evidence that a plan for {plan.lift:+.0%} needs is in"
