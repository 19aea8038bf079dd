"""Whether an effect lasts: by day since a user's first exposure, and from one experiment into the next.

A novelty is loved because it is new, and fades; a change that must be learnt grows. Both show as a slope of the effect
over a user's days. Users come back, and not all of them: the days are of the same users, fewer each day, so the slope's
error is over users, and a slope may also be that those who stay are others than those who came.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from experiments.adjust import adjusted
from experiments.columns import Counted, Ints, codes, counted, numbers, same_length
from experiments.effect import exact_interval, sums
from experiments.lifts import NOTHING, span
from experiments.regression import LogRatio, missing, plain
from experiments.slope import day_slope
from stats import limits
from stats.intervals import CONFIDENCE, Interval


class DayEffect(NamedTuple):
    """The effect among users on one day of theirs.

    Attributes:
        day: Since the first exposure, which is on day 0.
        exposures: Of both arms.
        lift: Relative; None where the control has no event.
        ci: Of one look; exact for independent exposures where an arm has no event.
    """

    day: int
    exposures: float
    lift: float | None
    ci: Interval


@dataclass(frozen=True, slots=True)
class Novelty:
    """Whether the effect changes with the days.

    Attributes:
        slope: Change of the log ratio a day; None where it is not known.
        ci: Of the slope, for one look.
        p: Two-sided, of no change.
        days: Every day's effect, in order.
        words: What it means.
    """

    slope: float | None
    ci: Interval
    p: float
    days: tuple[DayEffect, ...]
    words: str


@dataclass(frozen=True, slots=True)
class CarryOver:
    """What an earlier treatment still does.

    Attributes:
        lift: Of who was treated before over who was a control; None where an arm has no event.
        ci: Of it, for one look.
        p: Two-sided, of no difference.
        leak: The lift that it alone puts into the new comparison, since the new arms hold unequal shares of them.
        words: What it means.
    """

    lift: float | None
    ci: Interval
    p: float
    leak: float
    words: str


def by_day(events: Any, exposures: Any, arm: Any, day: Any, user: Any, *, confidence: float = CONFIDENCE) -> Novelty:
    """Measure the effect on each day since the user's first exposure, and test whether it changes.

    `E x = y exp(alpha_day + arm (a + b day))`, fitted by Poisson quasi-likelihood with a level for every day. Given a
    day's events `X_d`, the treatment's share of them is `p_d = y_t e^eta / (y_c + y_t e^eta)`, `eta = a + b day`, so
    that a and b solve `sum_d (1, d) (x_td - X_d p_d) = 0`: days without an event in one arm do no harm. The variance
    adds up each user's scores over all days (Liang & Zeger 1986), the interval is Student's t with Satterthwaite's
    degrees of freedom.

    >>> rng = np.random.default_rng(1)
    >>> user, day = np.repeat(np.arange(4000), 7), np.tile(np.arange(7), 4000)
    >>> arm = user % 2
    >>> loves = rng.binomial(10, 0.05 * (1 + arm * 0.8**day))
    >>> by_day(loves, np.full(28_000, 10), arm, day, user).words.partition(":")[0]
    'the effect fades, the ratio by -6.8% a day (-8.1% to -5.4%)'

    Args:
        events: Of each user on each day of theirs, float64[rows].
        exposures: The same.
        arm: int8[rows], 0 for the control, 1 for the treatment.
        day: int64[rows], since the user's first exposure, from 0.
        user: int64[rows], a number for each user.
        confidence: Of the intervals.

    Raises:
        ValueError: Columns of different lengths, a number that cannot be, a user with two rows of a day or in both
            arms, or a confidence outside (0, 1).
    """
    limits.level("confidence", confidence, "0.95 for a 95 % interval")
    rows = counted(events, exposures, arm)
    dates, owner = numbers("day", day, "days since the user's first exposure"), numbers("user", user, "one a user")
    same_length(events=rows.events, day=dates, user=owner)
    _refuse_repeated(rows, dates, owner)
    days = tuple(
        _of_day(Counted(*(each[dates == one] for each in rows)), one, confidence) for one in np.unique(dates).tolist()
    )
    slope = day_slope(rows, dates, owner)
    if slope is None:
        return Novelty(None, Interval(-math.inf, math.inf), 1.0, days, "too few days with events to see a change")
    ci = _linear(slope, confidence)
    return Novelty(slope.value, ci, slope.p, days, _novelty_words(slope, ci, days))


def carry_over(
    events: Any, exposures: Any, arm: Any, previous_arm: Any, *, confidence: float = CONFIDENCE
) -> CarryOver:
    """Compare those whom the previous experiment treated with those whom it did not.

    An A/A test on the previous arms, at equal shares of the new arms (`adjust.adjusted`): nobody is treated anew yet,
    or both are alike, so that a difference is left over from before. With q the share of a new arm's exposures that
    are of users treated before, and d the lift, the new comparison is off by `(1 + q_t d) / (1 + q_c d) - 1`.

    Args:
        events: Of each user, float64[users], after the previous experiment ended.
        exposures: The same.
        arm: int8[users], the arm of the new experiment.
        previous_arm: int8[users], 0, 1, or -1 for who was not in the previous experiment.
        confidence: Of the interval.

    Raises:
        ValueError: As `adjust.adjusted`.
    """
    rows = counted(events, exposures, arm)
    before = codes("previous_arm", previous_arm, (-1, 0, 1), "-1 for who was not in the previous experiment")
    same_length(events=rows.events, previous_arm=before)
    was_in = before >= 0
    x, y, new = (each[was_in] for each in rows)
    found = adjusted(x, y, before[was_in], new[:, None], confidence=confidence)
    treated = (before == 1) * rows.exposures
    shares = [float(treated[of].sum() / max(rows.exposures[of].sum(), 1e-300)) for of in (rows.treated, ~rows.treated)]
    lift = found.lift or 0.0
    leak = (1 + shares[0] * lift) / (1 + shares[1] * lift) - 1
    return CarryOver(found.lift, found.ci, found.p, leak, _carry_words(found.lift, found.ci, leak))


def _of_day(rows: Counted, day: int, confidence: float) -> DayEffect:
    seen = float(rows.exposures.sum())
    if not missing(rows):
        found = plain(rows)
        return DayEffect(day, seen, math.expm1(found.value), found.ci(confidence))
    control, treatment = (sums(rows.events[of], rows.exposures[of]) for of in (~rows.treated, rows.treated))
    if not (control.exposures and treatment.exposures and control.events + treatment.events):
        return DayEffect(day, seen, None, NOTHING)
    lift = treatment.rate / control.rate - 1 if control.events else None
    return DayEffect(day, seen, lift, exact_interval(control, treatment, confidence))


def _refuse_repeated(rows: Counted, dates: Ints, owner: Ints) -> None:
    """Refuse rows that are not one for each user and day, or users of both arms.

    Raises:
        ValueError: There are some.
    """
    order = np.lexsort((dates, owner))
    user, date, treated = owner[order], dates[order], rows.treated[order]
    again = user[1:] == user[:-1]
    twice = np.flatnonzero(again & (date[1:] == date[:-1]))
    if len(twice):
        rule = "must be one row for each user and day: sum up"
        raise ValueError(f"user {user[twice[0]]} has several rows of day {date[twice[0]]}, {rule}")
    both = np.unique(user[1:][again & (treated[1:] != treated[:-1])])
    if len(both):
        told = f"user {both[0]} is" if len(both) == 1 else f"{len(both):,} users, as user {both[0]}, are"
        raise ValueError(f"{told} in both arms, must be in one: leave them out")


def _linear(slope: LogRatio, confidence: float) -> Interval:
    low, high = slope.ci(confidence)  # as of a lift; the slope is its logarithm
    return Interval(math.log1p(low) if low > -1 else -math.inf, math.log1p(high))


def _novelty_words(slope: LogRatio, ci: Interval, days: tuple[DayEffect, ...]) -> str:
    first, last = days[0], days[-1]
    told = f"{span(first.lift, first.ci)} on day {first.day}, {span(last.lift, last.ci)} on day {last.day}"
    change = f"{math.expm1(slope.value):+.1%} a day ({math.expm1(ci.low):+.1%} to {math.expm1(ci.high):+.1%})"
    if ci.low <= 0 <= ci.high:
        return f"no change of the effect over the days is shown, {change}: {told}"
    falls = slope.value < 0
    began = first.lift is None or first.lift >= 0
    verb = ("fades" if falls else "grows") if began else ("worsens" if falls else "recovers")
    return f"the effect {verb}, the ratio by {change}: {told}"


def _carry_words(lift: float | None, ci: Interval, leak: float) -> str:
    told = f"who was treated before, over who was a control: {span(lift, ci)}"
    if lift is None or ci.low <= 0 <= ci.high:
        return f"no carry-over is shown, {told}"
    cure = "leave out who was in the previous experiment, or wait until it has worn off"
    return f"carry-over, {told}; it alone makes {leak:+.2%} of the new lift: {cure}"
