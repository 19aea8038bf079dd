"""What is settled before the first exposure of an A/B test."""

from collections.abc import Mapping
from typing import NamedTuple

from stats import limits
from stats.intervals import CONFIDENCE


class Plan(NamedTuple):
    """The plan of an A/B test of two arms.

    Attributes:
        exposures: Planned per arm (see `power.exposures_per_arm`); also what the confidence sequence is tuned to.
        shares: Of the users, per arm, as assigned.
        least_lift: The smallest relative lift worth shipping.
        control: Its arm's name; the other arm is the treatment.
        confidence: Of every interval.
    """

    exposures: int
    shares: Mapping[str, float]
    least_lift: float = 0.0
    control: str = "control"
    confidence: float = CONFIDENCE

    @property
    def treatment(self) -> str:
        """The other arm's name.

        >>> Plan(20_000, {"control": 0.5, "warmer": 0.5}).treatment
        'warmer'

        Raises:
            ValueError: Not two arms.
        """
        others = [arm for arm in self.shares if arm != self.control]
        if len(others) != 1 or len(self.shares) != 2:
            rule = f"must be {self.control!r} and one other: read one pair at a time"
            raise ValueError(f"arms {sorted(self.shares)}, {rule}")
        return others[0]

    def checked(self) -> "Plan":
        """The plan as it is, once it can be read by.

        Raises:
            ValueError: Shares that are no whole, or a number that cannot be; names it and the rule.
        """
        limits.positive("plan.exposures", self.exposures, "see experiments.power")
        limits.level("plan.confidence", self.confidence, "0.95 for 95 % intervals")
        limits.lift("plan.least_lift", self.least_lift)
        return self._replace(shares=limits.shares(self.shares, "plan.shares"))


class Guardrail(NamedTuple):
    """Something bad that must not become more frequent.

    Attributes:
        column: Its count per user in the table.
        most: How many times the control's rate per exposure the treatment's may be, by the interval's upper end.
        name: What people call it.
    """

    column: str
    most: float
    name: str
