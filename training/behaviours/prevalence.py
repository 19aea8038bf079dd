"""How often each side does what: shares, their change over clusters, shrunken log-odds and evidence.

Rows of one cluster (a user, a prompt) are not independent, on whichever side they stand. A row's influence on the
change `p_b - p_a` is `u_i (x_i - p)` with `u_i` its share of its side's weight, taken negative for the baseline;
influences are added up by cluster, and the variance is the sum of the clusters' squares (the sandwich estimator). A
prompt that both sides answered is one cluster, so that what the prompt causes cancels out.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from stats.estimate import Estimate, Floats
from stats.intervals import normal_quantile
from training.behaviours.corpus import CorpusPair

RARE = 10
"""Responses with a feature, of either side, below which a sandwich is not trusted alone."""
_Z = normal_quantile(0.95)
_WIDER = (1.0, 5.0, 25.0)
"""Changes that evidence is tuned to, as multiples of the least."""


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

    The error of the change is the sandwich's; where either side has fewer than `RARE` responses with a feature, it is
    at least that of independent responses with the pooled share, since squares of nothing are nothing. Evidence is
    taken with residuals from the pooled share, which "no change" implies.

    Args:
        pair: The texts.
        held: [rows, features] of 1 and 0.
        prior: Responses that the Dirichlet prior is worth.
        scale: Standard deviation of the changes that the evidence is tuned to.
    """
    one, other = (_side(pair, held, rows) for rows in (~pair.candidate, pair.candidate))
    pooled = (one.size * one.share + other.size * other.share) / (one.size + other.size)
    independent = pooled * (1 - pooled) * (1 / one.size + 1 / other.size)
    rare = np.where(np.minimum(one.counts, other.counts) < RARE, independent, 0.0)
    moved = csr_array(other.sums - one.sums)
    squares = _squares(moved, other, other.share, one, one.share)
    null = np.maximum(_squares(moved, other, pooled, one, pooled), rare)
    error = np.sqrt(np.maximum(squares, rare))
    log_odds, spread = dirichlet_log_odds((one.share, other.share), (one.size, other.size), prior=prior)
    design = np.divide(error**2, independent, out=np.ones_like(error), where=independent > 0)
    return Prevalence(
        before=one.share,
        after=other.share,
        before_error=np.sqrt(_squares(one.sums, one, one.share)),
        after_error=np.sqrt(_squares(other.sums, other, other.share)),
        error=error,
        log_odds=log_odds,
        log_odds_error=spread * np.sqrt(design),
        log_evidence=log_evidence(other.share - one.share, null, scale),
        sizes=(one.size, other.size),
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
    that are normal with standard deviation c; the mean of that for c = scale, 5 scale and 25 scale, so that few
    responses with a large change tell, too. Along a growing sample it is a test martingale in the limit of many
    clusters (asymptotic confidence sequences: Waudby-Smith and others, arXiv 2103.06476), so that a live test may be
    read as often as one likes; at a single reading its mean is at most 1 under "no change".

    >>> log_evidence(np.array([0.02, 0.0]), np.array([0.003**2] * 2), 0.02).round(1).tolist()
    [19.1, -2.8]
    """
    certain = variance <= 0
    spread = np.where(certain, 1.0, variance)
    parts = [(each * scale) ** 2 / (spread + (each * scale) ** 2) for each in _WIDER]
    told = [0.5 * np.log1p(-part) + 0.5 * change**2 / spread * part for part in parts]
    found = np.logaddexp.reduce(told) - np.log(len(_WIDER))
    return np.asarray(np.where(certain, 0.0, found))


@dataclass(frozen=True, slots=True)
class _Side:
    """One side's sums.

    Attributes:
        sums: [clusters, features], weighted responses with each feature.
        weights: [clusters], their weight, summing to 1.
        share: [features].
        counts: [features], responses with each feature.
        size: Effective number of responses, `1 / sum u_i^2`.
    """

    sums: csr_array
    weights: Floats
    share: Floats
    counts: Floats
    size: float


def _side(pair: CorpusPair, held: csr_array, rows: npt.NDArray[np.bool_]) -> _Side:
    places, weights = np.flatnonzero(rows), pair.shares * rows
    shape = (pair.units, len(rows))
    sums = csr_array(csr_array((weights[places], (pair.clusters[places], places)), shape=shape) @ held)
    return _Side(
        sums=sums,
        weights=np.bincount(pair.clusters, weights, pair.units).astype(np.float64),
        share=_total(sums),
        counts=_total(held[places]),
        size=float(1 / (weights @ weights)),
    )


def _squares(sums: csr_array, plus: _Side, p: Floats, minus: _Side | None = None, q: Floats | None = None) -> Floats:
    """`G / (G - 1) sum_c (sums_c - p plus_c + q minus_c)^2` over G clusters, without making the sums dense."""
    count = sums.shape[0]
    found = _total(csr_array(sums.multiply(sums))) - 2 * p * (sums.T @ plus.weights)
    found = found + p**2 * (plus.weights @ plus.weights)
    if minus is not None and q is not None:
        found = found + 2 * q * (sums.T @ minus.weights) + q**2 * (minus.weights @ minus.weights)
        found = found - 2 * p * q * (plus.weights @ minus.weights)
    return np.asarray(np.maximum(found * count / max(1, count - 1), 0.0))


def _total(matrix: csr_array) -> Floats:
    """The sum of each column."""
    return np.asarray(matrix.sum(axis=0), np.float64).ravel()


def _score(share: float, error: float, size: float) -> Estimate:
    trials = share * (1 - share) / error**2 if error > 0 and 0 < share < 1 else size
    middle, scale = share + _Z**2 / (2 * trials), 1 + _Z**2 / trials
    half = _Z * np.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2))
    low, high = float((middle - half) / scale), float((middle + half) / scale)
    return Estimate(float(share), low if share > 0 else 0.0, high if share < 1 else 1.0)


def _normal(value: float, error: float) -> Estimate:
    return Estimate(float(value), float(value - _Z * error), float(value + _Z * error))
