"""The difference that an arm makes to a rate per exposure, from per-user sums.

Users are independent, exposures are not: every standard error here is over users (a ratio metric by the delta method).
Beside it stands an exact test for rare events, which needs no large numbers but takes exposures as independent.
"""

import math
from typing import Any, NamedTuple

from numpy.typing import NDArray
from scipy.stats import beta, binomtest

from experiments.sequential import half_width
from stats.intervals import CONFIDENCE, Interval, normal_quantile


class ArmSums(NamedTuple):
    """Sufficient sums over the users of one arm: x = events, y = exposures of a user."""

    users: int
    events: int
    exposures: int
    events_squared: float
    exposures_squared: float
    events_exposures: float

    @property
    def rate(self) -> float:
        """Events per exposure; 0 where nothing was exposed."""
        return self.events / self.exposures if self.exposures else 0.0

    @property
    def variance(self) -> float:
        """Of the rate, clustered by user (delta method, Deng, Knoblich & Lu 2018).

        `n/(n-1) * sum_i (x_i - R y_i)^2 / (sum_i y_i)^2`
        """
        if self.users < 2 or not self.exposures:
            return math.inf
        residuals = self.events_squared - 2 * self.rate * self.events_exposures + self.rate**2 * self.exposures_squared
        return self.users / (self.users - 1) * max(residuals, 0.0) / self.exposures**2


def sums(events: NDArray[Any], exposures: NDArray[Any]) -> ArmSums:
    """Sum up one arm.

    >>> import numpy as np
    >>> sums(np.array([1, 0]), np.array([10, 5])).rate
    0.06666666666666667

    Args:
        events: Per user, shape (users,).
        exposures: Per user, shape (users,).
    """
    x, y = events.astype(float), exposures.astype(float)
    return ArmSums(len(x), int(x.sum()), int(y.sum()), float(x @ x), float(y @ y), float(x @ y))


class Effect(NamedTuple):
    """A relative lift of a rate and what is sure about it.

    Attributes:
        lift: Relative, 0.1 for +10 %; None while the control has no event (no limit above, where the treatment has
            some), or an arm no exposure.
        ci: Of one look, clustered by user; the exact one while an arm has no event.
        anytime_ci: Valid at every look (asymptotically), clustered by user.
        exact_ci: Of one look, exact for independent exposures.
        exact_p: Two-sided, exact for independent exposures.
        design_effect: The clustered variance of the control's rate over that of independent exposures.
    """

    lift: float | None
    ci: Interval
    anytime_ci: Interval
    exact_ci: Interval
    exact_p: float
    design_effect: float


def relative(control: ArmSums, treatment: ArmSums, *, information: float, confidence: float = CONFIDENCE) -> Effect:
    """The treatment's rate over the control's, minus 1.

    On the log scale `log(R_t / R_c) +- h sqrt(var(log R_t) + var(log R_c))`, `h` normal for one look and
    `sequential.half_width` for any. The latter's guarantee is proved for users who come once; where users return it was
    simulated (`tests/experiments/test_false_alarms.py`), and held.

    `var(log R)` is the clustered one, but at least that of as many independent exposures: users who are all alike would
    else make a few events certain. An arm without an event, beside one with some, is read at any look as if it had one:
    none is never judged more mildly than one.

    Args:
        control: Its sums.
        treatment: Its sums.
        information: Exposures so far over exposures planned.
        confidence: Of each interval.
    """
    exact_ci = exact_interval(control, treatment, confidence)
    exact = exact_p(control, treatment)
    design = design_effect(control)
    always = _around(control, treatment, half_width(information, confidence))
    if not control.events or not treatment.events:
        lift = -1.0 if control.events and treatment.exposures else None
        return Effect(lift, exact_ci, always, exact_ci, exact, design)
    once = _around(control, treatment, normal_quantile(confidence))
    return Effect(treatment.rate / control.rate - 1, once, always, exact_ci, exact, design)


def _around(control: ArmSums, treatment: ArmSums, half: float) -> Interval:
    """The lift's interval on the log scale, `half` standard errors to each side; open where an arm has no event."""
    if not (control.events or treatment.events) or not (control.exposures and treatment.exposures):
        return Interval(-1.0, math.inf)
    log_lift = math.log(_rate(treatment) / _rate(control))
    error = half * math.sqrt(_log_variance(treatment) + _log_variance(control))
    low = math.expm1(max(log_lift - error, -700.0)) if treatment.events else -1.0
    high = math.expm1(log_lift + error) if control.events and log_lift + error < 700 else math.inf
    return Interval(low, high)


def _rate(arm: ArmSums) -> float:
    return max(arm.events, 1) / arm.exposures


def _log_variance(arm: ArmSums) -> float:
    """Of the logarithm of the rate, by the delta method; not known of a single user.

    Independent exposures give `(1 - R) / events`, `1 - R` taken as `(exposures - events + 1) / (exposures + 2)`, which
    is never 0. Exposures of a user resemble each other, so that they say less than that and never more.
    """
    if arm.users < 2:
        return math.inf
    events = max(arm.events, 1)
    least = (max(arm.exposures - events, 0) + 1) / (arm.exposures + 2) / events
    return max(least, arm.variance / arm.rate**2) if arm.events else least


def exact_p(control: ArmSums, treatment: ArmSums) -> float:
    """Two-sided conditional binomial test (Przyborowski & Wilenski 1940).

    Given `m` events in all and no effect, the treatment's are `Binomial(m, e_t / (e_t + e_c))` with `e` the exposures.
    """
    events, exposures = control.events + treatment.events, control.exposures + treatment.exposures
    if not events or not control.exposures or not treatment.exposures:
        return 1.0
    return float(binomtest(treatment.events, events, treatment.exposures / exposures).pvalue)


def exact_interval(control: ArmSums, treatment: ArmSums, confidence: float = CONFIDENCE) -> Interval:
    """The relative lift's interval by inverting `exact_p`'s one-sided tests (Clopper & Pearson 1934).

    With `p` in the binomial's interval, the lift is `p/(1-p) * e_c/e_t - 1`.
    """
    tail = (1 - confidence) / 2
    low = beta.ppf(tail, treatment.events, control.events + 1) if treatment.events else 0.0
    high = beta.ppf(1 - tail, treatment.events + 1, control.events) if control.events else 1.0
    if not treatment.exposures or not control.exposures:
        return Interval(-1.0, math.inf)
    odds = control.exposures / treatment.exposures
    return Interval(float(low / (1 - low) * odds - 1), float(high / (1 - high) * odds - 1) if high < 1 else math.inf)


def design_effect(arm: ArmSums) -> float:
    """The rate's variance clustered by user over `R (1 - R) / exposures`; 1 while there is nothing to compare."""
    independent = arm.rate * (1 - arm.rate) / arm.exposures if arm.exposures else 0.0
    return arm.variance / independent if independent > 0 and math.isfinite(arm.variance) else 1.0
