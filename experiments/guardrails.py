"""What an A/B test must not harm: non-inferiority on the ratio of treatment to control, judged at any look.

A guardrail *holds* where the whole interval lies on the good side of its margin, and is *broken* where it lies on the
bad side: the tripwire, at which a test stops at once. Otherwise it is *open*, or *hopeless*: so far from being shown
that the rest of the plan cannot show it, and to let the test run would be wrong advice.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from scipy.special import log_ndtr, ndtr

from experiments import boundaries, ratio
from experiments.effect import MIN_LOVERS, ArmSums, Effect, anytime_interval, relative
from experiments.metrics import Better, checked_direction, checked_margin
from stats import limits
from stats.intervals import CONFIDENCE, Interval, normal_quantile

HOPELESS: Final = 0.01
"""Chance to be shown within the plan, at the best that the data leave possible, below which nobody should wait."""

State = Literal["held", "broken", "open", "hopeless"]


@dataclass(frozen=True, slots=True)
class GuardrailState:
    """How a guardrail stands at this look.

    Attributes:
        name: What people call it.
        state: `held` (shown), `broken` (shown), `open` (not shown either way), or `hopeless` (not shown, and not to be
            shown within the plan).
        margin: The ratio of treatment to control that is just tolerable.
        better: Whether more or fewer are better.
        effect: The treatment's relative effect, its intervals at level alpha.
        ci: Of the ratio, for any number of looks.
        rates: The control's and the treatment's.
        counts: Events and exposures of the treatment against the control's, in words.
        conditional_power: Chance that it is shown by the planned end, if the ratio seen so far is the true one; None
            while too few users of an arm have an event to tell.
        words: All of it as a sentence, with the next step.
        broken_at: The reading at which it was found broken before this one; None where it was not.
    """

    name: str
    state: State
    margin: float
    better: Better
    effect: Effect
    ci: Interval
    rates: tuple[float, float]
    counts: str
    conditional_power: float | None
    words: str
    broken_at: datetime | None = None


def guard(
    control: ArmSums,
    treatment: ArmSums,
    *,
    margin: float,
    better: Better,
    planned_information: float,
    alpha: float = 1 - CONFIDENCE,
    among: int = 1,
    name: str = "the guardrail",
    required: bool = True,
    broken_at: datetime | None = None,
) -> GuardrailState:
    """Judge one guardrail.

    At a true ratio on the margin it is called held with a chance of at most `alpha / 2` over all looks. It is called
    broken at level `alpha / among`, so that several together stop a sound test with a chance of at most alpha.

    Hopeless is what cannot be shown even if the truth is the best end of this look's one-look interval. By the observed
    ratio alone, a plan in which 78 of 100 tests show at one of 100 looks that the guardrail holds (simulated) gives 43
    of these up before they do; by the best end 2. A truth on the margin is still given up half-way through the plan.

    >>> import numpy as np
    >>> from experiments.effect import sums
    >>> same, third, half = (sums(np.arange(9_000) < n, np.full(9_000, 5)) for n in (450, 600, 675))
    >>> plan = {"margin": 1.25, "better": "fewer", "planned_information": 300, "name": "closings"}
    >>> [guard(same, treatment, **plan).state for treatment in (same, third, half)]
    ['held', 'hopeless', 'broken']

    Args:
        control: Its sums.
        treatment: Its sums.
        margin: The ratio of treatment to control that is just tolerable: 1.25 where fewer are better, 0.95 where more.
        better: Whether more or fewer are better.
        planned_information: `1 / se^2` of this metric's log ratio at the end of the plan, from its base rate and the
            planned exposures (`effect.expected_information`).
        alpha: Two-sided level of the interval over all looks.
        among: How many guardrails are judged in the test.
        name: What people call it.
        required: It must hold before anything ships; else nothing needs to be done where it cannot be shown.
        broken_at: The reading that found it broken before: then it stays so, whatever this look alone would say. The
            tripwire's level is spent on the first crossing of its boundary, and after a stop only late events come in.

    Raises:
        ValueError: A margin on the wrong side of 1, a direction, a level or a number that cannot be.
    """
    margin = checked_margin("margin", margin, checked_direction("better", better))
    found = relative(control, treatment, planned_information=planned_information, alpha=alpha)
    ci = Interval(found.anytime_ci.low + 1, found.anytime_ci.high + 1)
    held = ci.below(margin) if better == "fewer" else ci.above(margin)
    power = 1.0 if held else _conditional_power(found, margin, better, 0.0, alpha)
    state: State = "open"
    if held:
        state = "held"
    elif tripwire(
        control, treatment, margin=margin, better=better, planned_information=planned_information, alpha=alpha,
        among=among,
    ):  # fmt: skip
        state = "broken"
    elif _hopeless(found, margin, better, alpha):
        state = "hopeless"
    alone, state = state, state if broken_at is None else "broken"
    seen = f"{_shown(treatment.rate)} against {_shown(control.rate)}"
    counts = f"{treatment.counts} against {control.counts}"
    span = ratio.shown(ci, counts, margin)
    rule = f"may be at {'most' if better == 'fewer' else 'least'} {margin:g} times"
    verdict = _verdict(alone, power, better, name if required else None)
    if broken_at is not None:
        verdict = f"was found broken on {broken_at:%Y-%m-%d %H:%M} UTC and stays so, stop at once"
        verdict += "" if alone == "broken" else f" (by this look alone it is {alone})"
    words = f"guardrail on {name} {verdict}: {seen}, {span}, {rule}"
    rates = (control.rate, treatment.rate)
    return GuardrailState(name, state, margin, better, found, ci, rates, counts, power, words, broken_at)


def tripwire(
    control: ArmSums,
    treatment: ArmSums,
    *,
    margin: float,
    better: Better,
    planned_information: float,
    alpha: float = 1 - CONFIDENCE,
    among: int = 1,
) -> bool:
    """Whether harm beyond the margin is shown, at whatever look: then the test stops at once.

    Args:
        control: As in `guard`, like all that follows.
        treatment: Its sums.
        margin: The ratio that is just tolerable.
        better: Whether more or fewer are better.
        planned_information: At the end of the plan.
        alpha: Of all tripwires together, two-sided.
        among: How many there are; each has `alpha / among`.

    Raises:
        ValueError: As `guard`.
    """
    margin = checked_margin("margin", margin, checked_direction("better", better))
    if limits.positive("among", among, "the number of guardrails, this one included") < 1:
        raise ValueError(f"among == {among}, must be at least 1: the number of guardrails, this one included")
    ci = anytime_interval(control, treatment, planned_information=planned_information, alpha=alpha / among)
    return ci.above(margin - 1) if better == "fewer" else ci.below(margin - 1)


def conditional_power(z: float, information: float, drift: float, alpha: float = 1 - CONFIDENCE) -> float:
    """The chance that a test by `boundaries.spent_width` shows an effect by the planned end, given what is in.

    With the B-value `B = z sqrt(t)` at information `t` (Lan & Wittes 1988), the rest of the path is Brownian motion
    with the drift; it must cross the boundary on the way, `width(s) sqrt(s)`, of which the chord is taken: the boundary
    is concave and lies above it, so the chance errs upwards. With the current trend, `drift = z / sqrt(t)`.

    >>> [round(conditional_power(z, 0.5, 3.24), 2) for z in (-1.0, 0.0, 2.3, 3.0)]
    [0.01, 0.08, 0.91, 1.0]

    Args:
        z: The effect so far in its standard errors, positive in the direction to be shown.
        information: Share of the planned evidence that is in.
        drift: The true effect, in standard errors at the planned end.
        alpha: Two-sided level of the boundary.

    Raises:
        ValueError: No information yet, a z or drift that is no number, or alpha outside (0, 0.5).
    """
    if math.isnan(z) or math.isnan(drift):
        raise ValueError(f"z == {z}, drift == {drift}, must be numbers: wait until both arms have an event")
    left = boundaries.spent_width(information, alpha) - z
    if left <= 0:
        return 1.0
    if information >= 1:
        return 0.0
    rest, root = 1 - information, math.sqrt(information)
    distance = left * root
    rise = boundaries.spent_width(1.0, alpha) - (z + left) * root
    slope, late = drift - rise / rest, math.sqrt(rest)
    # inverse Gaussian law: at the end beyond the chord, or crossed it before and came back
    back = min(2 * slope * distance + float(log_ndtr((-distance - slope * rest) / late)), 0.0)
    return min(1.0, float(ndtr((slope * rest - distance) / late)) + math.exp(back))


def _conditional_power(found: Effect, margin: float, better: Better, favour: float, alpha: float) -> float | None:
    """Conditional power at the observed ratio, moved by some standard errors to the good side; None if not known."""
    if min(found.lovers) < MIN_LOVERS or found.lift is None or not math.isfinite(found.standard_error):
        return None
    sign = 1 if better == "fewer" else -1
    z = sign * (math.log(margin) - math.log1p(found.lift)) / found.standard_error
    return conditional_power(z, found.information, (z + favour) / math.sqrt(found.information), alpha)


def _hopeless(found: Effect, margin: float, better: Better, alpha: float) -> bool:
    if found.information >= 1:
        return True
    power = _conditional_power(found, margin, better, normal_quantile(1 - alpha), alpha)
    return power is not None and power < HOPELESS


def _verdict(state: State, power: float | None, better: Better, name: str | None) -> str:
    if state == "held":
        return "holds"
    if state == "broken":
        return "is broken, stop at once"
    if state == "hopeless" and name is None:
        return "is not shown to hold and cannot be within the plan, which keeps nothing from shipping"
    if state == "hopeless":
        step = f"train {'against' if better == 'fewer' else 'for'} {name}"
        return f"is not shown to hold and cannot be within the plan, stop and {step}"
    chance = "" if power is None else f" (chance within the plan if it stays so: {power:.0%})"
    return f"is not shown to hold yet{chance}"


def _shown(rate: float) -> str:
    return f"{rate:.2%}" if rate <= 1 else f"{rate:.2f}"
