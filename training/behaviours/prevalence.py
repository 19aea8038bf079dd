"""How often each side does what: shares, their change over clusters, shrunken log-odds and evidence.

Rows of one cluster (a user, a prompt) are not independent, on whichever side they stand. A row's influence on the change
`p_b - p_a` is `u_i (x_i - p)` with `u_i` its share of its side's weight, taken negative for the baseline; influences are
added up by cluster, and the variance is the sum of the clusters' squares (the sandwich estimator). A prompt that both
sides answered is one cluster, so that what the prompt causes cancels out.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from stats.estimate import Estimate, Floats
from stats.intervals import normal_quantile
from training.behaviours.corpus import CorpusPair

RARE = 10
"""Responses with a feature, of either side, below which a sandwich is not trusted alone."""
_Z = normal_quantile(0.95)


@dataclass(frozen=True, slots=True)
class Prevalence:
    """Features by prevalence; every array is float64 [features].

    Attributes:
        before: Share of the baseline's responses.
        after: Share of the candidate's.
        before_error: Standard error of `before` over clusters.
        after_error: Of `after`.
        error: Of `after - before`.
        log_odds: Log-odds ratio under an informative Dirichlet prior, candidate over baseline.
        log_odds_error: Of `log_odds`.
        log_evidence: Natural logarithm of the e-value against "no change".
        sizes: Effective responses of either side.
    """

    before: Floats
    after: Floats
    before_error: Floats
    after_error: Floats
    error: Floats
    log_odds: Floats
    log_odds_error: Floats
    log_evidence: Floats
    sizes: tuple[float, float]

    def shares(self, feature: int) -> tuple[Estimate, Estimate]:
        """Both shares with 95 % score intervals (Wilson 1927), each at its effective number of responses."""
        before = _score(self.before[feature], self.before_error[feature], self.sizes[0])
        return before, _score(self.after[feature], self.after_error[feature], self.sizes[1])

    def change(self, feature: int) -> Estimate:
        """The change of the share, in shares of 1."""
        return _normal(self.after[feature] - self.before[feature], self.error[feature])

    def odds(self, feature: int) -> Estimate:
        """The shrunken odds ratio."""
        found = _normal(self.log_odds[feature], self.log_odds_error[feature])
        return Estimate(*(float(np.exp(each)) for each in found))


def prevalence(pair: CorpusPair, held: csr_array, *, prior: float, scale: float) -> Prevalence:
    """Measure each feature on both sides.

    Args:
        pair: The texts.
        held: [rows, features] of 1 and 0.
        prior: Responses that the Dirichlet prior is worth.
        scale: Standard deviation of the changes that the evidence is tuned to.
    """
    side = pair.candidate.astype(np.float64)
    sums_a, sums_b = (_by_cluster(pair, held, pair.shares * each) for each in (1 - side, side))
    weight_a, weight_b = (np.bincount(pair.clusters, pair.shares * each, pair.units) for each in (1 - side, side))
    p_a, p_b = (np.asarray(each.sum(axis=0)).ravel() for each in (sums_a, sums_b))
    squares = [
        float((np.square(pair.shares) * each).sum()) for each in (1 - side, side)
    ]  # one over the effective number of responses
    sizes = 1 / squares[0], 1 / squares[1]
    pooled = (sizes[0] * p_a + sizes[1] * p_b) / sum(sizes)
    small = pair.units / max(1, pair.units - 1)
    moved = sums_b - sums_a

    def variance(sums: csr_array, one: Floats, other: Floats, plus: Floats, minus: Floats) -> Floats:
        """Sum over clusters of (sums - plus one + minus other)^2, without making the sums dense."""
        square = np.asarray(sums.multiply(sums).sum(axis=0)).ravel()
        cross = -2 * one * (sums.T @ plus) + 2 * other * (sums.T @ minus)
        rest = one**2 * (plus @ plus) + other**2 * (minus @ minus) - 2 * one * other * (plus @ minus)
        return np.maximum(small * (square + cross + rest), 0.0)

    nothing = np.zeros(pair.units)
    error_a = np.sqrt(variance(sums_a, p_a, p_a, weight_a, nothing))
    error_b = np.sqrt(variance(sums_b, p_b, p_b, weight_b, nothing))
    independent = pooled * (1 - pooled) * sum(squares)
    counts = np.minimum(*(np.asarray(held[rows].sum(axis=0)).ravel() for rows in (~pair.candidate, pair.candidate)))
    rare = np.where(counts < RARE, independent, 0.0)
    null = np.maximum(variance(moved, pooled, pooled, weight_b, weight_a), rare)
    error = np.sqrt(np.maximum(variance(moved, p_b, p_a, weight_b, weight_a), rare))
    log_odds, spread = dirichlet_log_odds((p_a, p_b), sizes, prior=prior)
    inflated = spread * np.sqrt(np.divide(error**2, independent, out=np.ones_like(error), where=independent > 0))
    return Prevalence(
        before=p_a,
        after=p_b,
        before_error=error_a,
        after_error=error_b,
        error=error,
        log_odds=log_odds,
        log_odds_error=inflated,
        log_evidence=log_evidence(p_b - p_a, null, scale),
        sizes=sizes,
    )


def dirichlet_log_odds(
    shares: tuple[Floats, Floats], sizes: tuple[float, float], *, prior: float
) -> tuple[Floats, Floats]:
    """Log-odds ratios under an informative Dirichlet prior, and their standard errors for independent responses.

    `log((y_b + a) / (n_b + a0 - y_b - a)) - log((y_a + a) / (n_a + a0 - y_a - a))` with the prior `a = a0 p` at the
    pooled share p; variance `1 / (y_b + a) + 1 / (y_a + a)` (Monroe, Colaresi and Quinn, *Fightin' Words*,
    2008). A rare feature is drawn to "no change", a frequent one hardly. Presence in a response takes the
    place of a word's count, so that a word that one response repeats counts once.

    Args:
        shares: Of the baseline's and the candidate's responses, float64 [features].
        sizes: Responses of both.
        prior: a0, responses that the prior is worth.

    >>> odds, error = dirichlet_log_odds((np.array([0.01]), np.array([0.03])), (1000, 1000), prior=1e-9)
    >>> round(float(np.exp(odds[0])), 2), round(float(error[0]), 2)
    (3.06, 0.37)
    """
    pooled = (sizes[0] * shares[0] + sizes[1] * shares[1]) / sum(sizes)
    least = 1 / (2 * sum(sizes))
    beliefs = prior * np.clip(pooled, least, 1 - least)
    logits, variances = [], np.zeros_like(pooled)
    for share, size in zip(shares, sizes, strict=True):
        count = size * share + beliefs
        logits.append(np.log(count) - np.log(size + prior - count))
        variances = variances + 1 / count
    return logits[1] - logits[0], np.sqrt(variances)


def log_evidence(change: Floats, variance: Floats, scale: float) -> Floats:
    """The logarithm of a normal mixture's e-value against "no change"; 0 where nothing is known.

    `e = sqrt(V / (V + c^2)) exp(z^2 / 2 * c^2 / (V + c^2))`, `z^2 = change^2 / V`: the likelihood ratio against changes
    that are normal with standard deviation c. Along a growing sample it is a test martingale in the limit of many
    clusters (asymptotic confidence sequences: Waudby-Smith and others, arXiv 2103.06476), so that a live test may be
    read as often as one likes; at a single reading its mean is at most 1 under "no change".

    >>> log_evidence(np.array([0.02, 0.0]), np.array([0.003**2] * 2), 0.02).round(1).tolist()
    [19.8, -1.9]
    """
    certain = variance <= 0
    spread = np.where(certain, 1.0, variance)
    ratio = scale**2 / (spread + scale**2)
    found = 0.5 * np.log1p(-ratio) + 0.5 * change**2 / spread * ratio
    return np.where(certain, 0.0, found)


def _by_cluster(pair: CorpusPair, held: csr_array, weights: Floats) -> csr_array:
    """Sums over each cluster's rows, [clusters, features]."""
    rows = np.flatnonzero(weights)
    shape = (pair.units, len(weights))
    return csr_array(csr_array((weights[rows], (pair.clusters[rows], rows)), shape=shape) @ held)


def _score(share: float, error: float, size: float) -> Estimate:
    trials = share * (1 - share) / error**2 if error > 0 and 0 < share < 1 else size
    middle, scale = share + _Z**2 / (2 * trials), 1 + _Z**2 / trials
    half = _Z * np.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2))
    return Estimate(float(share), max(0.0, float((middle - half) / scale)), min(1.0, float((middle + half) / scale)))


def _normal(value: float, error: float) -> Estimate:
    return Estimate(float(value), float(value - _Z * error), float(value + _Z * error))
