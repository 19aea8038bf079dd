"""Do more people love it? The arms of users in the order of their first love: exact, at any look, however users repeat.

Users are dealt to arms by a hash. If no user's loves depend on the arm, then the arms of the users in the order of
their first love are independent coins that fall on the treatment with the share that was dealt to it, whatever the
users do, how often they love and how the days differ. Further loves of a user tell nothing new about the coins and are
left out. Evidence is a likelihood ratio, averaged over effects (Lindon & Malek, arXiv 2011.03567; Turner, Ly &
Grunwald, arXiv 2106.02693), lover by lover with the share that the lover was dealt by, and held against the thresholds
of `experiments.boundaries`.

The lift is of the odds that the next first lover comes from the treatment. For rare loves that is the lift of the rate
at which users come to love; where most users love in the end it is nearer to nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from experiments.boundaries import KEPT, LATEST, chance_of_reaching
from experiments.walk import Counts, Floats, Prior, evidence, prior
from stats import limits
from stats.intervals import Interval

_RAMP = 100
"""Different shares that one test may have had."""

_FARTHEST = 40.0
"""Logarithm of odds beyond which an interval has no limit."""


@dataclass(frozen=True, slots=True)
class Lovers:
    """What the first lovers say about the treatment.

    Attributes:
        control: First lovers of the control.
        treatment: First lovers of the treatment.
        lift: Of the odds, most likely; infinite without a lover in control, None without any.
        ci: The lift's interval of confidence `1 - alpha`, valid at any look. It leaves out 0 where `crossed`.
        e_value: Mean likelihood ratio against no effect, now; its expectation is at most 1 at any look.
        p: Valid at any look: the least alpha at which some look until now showed an effect.
        crossed: What was shown, as soon as it was: "more" or "fewer" lovers by the treatment.
        crossed_at: The number of lovers at which it was shown.
        information: Of the lovers, over that of the plan's; 1 when the plan is met.
    """

    control: int
    treatment: int
    lift: float | None
    ci: Interval
    e_value: float
    p: float
    crossed: Literal["more", "fewer"] | None
    crossed_at: int | None
    information: float

    @property
    def words(self) -> str:
        """The counts, the interval, and what is shown.

        >>> first_lovers(np.array([0, 1] * 30, dtype=np.int8), treatment_share=0.5, planned=600).words
        '30 first lovers by the treatment, 30 by control, 10% of the plan: +0% (-59% to +147%), nothing is shown yet'
        """
        counts = f"{self.treatment:,} first lovers by the treatment, {self.control:,} by control"
        counts += f", {self.information:.0%} of the plan"
        if self.lift is None:
            return f"{counts}: nothing is known"
        span = f"{_percent(self.lift)} ({_percent(self.ci.low)} to {_percent(self.ci.high)})"
        if self.crossed is None:
            return f"{counts}: {span}, nothing is shown{' yet' if self.information < 1 else ''}"
        return f"{counts}: {span}, {self.crossed} is shown since first lover {self.crossed_at:,}"


def first_lovers(
    arms: NDArray[np.int8],
    *,
    treatment_share: float | Floats,
    planned: int,
    alpha: float = 0.05,
    planned_share: float | None = None,
) -> Lovers:
    """Walk through the first lovers and hold the evidence after each of them against the boundary.

    A treatment that loses every love is found out, whatever the plan:

    >>> none = first_lovers(np.zeros(20, dtype=np.int8), treatment_share=0.5, planned=4900)
    >>> none.crossed, none.crossed_at, none.lift
    ('fewer', 15, -1.0)

    Args:
        arms: 0 for control, 1 for the treatment: of each user who loved, in the order of their first love, shape (n,).
        treatment_share: Share of the users dealt to the treatment; in a ramp an array of shape (n,), the share that
            held when each of these users was dealt.
        planned: First lovers at which the plan ends (`lover_counts.planned_lovers`), fixed before the test. Later looks
            stay valid.
        alpha: Chance to show an effect where there is none, at all looks together.
        planned_share: The share that `planned` was computed with. Without it the share, or in a ramp a half.

    Raises:
        ValueError: Arms other than 0 and 1, a share outside (0, 1) or not one for each lover, no plan, or an alpha
            outside (0, 0.5).
    """
    coins, dealt_by = _checked(arms, treatment_share)
    whole = _whole(treatment_share, planned_share)
    mixture = prior(planned, whole)
    shares, which = np.unique(dealt_by, return_inverse=True)
    dealt = np.cumsum(which[:, None] == np.arange(len(shares)), axis=0)
    treated = np.cumsum(coins, dtype=np.int64)
    information = np.cumsum(dealt_by * (1 - dealt_by)) / (planned * whole * (1 - whole))
    if not len(coins):
        return Lovers(0, 0, None, Interval(-1.0, math.inf), 1.0, 1.0, None, None, 0.0)
    found = evidence(treated, dealt, shares, 0.0, mixture)
    shown = found.margin(information, alpha) >= 0
    at = int(shown.argmax()) if shown.any() else None
    looks = [len(coins) - 1] if at is None else [at, len(coins) - 1]
    likeliest = _likeliest(int(treated[-1]), dealt[-1], shares)
    return Lovers(
        control=len(coins) - int(treated[-1]),
        treatment=int(treated[-1]),
        lift=_lift(likeliest),
        ci=_common(
            [_left(_WalkLook(int(treated[at]), dealt[at], information[at]), shares, mixture, alpha) for at in looks]
        ),
        e_value=math.exp(min(float(found.open[-1]), 700.0)),
        p=_p(found.planned[information <= LATEST], found.open),
        crossed=None if at is None else ("more" if treated[at] > dealt[at] @ shares else "fewer"),
        crossed_at=None if at is None else at + 1,
        information=float(information[-1]),
    )


def interval_at(control: int, treatment: int, *, treatment_share: float, planned: int, alpha: float = 0.05) -> Interval:
    """The lifts that this look alone does not rule out, without those before it: what a plot shows look by look.

    Args:
        control: First lovers of the control so far.
        treatment: First lovers of the treatment so far.
        treatment_share: Share of the users dealt to the treatment.
        planned: As for `first_lovers`, like alpha.
        alpha: Chance that any look's interval misses the truth.
    """
    share = _share(treatment_share)
    dealt, information = np.array([control + treatment]), (control + treatment) / planned
    return _left(_WalkLook(treatment, dealt, information), np.array([share]), prior(planned, share), alpha)


class _WalkLook(NamedTuple):
    """A look: lovers of the treatment, of both arms by the share that they were dealt with, and the information."""

    treated: int
    dealt: Counts
    information: float


def _left(look: _WalkLook, shares: Floats, mixture: Prior, alpha: float) -> Interval:
    """The lifts that are left after a look: those against which the evidence is too small."""

    def margin(odds: float) -> float:
        against = evidence(np.array([look.treated]), look.dealt[None, :], shares, odds, mixture)
        return float(against.margin(np.array([look.information]), alpha)[0])

    return _interval(margin, _likeliest(look.treated, look.dealt, shares))


def _p(planned: Floats, opened: Floats) -> float:
    spent = chance_of_reaching(math.exp(min(float(planned.max()), 690.0))) / (1 - KEPT) if len(planned) else 1.0
    return min(1.0, spent, math.exp(-float(opened.max())) / KEPT)


def _likeliest(treated: int, dealt: Counts, shares: Floats) -> float:
    """The logarithm of the odds' ratio at which as many first lovers are expected of the treatment as were seen."""
    if treated in (0, dealt.sum()):
        return -math.inf if treated == 0 else math.inf

    def missing(odds: float) -> float:
        return float(dealt @ _expected(odds, shares)) - treated

    return float(brentq(missing, -_FARTHEST, _FARTHEST))


