"""Is one arm's rate higher than another's, or than a limit? Evidence that may be looked at every second.

An e-value is a statistic whose mean is at most 1 while the null hypothesis holds. Multiplied over windows, each bet on
what the windows *before* it taught, it is a supermartingale: the chance that the product ever reaches 1/alpha is at
most alpha (Ville), however often one looks and whenever one stops.

Two arms: the E-variables of Turner, Ly and Grünwald (arXiv 2106.02693), with the null hypothesis `x <= factor * y` of
Turner and Grünwald (arXiv 2203.09785). In a window with n_x, n_y responses of which k_x, k_y happened, bets p_x, p_y:

    E = (p_x/q_x)^k_x ((1-p_x)/(1-q_x))^(n_x-k_x) (p_y/q_y)^k_y ((1-p_y)/(1-q_y))^(n_y-k_y)

(q_x, q_y) is the point of the null nearest to (p_x, p_y) in Kullback-Leibler divergence. Why its mean is at most 1: the
factors of x have the mean `1 + (x - q_x) a` each, `a = (p_x - q_x) / (q_x (1 - q_x)) > 0`, those of y `1 + (y - q_y) b`
with b < 0. On the boundary `x = factor * y`, `log mean E <= (y - q_y) (factor n_x a + n_y b)`, and the last bracket is
zero, since q is nearest. Inside the null x is smaller, and so is the mean.

`experiments.srm` tests something else: one multinomial against known shares.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

_PRIOR_EVENTS = 2.0
"""A bet starts at the common rate and trusts it as if two events had been seen at it."""


class WindowCounts(NamedTuple):
    """Counts of one window: responses and events of the arm in question (x), and of the one it is compared with (y)."""

    x_served: int
    x_events: int
    y_served: int = 0
    y_events: int = 0


def log_evidence_above(windows: Iterable[WindowCounts], factor: float = 1.0, *, design_effect: float = 1.0) -> float:
    """Natural logarithm of the e-value against `rate of x <= factor * rate of y`.

    >>> harmless = [WindowCounts(200, 4, 200, 4)] * 20
    >>> harmful = [WindowCounts(200, 16, 200, 3)] * 20
    >>> log_evidence_above(harmless) < 1, log_evidence_above(harmful, factor=2) > math.log(1000)
    (True, True)

    Args:
        windows: In the order of time; one without responses of both arms says nothing.
        factor: 1 or more.
        design_effect: How many times over the responses of one user repeat each other: the variance of a rate over
            that of independent responses. Evidence is divided by it: a root of an e-value is one, too.
    """
    if factor < 1:
        raise ValueError(f"factor == {factor}, must be at least 1: the null is rate of x <= factor * rate of y")
    total = 0.0
    x_served = x_events = y_served = y_events = 0
    for w in windows:
        common = (x_events + y_events + 0.5) / (x_served + y_served + 1)
        bets = _bet(x_served, x_events, common), _bet(y_served, y_events, common)
        if w.x_served and w.y_served and bets[0] > factor * bets[1]:
            nearest = _nearest(w.x_served, bets[0], w.y_served, bets[1], factor)
            total += _log_ratio(w.x_served, w.x_events, bets[0], nearest[0])
            total += _log_ratio(w.y_served, w.y_events, bets[1], nearest[1])
        x_served, x_events = x_served + w.x_served, x_events + w.x_events
        y_served, y_events = y_served + w.y_served, y_events + w.y_events
    return total / design_effect


def log_evidence_over(windows: Iterable[WindowCounts], limit: float, *, design_effect: float = 1.0) -> float:
    """Natural logarithm of the e-value against `rate of x <= limit`; the windows' y is not looked at.

    >>> few, many = [WindowCounts(200, 8)] * 20, [WindowCounts(200, 24)] * 20
    >>> log_evidence_over(few, 0.05) <= 0 < log_evidence_over(many, 0.05)
    True

    Raises:
        ValueError: The limit is not inside (0, 1).
    """
    if not 0 < limit < 1:
        raise ValueError(f"limit == {limit}, must be in (0, 1): a share of the responses")
    total = 0.0
    served = events = 0
    for w in windows:
        bet = _bet(served, events, limit)
        if bet > limit:
            total += _log_ratio(w.x_served, w.x_events, bet, limit)
        served, events = served + w.x_served, events + w.x_events
    return total / design_effect


def _bet(served: int, events: int, common: float) -> float:
    """The rate expected next: that of the past, drawn towards the common one while little was seen."""
    strength = _PRIOR_EVENTS / common
    return min((events + _PRIOR_EVENTS) / (served + strength), 1 - 1e-9)


def _log_ratio(served: int, events: int, bet: float, null: float) -> float:
    return events * math.log(bet / null) + (served - events) * math.log((1 - bet) / (1 - null))


def _nearest(x_served: int, x_bet: float, y_served: int, y_bet: float, factor: float) -> tuple[float, float]:
    """The point (factor * t, t) that is nearest to the bets: the smaller root of the score equation, a quadratic."""
    total = x_served + y_served
    events = x_served * x_bet + y_served * y_bet
    middle = events * (1 + factor) + x_served * (1 - x_bet) * factor + y_served * (1 - y_bet)
    t = (middle - math.sqrt(middle * middle - 4 * factor * total * events)) / (2 * factor * total)
    return factor * t, t
