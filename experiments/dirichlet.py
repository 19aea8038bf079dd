"""Evidence against promised shares that grows with every user: Dirichlet factors, begun anew as users double.

While the shares hold, each factor here is a martingale that begins at 1: the chance that it, or a mean of several with
weights that sum to 1, ever exceeds 1/alpha is at most alpha (Ville 1939). So one may look as often as one likes.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, logsumexp

from stats import limits

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
History = Ints | Sequence[Sequence[int]]
"""Cumulative users, [looks, arms]: rows in the order of time, columns in the order of the shares."""

PRIORS = (1_000.0, 10_000.0)
"""Users that a Dirichlet stands for: it expects mismatches of a few per cent, or of one."""
_FIRST_RESTART = 8_192
"""Users before restart 1; each later one begins at twice as many. A leak in fewer users is seen well from the first."""
_FIRST_USER = 0.5
"""Weight of the factor that never begins anew: a leak from the first day costs ln 2, whatever comes after."""
_FLATNESS = 8
"""The parts `f / ((j + f - 1)(j + f))` sum to 1 over j = 1, 2, ...; those up to j = f differ by a factor below four."""


def log_factor(seen: Ints, theta: Floats, prior_users: float) -> Floats:
    """The logarithm of the factor of the counts n against the shares theta (Lindon and Malek, arXiv 2011.03567).

    `Gamma(K)/Gamma(K+n) * prod_i Gamma(a_i+n_i)/Gamma(a_i) / prod_i theta_i^n_i`, with `a_i = K theta_i`: the
    likelihood of the arms in their order, mixed over Dirichlet(a), over the likelihood at theta.

    >>> float(log_factor(np.array([0, 0]), np.array([0.5, 0.5]), 1_000))
    0.0

    Args:
        seen: Users per arm, int64[..., arms].
        theta: Their shares, float64[arms], above 0, together 1.
        prior_users: K, how many users the Dirichlet stands for.

    Returns:
        float64[...].
    """
    prior = prior_users * theta
    of_arms = gammaln(prior + seen) - gammaln(prior) - seen * np.log(theta)
    total = gammaln(prior_users) - gammaln(prior_users + seen.sum(axis=-1))
    return np.asarray(total + of_arms.sum(axis=-1), np.float64)


def log_mean_factor(seen: Ints, theta: Floats) -> Floats:
    """The logarithm of the mean of the factors over `PRIORS`; shapes as for `log_factor`."""
    factors = [log_factor(seen, theta, prior_users) for prior_users in PRIORS]
    return np.asarray(logsumexp(factors, axis=0) - math.log(len(factors)), np.float64)


def evidence(looks: History, shares: Mapping[str, float]) -> Floats:
    """The logarithm of the e-process with restarts at each look, float64[looks].

    `E = sum_j w_j F_j`, where `F_j` is the mean factor of the users after restart j, and 1 before it. Restart 0 is the
    first user; restart j is the first look with at least `8,192 * 2^(j - 1)` users. Each factor is a martingale from 1,
    the weights `w_0 = 1/2`, `w_j = 4 / ((j + 7)(j + 8))` sum to 1, and so E is a martingale from 1. What a leak that
    begins late shows is not drowned in the balanced users before it.

    >>> fair_then_leaking = [[100_000, 100_000], [105_000, 104_500], [110_000, 109_000]]
    >>> evidence(fair_then_leaking, {"control": 0.5, "treatment": 0.5}).round(1).tolist()
    [-0.6, 8.4, 21.2]

    Args:
        looks: Every look as it was: no look may be chosen, nor left out, by what came after it.
        shares: Of the users by arm, in the order of the columns.

    Raises:
        ValueError: Other columns than arms, a count that is none, or one that falls; shares that are no whole.
    """
    parts, later = _weighted(cumulative(looks, len(shares)), shares_of(shares))
    return np.asarray(np.logaddexp(logsumexp(parts, axis=0), later), np.float64)


def onset(looks: History, shares: Mapping[str, float]) -> int:
    """Users before the leak began, as far as restarts tell: before the one with the most evidence at its height.

    >>> onset([[4_000 * look, 4_000 * look] for look in range(1, 10)] + [[60_000, 50_000]], {"a": 0.5, "b": 0.5})
    72000

    Raises:
        ValueError: As for `evidence`.
    """
    seen = cumulative(looks, len(shares))
    parts, _ = _weighted(seen, shares_of(shares))
    restart = int(parts[:, logsumexp(parts, axis=0).argmax()].argmax())
    return int(seen[_restarts(seen)[restart - 1]].sum()) if restart else 0


def shares_of(shares: Mapping[str, float]) -> Floats:
    """The shares as float64[arms].

    Raises:
        ValueError: They are no whole.
    """
    return np.array([*limits.shares(shares).values()], np.float64)


def cumulative(looks: History, arms: int) -> Ints:
    """The looks as int64[looks, arms].

    Raises:
        ValueError: Other columns than arms, no row, a count that is no whole number, or one that falls.
    """
    seen = np.asarray(looks)
    if seen.ndim != 2 or seen.shape[1] != arms or not len(seen):
        raise ValueError(f"the looks have shape {list(seen.shape)}, must be [looks, {arms}]: one column for each arm")
    if not (np.isfinite(seen).all() and (seen >= 0).all() and (seen == seen // 1).all()):
        raise ValueError("the looks hold a count that is no whole number of users, 0 or more: count each user once")
    falls = np.flatnonzero((np.diff(seen.astype(np.int64), axis=0) < 0).any(axis=1))
    if len(falls):
        before, after = seen[falls[0]].tolist(), seen[falls[0] + 1].tolist()
        raise ValueError(f"the counts fall from {before} to {after}, must be cumulative: all users until each look")
    return seen.astype(np.int64)


def _restarts(looks: Ints) -> Ints:
    """The looks at which restarts 1, 2, ... begin, int64[restarts]; several at one look where users came in a rush."""
    totals = looks.sum(axis=1)
    doublings = (int(totals[-1]) // _FIRST_RESTART).bit_length()
    return np.searchsorted(totals, _FIRST_RESTART * 2 ** np.arange(doublings))


def _weighted(looks: Ints, theta: Floats) -> tuple[Floats, float]:
    """`ln(w_j F_j)` of what has begun, float64[restarts + 1, looks], and `ln` of the weight of all later restarts."""
    begun = looks[_restarts(looks)][:, None]
    since = np.concatenate([looks[None], np.maximum(looks[None] - begun, 0)])  # before a restart nobody: a factor of 1
    number = np.arange(1, len(since))
    restarted = (1 - _FIRST_USER) * _FLATNESS / ((number + _FLATNESS - 1) * (number + _FLATNESS))
    later = (1 - _FIRST_USER) * _FLATNESS / (len(number) + _FLATNESS)
    weights = np.concatenate([[_FIRST_USER], restarted])
    return np.log(weights)[:, None] + log_mean_factor(since, theta), math.log(later)
