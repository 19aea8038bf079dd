"""Sums over the users of an arm, and what follows from them: its rate, and how sure that is.

Users are independent, exposures are not: every variance here is over users (a ratio metric by the delta method). A mean
per user is the same with one exposure a user.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stats import limits


@dataclass(frozen=True, slots=True)
class ArmSums:
    """Sufficient sums over the users of one arm: x = events (or another amount), y = exposures of a user.

    Attributes:
        users: In the arm.
        events: The sum of x; an `int` where every x is whole.
        exposures: The sum of y; likewise.
        events_squared: The sum of x^2.
        exposures_squared: The sum of y^2.
        events_exposures: The sum of x y.
        lovers: Users with an event, x > 0.
        whole: Every x is whole: a count, and not a sum of chances or weights.
    """

    users: int
    events: float
    exposures: float
    events_squared: float
    exposures_squared: float
    events_exposures: float
    lovers: int
    whole: bool = True

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

    @property
    def counts(self) -> str:
        """The sums in words.

        >>> import numpy as np
        >>> sums(np.array([1500, 2]), np.array([4000, 5])).counts, sums(np.array([0.5]), np.array([4])).counts
        ('1,502 of 4,005', '0.5 of 4')
        """
        shown = [f"{each:,}" if isinstance(each, int) else f"{each:,.1f}" for each in (self.events, self.exposures)]
        return " of ".join(shown)


def sums(events: NDArray[Any], exposures: NDArray[Any]) -> ArmSums:
    """Sum up one arm.

    >>> import numpy as np
    >>> sums(np.array([1, 0]), np.array([10, 5])).rate
    0.06666666666666667

    Args:
        events: Per user, shape [users]; counts or other amounts (`metrics.values` checks them).
        exposures: Per user, shape [users]; ones for a mean per user.

    Raises:
        ValueError: Not as many of one as of the other, or one that is negative, infinite or NaN.
    """
    x, y = np.asarray(events, np.float64), np.asarray(exposures, np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"events of shape {x.shape} and exposures of shape {y.shape}, must be one of each a user")
    for name, each in (("events", x), ("exposures", y)):
        wrong = each[~((each >= 0) & (each < math.inf))]
        if len(wrong):
            raise ValueError(f"{name} hold {wrong[0]:g}, must be finite and 0 or more: 0 where nothing was seen")
    return ArmSums(
        len(x), _total(x), _total(y), float(x @ x), float(y @ y), float(x @ y), int(np.count_nonzero(x)), _whole(x)
    )


def log_variance(arm: ArmSums) -> float:
    """Of the logarithm of the rate, by the delta method; infinite without an event or with a single user.

    Users who are all alike would make a few events certain, so there is a least. Of counts: independent exposures give
    `(1 - R) / events`, `1 - R` taken as `(exposures - events + 1) / (exposures + 2)`, which is never 0; exposures of a
    user resemble each other and say less than that, never more. Of other amounts: one more user, who has none, would
    give `1 / users^2`.
    """
    if arm.users < 2 or not arm.events or not arm.exposures:
        return math.inf
    unloved = (max(arm.exposures - arm.events, 0) + 1) / (arm.exposures + 2)
    least = unloved / arm.events if arm.whole else 1 / arm.users**2
    return max(least, arm.variance / arm.rate**2)


def design_effect(arm: ArmSums) -> float:
    """The rate's variance clustered by user over `R (1 - R) / exposures`; 1 while there is nothing to compare."""
    independent = arm.rate * (1 - arm.rate) / arm.exposures if arm.exposures else 0.0
    return arm.variance / independent if independent > 0 and math.isfinite(arm.variance) else 1.0


def expected_information(control: ArmSums, treatment: ArmSums, exposures: float) -> float:
    """The evidence on the log ratio that so many exposures an arm would bring, if both arms had the pooled rate.

    `R n / (2 (1 - R) d)` with the pooled rate `R` and the design effect `d`: from the rate and the clusters of both
    arms together, never from their difference, so that a plan may be told in exposures. An event is assumed where
    there was none. An amount that is above 1 on average, as exposures of a user are, has no `1 - R`: there it is
    `n / sum of (exposures x log_variance)` over the arms, which is the same where both are alike.

    Args:
        control: Its sums.
        treatment: Its sums.
        exposures: Planned for each arm.
    """
    limits.positive("exposures", exposures, "the plan's exposures for each arm")
    if control.events + treatment.events >= control.exposures + treatment.exposures > 0:
        scatter = sum(arm.exposures * log_variance(arm) for arm in (control, treatment) if arm.events and arm.users > 1)
        return exposures / scatter if scatter else exposures
    events, seen = max(control.events + treatment.events, 1), max(control.exposures + treatment.exposures, 1)
    unloved = (max(seen - events, 0) + 1) / (seen + 2)
    design = [max(1.0, design_effect(arm)) for arm in (control, treatment) if arm.events] or [1.0]
    return events / seen * exposures / (2 * unloved * sum(design) / len(design))


def _total(values: NDArray[np.float64]) -> float:
    total = float(values.sum())
    return int(total) if _whole(values) else total


def _whole(values: NDArray[np.float64]) -> bool:
    return bool((values == np.floor(values)).all())
