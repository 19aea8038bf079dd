"""What is settled before the first exposure of an A/B test."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal, get_args

from experiments import boundaries, lover_counts
from experiments.metrics import STANDARD, Metric
from stats import limits
from stats.intervals import CONFIDENCE

Decides = Literal["lovers", "ratio", "adjusted"]
"""Which test decides: the walk of first lovers; loves per exposure, clustered by user; the same adjusted by history."""
Word = Literal["ship", "stop", "continue", "invalid"]
"""What is decided."""
HELD: Final = (STANDARD["closings_per_exposure"],)
"""What must be shown to hold before anything ships."""
WATCHED: Final = (STANDARD["loves_per_user"], STANDARD["exposures_per_user"], STANDARD["returns"])
"""What stops a test when it is shown to break, and keeps nothing from shipping while it is open."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of an A/B test of two arms.

    Attributes:
        shares: Of the users in the test, per arm, as assigned.
        lift: The relative lift that the test is to show with chance `power`; sets where it ends.
        least_lift: The smallest relative lift worth shipping; the interval's lower end is held against it.
        control: Its arm's name; the other arm is the treatment.
        decides: Which test does.
        cap: Most loves of one user that count in the ratio; None for all.
        guardrails: Each must be shown to hold.
        watched: Each stops the test when shown to break.
        power: Chance of showing `lift` when it is there.
        confidence: Of every interval; 1 minus it is the chance of a false alarm over all looks.
        exposures: Expected per arm, for people; nothing is decided by it.
    """

    shares: Mapping[str, float]
    lift: float = 0.2
    least_lift: float = 0.0
    control: str = "control"
    decides: Decides = "lovers"
    cap: float | None = None
    guardrails: tuple[Metric, ...] = HELD
    watched: tuple[Metric, ...] = WATCHED
    power: float = 0.8
    confidence: float = CONFIDENCE
    exposures: int | None = None

    @property
    def treatment(self) -> str:
        """The other arm's name.

        >>> Plan({"control": 0.5, "warmer": 0.5}).treatment
        'warmer'

        Raises:
            ValueError: Not two arms.
        """
        others = [arm for arm in self.shares if arm != self.control]
        if len(others) != 1 or len(self.shares) != 2:
            rule = f"must be {self.control!r} and one other: read one pair at a time"
            raise ValueError(f"arms {sorted(self.shares)}, {rule}")
        return others[0]

    @property
    def must_hold(self) -> tuple[Metric, ...]:
        """The guardrails; and loves per assigned user where the test that decides counts exposures.

        Exposures come after the treatment: one that drives away those who love seldom raises loves per exposure, and
        nobody loves more.
        """
        ours = () if self.decides == "lovers" else (STANDARD["loves_per_user"],)
        named = {each.name for each in self.guardrails}
        return (*self.guardrails, *(each for each in ours if each.name not in named))

    @property
    def alpha(self) -> float:
        """The chance of a false alarm over all looks."""
        return 1 - self.confidence

    @property
    def lovers(self) -> int:
        """Users with a love, in both arms together, at which the walk of first lovers ends."""
        share = self.shares[self.treatment] / sum(self.shares.values())
        return _planned_lovers(self.lift, share, self.power, self.alpha)

    @property
    def information(self) -> float:
        """`1 / se^2` of the log ratio of the Love rates at which the test ends."""
        return boundaries.planned_information(self.lift, power=self.power, alpha=self.alpha)

    def checked(self) -> "Plan":
        """The plan as it is, once it can be read by.

        Raises:
            ValueError: Shares that are no whole, or a setting that cannot be; names it and the rule.
        """
        limits.level("plan.confidence", self.confidence, "0.95 for 95 % intervals")
        limits.level("plan.power", self.power, "0.8 to show the lift in four tests of five")
        limits.positive("plan.lift", self.lift, "0.2 for +20 %")
        limits.lift("plan.least_lift", self.least_lift)
        if self.cap is not None:
            limits.positive("plan.cap", self.cap, "see metrics.cap_from, or None for no cap")
        if self.exposures is not None:
            limits.positive("plan.exposures", self.exposures, "per arm, or None where nobody knows")
        if self.decides not in get_args(Decides):
            raise ValueError(f"plan.decides == {self.decides!r}, must be one of {', '.join(get_args(Decides))}")
        loose = [each.name for each in (*self.guardrails, *self.watched) if each.margin is None]
        if loose:
            raise ValueError(f"guardrails {', '.join(loose)} have no margin, must have one: Metric(..., margin=1.25)")
        return replace(self, shares=limits.shares(self.shares, "plan.shares"))


@lru_cache(maxsize=256)
def _planned_lovers(lift: float, share: float, power: float, alpha: float) -> int:
    """Kept, since it takes a second to find and a reading asks for it dozens of times."""
    return lover_counts.planned_lovers(lift, treatment_share=share, power=power, alpha=alpha)
