"""A walk of coins: evidence about the odds that a first lover comes from the treatment, and when it is enough.

A user is dealt to the treatment with chance `theta`. If the treatment multiplies the odds by `exp(x)`, a first lover
comes from it with chance `theta exp(x) / (1 - theta + theta exp(x))`; without effect `x = 0`.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.boundaries import KEPT, LATEST, SPREAD, spent_threshold
from experiments.passage import Stops
from stats import limits

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_SURPRISE = 2.0
"""Standard deviation of the wide prior of `x`: a treatment that loses every love is seen within some 15 first lovers,
however long the plan."""

_CHUNK = 2048
"""Rows whose likelihoods are held at once: 5 MB."""


class Prior(NamedTuple):
    """Two discrete priors over `x`, centred on what is tested. Any prior gives a valid test; these are near normal.

    Attributes:
        planned: Effects of the size that the plan looks for, standard deviation `sqrt(SPREAD / information planned)`.
        planned_log: Logarithms of their weights, which sum to 1.
        wide: Effects of any size.
        wide_log: As `planned_log`.
    """

    planned: Floats
    planned_log: Floats
    wide: Floats
    wide_log: Floats


class LogEvidence(NamedTuple):
    """Logarithms of two likelihood ratios: a mean over effects of the plan's size, and one that sees surprises, too.

    Attributes:
        planned: Over the planned prior alone, which spends alpha by the plan.
        open: The mean of the planned and the wide one, an e-value at any look for ever.
    """

    planned: Floats
    open: Floats

    def margin(self, information: Floats, alpha: float) -> Floats:
        """By how much the evidence is above what is enough; below 0 where it is not.

        Enough is the spent threshold until `LATEST`, or the threshold for the kept share of alpha at any time.
        """
        spent = np.where(information <= LATEST, self.planned - math.log(spent_threshold(alpha)), -np.inf)
        return np.maximum(spent, self.open + math.log(KEPT * alpha))


def chance(lift: float, share: float) -> float:
    """The chance that a first lover comes from the treatment when its odds are `1 + lift` times as high.

    >>> round(chance(0.5, 0.5), 3), chance(0.0, 0.1)
    (0.6, 0.1)
    """
    return share * (1 + lift) / (1 + share * lift)


def prior(planned: int, share: float) -> Prior:
    """The priors of a plan of so many first lovers, each worth `share (1 - share)` of information about `x`.

    Raises:
        ValueError: No whole number of lovers above 0, or a share outside (0, 1).
    """
    if isinstance(planned, bool) or not isinstance(planned, int | np.integer) or planned < 1:
        raise ValueError(f"planned == {planned!r}, must be a whole number above 0: see planned_lovers")
    level = limits.level("treatment_share", share, "0.5 for half of the users")
    spread = math.sqrt(SPREAD / (planned * level * (1 - level)))
    return Prior(*_near_normal(spread, 6.0, 121), *_near_normal(_SURPRISE, 4.0, 161))


def evidence(treated: Counts, dealt: Counts, shares: Floats, against: float, prior: Prior) -> LogEvidence:
    """The evidence against `x = against` after some first lovers.

    `log sum_j w_j exp(k x_j - sum_s n_s (log(1 + s (e^(a + x_j) - 1)) - log(1 + s (e^a - 1))))` for each prior.

    Args:
        treated: Lovers of the treatment, shape (looks,).
        dealt: Lovers of both arms by the share that they were dealt with, shape (looks, shares).
        shares: Of the treatment, shape (shares,).
        against: The logarithm of the odds' ratio that is tested; 0 is no effect.
        prior: Of the difference to it.
    """
    first, second = np.empty(len(treated)), np.empty(len(treated))
    for start in range(0, len(treated), _CHUNK):
        rows = slice(start, start + _CHUNK)
        for means, by, weights in ((first, prior.planned, prior.planned_log), (second, prior.wide, prior.wide_log)):
            means[rows] = _log_sum(weights + treated[rows, None] * by - dealt[rows] @ _lost(shares, against, by))
    return LogEvidence(first, np.logaddexp(first, second) - math.log(2))


def stopping_law(planned: int, share: float, lift: float, alpha: float = 0.05, *, until: float = LATEST) -> Stops:
    """When the walk with a constant share is stopped, exactly, by dynamic programming.

    >>> law = stopping_law(600, 0.5, 0.0)
    >>> bool(law.by(1.0) < 0.0475), bool(law.by(1.1) < 0.05)
    (True, True)

    Args:
        planned: First lovers of the plan.
        share: Of the users, dealt to the treatment.
        lift: Of the odds, true.
        alpha: Chance of a false alarm at any look.
        until: Information at which the law ends.

    Raises:
        ValueError: As `prior`; or a lift of at most -1, or alpha outside (0, 0.5).
    """
    up = chance(limits.lift("lift", lift), share)
    lovers = np.arange(1, math.floor(until * planned + 1e-9) + 1)
    low, high = edges(lovers, planned, share, alpha)
    going, least = np.ones(1), 0
    more, fewer = np.zeros(len(lovers)), np.zeros(len(lovers))
    for i in range(len(lovers)):
        new = np.zeros(len(going) + 1)
        new[:-1] = going * (1 - up)
        new[1:] += going * up
        under, over = max(low[i] + 1 - least, 0), max(high[i] - least, 0)
        fewer[i], more[i] = new[:under].sum(), new[over:].sum()
        going, least = new[under:over], least + under
    return Stops(lovers / planned, np.cumsum(more), np.cumsum(fewer))


def edges(lovers: Counts, planned: int, share: float, alpha: float) -> tuple[Counts, Counts]:
    """How few, and how many, of the first lovers the treatment must have for the evidence to be enough.

    -1, and one more than the lovers, where no count is. Evidence is convex in the count, so halving finds each edge.
    """
    mixture, middle = prior(planned, share), np.floor(share * lovers).astype(np.int64)
    shares, information = np.array([share]), lovers / planned

    def enough(treated: Counts) -> NDArray[np.bool_]:
        return evidence(treated, lovers[:, None], shares, 0.0, mixture).margin(information, alpha) >= 0

    low, inside = np.full(len(lovers), -1), middle.copy()
    while np.any(inside - low > 1):
        between = (low + inside) // 2
        out = (between < 0) | enough(np.maximum(between, 0))
        low, inside = np.where(out, between, low), np.where(out, inside, between)
    inside, high = middle.copy(), lovers + 1
    while np.any(high - inside > 1):
        between = (high + inside) // 2
        out = (between > lovers) | enough(np.minimum(between, lovers))
        high, inside = np.where(out, between, high), np.where(out, inside, between)
    return low, high


def _near_normal(spread: float, reach: float, nodes: int) -> tuple[Floats, Floats]:
    z = np.linspace(-reach, reach, nodes)
    log = -(z**2) / 2
    return spread * z, log - math.log(float(np.exp(log).sum()))


def _lost(shares: Floats, against: float, by: Floats) -> Floats:
    """`log(1 + s (e^(a + x) - 1)) - log(1 + s (e^a - 1))`: what a lover costs each effect, shape (shares, effects)."""
    return np.log1p(shares[:, None] * np.expm1(against + by)) - np.log1p(shares * math.expm1(against))[:, None]


def _log_sum(logs: Floats) -> Floats:
    most = logs.max(axis=1)
    return np.asarray(most + np.log(np.exp(logs - most[:, None]).sum(axis=1)), dtype=np.float64)
