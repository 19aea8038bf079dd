"""What one design needs to show one lift: lovers or information, and from the traffic the users, exposures and days.

Both designs are planned with the boundary that spends its level by the end of the plan, at 5 % and 80 % power.
"""

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from experiments.boundaries import planned_drift, planned_information
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
    """What one design needs to show one lift in four tests of five, at 5 %. None where it never comes to that.

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
    """

    rate: float
    excess: float
    coverage: float = 1.0
    treatment_share: float = 0.5
    variance_left: float = 1.0


def lovers_needed(lift: float, treatment_share: float = 0.5) -> float:
    """Lovers of both arms at the end of the walk's plan, whatever the base rate.

    The spent boundary's share of one look, `planned_drift^2 / 2.802^2`, times one look's
    `((1.960 sqrt(s (1 - s)) + 0.842 sqrt(p (1 - p))) / (p - s))^2`, with `s` the treatment's share of the users and
    `p = s (1 + lift) / (1 + s lift)` that of the lovers. One look takes 519 at +28 % and 3,666 at +9.7 %:

    >>> round(lovers_needed(0.28)), round(lovers_needed(0.097))
    (688, 4870)

    Args:
        lift: Of users who love; less than that of loves, where some love anyway.
        treatment_share: Of the users in the test.

    Raises:
        ValueError: The lift is not above 0, or the share not inside (0, 1).
    """
    share = limits.level("treatment_share", treatment_share, "0.5 for arms of one size")
    return float(_walk_plan(np.array(risen(lift)), share))


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
    needed = _walk_plan(np.where(fading, theirs, 1.0), terms.treatment_share)
    return np.where(fading, (control + treatment) / needed, 0.0)


def _ratio(traffic: Traffic, day: Floats, lift: float, terms: Terms, variance_left: float) -> Floats:
    """Information so far over that needed, `var(log R) = DE (1 - R) / (R n)` for each arm; lovers enough, too.

    The design effect grows as the same users come again. Adjusting takes away what users differ by, not the chance in
    every single love: the effect stays at least 1.
    """
    effect = np.maximum(1.0, (1 + terms.excess * repeats_by(traffic, day)) * variance_left)
    shares = (1 - terms.treatment_share, terms.treatment_share)
    rates = (terms.rate, min(terms.rate * (1 + lift), 1.0))
    spread = sum((1 - rate) / (rate * share) for rate, share in zip(rates, shares, strict=True))
    information = terms.coverage * exposures_by(traffic, day) / (effect * max(spread, 1e-12))
    fewest = np.minimum(*_lovers(traffic, day, lift, terms)) / FEWEST_LOVERS
    return np.minimum(information / planned_information(lift), fewest)


def _walk_plan(lift: Floats, share: float) -> NDArray[Any]:
    p = share * (1 + lift) / (1 + share * lift)
    alpha_z, power_z = (float(ndtri(level)) for level in (0.975, 0.8))
    once = ((alpha_z * math.sqrt(share * (1 - share)) + power_z * np.sqrt(p * (1 - p))) / (p - share)) ** 2
    return np.asarray((planned_drift() / (alpha_z + power_z)) ** 2 * once)