def _expected(odds: float, shares: Floats) -> Floats:
    return 1 / (1 + (1 - shares) / shares * math.exp(-odds))


def _interval(margin: Callable[[float], float], likeliest: float) -> Interval:
    """The lifts that one look does not rule out: against each of them its evidence has no margin."""
    middle = min(max(likeliest, -_FARTHEST), _FARTHEST)

    def end(farthest: float) -> float:
        if margin(farthest) < 0:
            return math.copysign(math.inf, farthest)
        return float(brentq(margin, middle, farthest, xtol=1e-9))

    return Interval(_lift(end(-_FARTHEST)), _lift(end(_FARTHEST)))


def _common(intervals: list[Interval]) -> Interval:
    """What all looks leave, or the last one alone where the effect changed so much that they have nothing in common."""
    low, high = max(each.low for each in intervals), min(each.high for each in intervals)
    return Interval(low, high) if low <= high else intervals[-1]


def _lift(odds: float) -> float:
    return math.expm1(odds) if odds < 700 else math.inf


def _percent(lift: float) -> str:
    return f"{lift:+.0%}" if math.isfinite(lift) else "without limit"


def _checked(arms: NDArray[Any], treatment_share: float | Floats) -> tuple[NDArray[np.bool_], Floats]:
    coins, shares = np.asarray(arms), np.asarray(treatment_share, dtype=float)
    if coins.ndim != 1 or not np.isin(coins, (0, 1)).all():
        raise ValueError(f"arms == {coins}, must be 0 (control) or 1 (treatment) of each first lover, in their order")
    if shares.ndim and shares.shape != coins.shape:
        raise ValueError(f"{len(shares)} shares for {len(coins)} first lovers, must be one share or one for each")
    if len(np.unique(shares)) > _RAMP:
        raise ValueError(f"{len(np.unique(shares))} different shares, must be at most {_RAMP}: the steps of a ramp")
    if not ((shares > 0) & (shares < 1)).all():
        raise ValueError(f"treatment_share == {treatment_share}, must be in (0, 1): 0.5 for half of the users")
    return coins == 1, np.broadcast_to(shares, coins.shape)


def _whole(treatment_share: float | Floats, planned_share: float | None) -> float:
    if planned_share is not None:
        return limits.level("planned_share", planned_share, "0.5 for half of the users")
    return 0.5 if np.ndim(treatment_share) else float(np.asarray(treatment_share))


def _share(share: float) -> float:
    return limits.level("treatment_share", share, "0.5 for half of the users")
