"""What one design needs to show one lift: lovers or information, and from the traffic the users, exposures and days.

Both designs are planned with the boundary that spends its level by the end of the plan.
"""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np

from experiments.boundaries import planned_information
from experiments.lover_counts import lovers_about
from experiments.traffic import Floats, Traffic, exposures_by, lovers_by, repeats_by, users_by
from stats import limits

Design = Literal["first lovers", "clustered ratio", "adjusted ratio"]
LONGEST: Final = 182
"""Days, 26 weeks, beyond which a plan is no plan: products and people change."""
FEWEST_LOVERS: Final = 20
"""In each arm, before a ratio decides: one user must not be most of an arm."""
_HORIZON: Final = 728


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one design needs to show one lift by the planned power. None where it never comes to that.

    Attributes:
        design: Which test.
        lift: Relative, of loves per exposure.
        control_lovers: Users of the control who will have loved.
        treatment_lovers: The same of the treatment, if the lift is there.
        users: In the test, both arms.
        exposures: Both arms.
        days: From the first exposure.
        treatment_share: Of the users in the test.
    """

    design: Design
    lift: float
    control_lovers: float | None
    treatment_lovers: float | None
    users: float | None
    exposures: float | None
    days: float | None
    treatment_share: float

    @property
    def lovers(self) -> float | None:
        """Of both arms."""
        if self.control_lovers is None or self.treatment_lovers is None:
            return None
        return self.control_lovers + self.treatment_lovers

    @property
    def feasible(self) -> bool:
        """It is shown within `LONGEST` days."""
        return self.days is not None and self.days <= LONGEST

    def by_arm(self, total: float | None) -> tuple[float, float] | None:
        """Users or exposures of the control and of the treatment.

        >>> Requirement("first lovers", 0.5, 100, 150, 1_000, 20_000, 7, 0.25).by_arm(20_000)
        (15000.0, 5000.0)
        """
        return None if total is None else (total * (1 - self.treatment_share), total * self.treatment_share)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a requirement rests on beside the traffic and the lift.

    Attributes:
        rate: Loves per exposure of the control.
        excess: By how much the design effect of the traffic's window passes 1.
        coverage: Share of all users in the test.
        treatment_share: Of the users in the test.
        variance_left: By adjusting for history, 1 for nothing; read by the adjusted ratio alone.
        power: Chance of showing the lift.
        alpha: Chance of a false alarm at any look.
        capped: What the ratios count, where each user's loves are counted up to a cap; None where all are.
    """

    rate: float
    excess: float
    coverage: float = 1.0
    treatment_share: float = 0.5
    variance_left: float = 1.0
    power: float = 0.8
    alpha: float = 0.05
    capped: "Capped | None" = None


class Capped(NamedTuple):
    """What a cap on each user's loves leaves, over what there is without it: of the rate, and of the excess."""

    rate: float
    excess: float


def capped(traffic: Traffic, cap: float | None) -> Capped | None:
    """What a cap leaves of a past window's rate and of its design effect's excess; None where it cuts nothing.

    >>> from experiments.traffic import window
    >>> capped(window([9, 1, 0, 0], [9, 5, 5, 5], [4]), 4).rate
    0.5
    """
    if cap is None or cap >= traffic.loves.max():
        return None
    calm, excess = traffic.capped(cap), traffic.design_effect - 1
    return Capped(calm.base_rate / traffic.base_rate, (calm.design_effect - 1) / excess if excess > 0 else 1.0)


def risen(lift: float) -> float:
    """A lift that a test may be planned for.

    Raises:
        ValueError: It is not a finite number above 0.
    """
    return limits.positive("lift", lift, "0.1 for +10 %; a fall is stopped for, not planned")


def required(traffic: Traffic, design: Design, lift: float, terms: Terms) -> Requirement:
    """When the design has what it needs, and what there is by then.

    Args:
        traffic: The past window.
        design: Which test.
        lift: Relative, of loves per exposure.
        terms: Rates and shares.

    Raises:
        ValueError: The lift is not above 0.
    """
    risen(lift)
    day = np.arange(_HORIZON + 1.0)
    measure = _walk if design == "first lovers" else _ratio
    progress = measure(traffic, day, lift, terms, terms.variance_left if design == "adjusted ratio" else 1.0)
    progress[0] = 0.0
    reached = np.flatnonzero(progress >= 1)
    if not len(reached):
        return Requirement(design, lift, None, None, None, None, None, terms.treatment_share)
    last = int(reached[0])
    before, after = progress[last - 1], progress[last]
    days = np.array(last - 1 + (1 - before) / (after - before))
    control, treatment = _lovers(traffic, days, lift, terms)
    return Requirement(
        design=design,
        lift=lift,
        control_lovers=float(control),
        treatment_lovers=float(treatment),
        users=float(terms.coverage * users_by(traffic, days)),
        exposures=float(terms.coverage * exposures_by(traffic, days)),
        days=float(days),
        treatment_share=terms.treatment_share,
    )


def _lovers(traffic: Traffic, day: Floats, lift: float, terms: Terms) -> tuple[Floats, Floats]:
    """Of the control and of the treatment."""
    factor = terms.rate / traffic.base_rate
    control = terms.coverage * (1 - terms.treatment_share) * lovers_by(traffic, day, factor)
    treatment = terms.coverage * terms.treatment_share * lovers_by(traffic, day, factor * (1 + lift))
    return control, treatment


def _walk(traffic: Traffic, day: Floats, lift: float, terms: Terms, _: float) -> Floats:
    """Lovers so far over those needed. Who loves often is a lover in either arm, so the lift of lovers fades."""
    control, treatment = _lovers(traffic, day, lift, terms)
    odds = terms.treatment_share / (1 - terms.treatment_share)
    theirs = np.divide(treatment, control * odds, out=np.ones_like(control), where=control > 0) - 1
    fading = theirs > 1e-9
    needed = lovers_about(
        np.where(fading, theirs, 1.0), treatment_share=terms.treatment_share, power=terms.power, alpha=terms.alpha
    )
    return np.where(fading, (control + treatment) / needed, 0.0)


def _ratio(traffic: Traffic, day: Floats, lift: float, terms: Terms, variance_left: float) -> Floats:
    """Information so far over that needed, `var(log R) = DE (1 - R) / (R n)` for each arm; lovers enough, too.

    The design effect grows as the same users come again. Adjusting takes away what users differ by, not the chance in
    every single love: the effect stays at least 1.
    """
    kept = terms.capped or Capped(1.0, 1.0)
    rate, excess = terms.rate * kept.rate, terms.excess * kept.excess
    effect = np.maximum(1.0, (1 + excess * repeats_by(traffic, day)) * variance_left)
    shares = (1 - terms.treatment_share, terms.treatment_share)
    rates = (rate, min(rate * (1 + lift), 1.0))
    spread = sum((1 - rate) / (rate * share) for rate, share in zip(rates, shares, strict=True))
    information = terms.coverage * exposures_by(traffic, day) / (effect * max(spread, 1e-12))
    fewest = np.minimum(*_lovers(traffic, day, lift, terms)) / FEWEST_LOVERS
    return np.minimum(information / planned_information(lift, power=terms.power, alpha=terms.alpha), fewest)
