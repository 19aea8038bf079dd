"""What an experiment is: its arms, whom it takes, what decides it, and what each arm serves. One JSON value."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from assets.experiment.bundles import Bundle

Decides = Literal["lovers", "ratio", "adjusted"]
"""Which test decides, as in `experiments.plan.Decides`, which would bring scipy with it."""
STAGES = (0.01, 0.05, 0.1, 0.25, 0.5)
"""Shares of the users whom an experiment may have that the treatment is served to, step by step."""


class Definition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An experiment of two arms or more, as its last change left it.

    Attributes:
        salt: Keeps outsiders from choosing their arm; of the namespace, where it has one.
        arms: Share of the users in the test, by arm.
        control: The arm to compare with.
        coverage: Share of the users whom it may have (`reach`) who are in the test; grows with the ramp.
        namespace: Experiments of one namespace with ranges that do not meet share no user; None for one of its own.
        start: Where its range of the namespace begins, in [0, 1).
        end: Where it ends.
        holdout: Share of all users who are in no experiment of this salt.
        lift: The relative lift of the Love rate that the test is to show.
        least_lift: The smallest that is worth shipping.
        power: Chance of showing `lift` when it is there.
        decides: Which test does.
        cap: Most loves of one user that count in the ratio; None for all.
        history_days: Days before a user's first exposure by which the adjusted ratio is adjusted.
        guardrails: Most (or, of what should be more, least) ratio of treatment to control, by metric.
        maturity_hours: Younger responses are not counted yet.
        stages: The ramp.
        stage_hours: Least hours at a stage.
        automatic: The hourly reading takes the ramp's next step; it stops harm in any case.
        bundles: What each arm serves.
        ended: Nobody is served any more; a reading then decides on what there is.
    """

    salt: str
    arms: dict[str, float]
    control: str = "control"
    coverage: float = 0.0
    namespace: str | None = None
    start: float = 0.0
    end: float = 1.0
    holdout: float = 0.0
    lift: float = 0.2
    least_lift: float = 0.0
    power: float = 0.8
    decides: Decides = "lovers"
    cap: int | None = None
    history_days: int = 28
    guardrails: dict[str, float] = msgspec.field(default_factory=lambda: {"closings_per_exposure": 1.25})
    maturity_hours: float = 24.0
    stages: tuple[float, ...] = STAGES
    stage_hours: float = 24.0
    automatic: bool = False
    bundles: dict[str, Bundle] = msgspec.field(default_factory=dict)
    ended: bool = False

    @property
    def treatments(self) -> tuple[str, ...]:
        """Every arm but the control."""
        return tuple(arm for arm in self.arms if arm != self.control)

    @property
    def reach(self) -> float:
        """The share of all users whom it may have: those of its range who are not held out.

        >>> Definition(salt="s", arms={"control": 0.5, "warmer": 0.5}, end=0.8, namespace="n", holdout=0.05).reach
        0.76
        """
        return (self.end - self.start) * (1 - self.holdout)

    def treated(self) -> float:
        """The share of all users who are served a treatment now."""
        return self.coverage * self.reach * (1 - self.arms[self.control])


def definition(values: Mapping[str, Any]) -> Definition:
    """Read a definition from JSON values.

    Raises:
        ValueError: A key that is not known, or a value that cannot be.
    """
    try:
        return msgspec.convert(dict(values), Definition)
    except msgspec.ValidationError as error:
        raise ValueError(f"{error}: no definition of an experiment that this version can read") from None


def values(of: Definition) -> dict[str, Any]:
    """JSON values, by which `definition` reads it again.

    >>> made = Definition(salt="s", arms={"control": 0.5, "warmer": 0.5})
    >>> definition(values(made)) == made
    True
    """
    made: dict[str, Any] = msgspec.to_builtins(of)
    return made
