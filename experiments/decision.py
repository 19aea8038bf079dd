"""The decision of an A/B test, from its readout: ship, stop, continue or invalid.

1. Were the arms given the users they were promised? If not: *invalid*, nothing below is read.
2. Is harm shown, Love down or a guardrail broken? Then *stop*.
3. Is a lift worth having shown, by the clustered interval at any look and by the exact test, and every guardrail shown
   to hold? Then *ship*.
4. Is such a lift out of reach, or the plan spent? Then *stop*.
5. Otherwise *continue*. Inconclusive is never ship.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from experiments.effect import Effect
from experiments.plan import Plan
from experiments.ratio import Ratio
from experiments.srm import Srm

Word = Literal["ship", "stop", "continue", "invalid"]


class Guarded(NamedTuple):
    """How a guardrail stands.

    Attributes:
        name: What people call it.
        state: `held` (shown), `broken` (shown) or `open` (not shown either way).
        most: How many times the control's rate the treatment's may be.
        rates: Per exposure, by arm.
        ratio: The treatment's rate over the control's, for any number of looks.
        words: All of it as a sentence.
    """

    name: str
    state: Literal["held", "broken", "open"]
    most: float
    rates: dict[str, float]
    ratio: Ratio
    words: str


class Decision(NamedTuple):
    """One word, and the reasons in sentences, the deciding one first."""

    word: Word
    reasons: tuple[str, ...]


def decide(balance: Srm, effect: Effect, guarded: Sequence[Guarded], plan: Plan, information: float) -> Decision:
    """Apply the five rules above in their order.

    Args:
        balance: The sample-ratio check.
        effect: On the Love rate.
        guarded: Every guardrail.
        plan: What was settled beforehand.
        information: Exposures so far, in the smaller arm, over exposures planned.
    """
    if not balance.passed:
        return Decision("invalid", (balance.words,))
    if information <= 0:
        return Decision("continue", ("an arm has no exposure yet",))
    return _harm(effect, guarded) or _proof(effect, guarded, plan) or _patience(effect, guarded, plan, information)


def _harm(effect: Effect, guarded: Sequence[Guarded]) -> Decision | None:
    broken = [each.words for each in guarded if each.state == "broken"]
    if effect.anytime_ci.below(0.0):
        return Decision("stop", (f"the treatment is loved less: {_span(effect)}", *broken))
    return Decision("stop", (*broken, _span(effect))) if broken else None


def _proof(effect: Effect, guarded: Sequence[Guarded], plan: Plan) -> Decision | None:
    # a shown lift that is not known is one over a control without any event: no least lift is beyond it
    worth = effect.lift is None or effect.lift >= plan.least_lift
    held = all(each.state == "held" for each in guarded)
    if not (_shown(effect, plan) and worth and held):
        return None
    return Decision("ship", (f"the lift is shown: {_span(effect)}", *(each.words for each in guarded)))


def _patience(effect: Effect, guarded: Sequence[Guarded], plan: Plan, information: float) -> Decision:
    shown = "shown" if _shown(effect, plan) else "not shown"
    standing = (f"the lift is {shown}: {_span(effect)}", *(each.words for each in guarded if each.state == "open"))
    if effect.anytime_ci.below(plan.least_lift):
        return Decision("stop", (f"the least lift worth shipping, {plan.least_lift:+.1%}, is out of reach", *standing))
    if information >= 1:
        spent = f"the planned {plan.exposures:,} exposures per arm are spent without a case for shipping"
        return Decision("stop", (spent, *standing))
    return Decision(
        "continue", (f"{information:.0%} of the planned {plan.exposures:,} exposures per arm are in", *standing)
    )


def _shown(effect: Effect, plan: Plan) -> bool:
    return effect.anytime_ci.above(0.0) and effect.exact_p < 1 - plan.confidence


def _span(effect: Effect) -> str:
    low, high = effect.anytime_ci
    nothing = "up from none" if low > -1 else "not known"
    lift = nothing if effect.lift is None else f"{effect.lift:+.1%}"
    least = "no upper limit yet" if low <= -1 else f"at least {low:+.1%} at any look"
    limits = f"{low:+.1%} to {high:+.1%} at any look" if math.isfinite(high) else least
    return f"Love rate {lift}, {limits}, exact p = {effect.exact_p:.2g}"
