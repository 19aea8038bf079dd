"""Does a user love more than users like them? Evidence that may be looked at every day.

**The null hypothesis.** An honest user gives loves at the rate `kappa p`: `p` is the chance of a love by models that
learnt from other users, `kappa ~ Gamma(a, a / m)` the user's own taste. With `S` the sum of `p` over what was shown and
`N` the number of loves, the likelihood against a process of rate `p` is, kappa integrated out (negative binomial),

    f(N, S) = G(a + N) / G(a) * b^a / (b + S)^(a + N),    b = a / m.

**Alternatives**, each from some day on, on everything or on a part (what others rarely love; one arm of a test): the
user loves `r` times as much as expected, `r^N exp(-r S)`, or with chance `q` whatever is shown,
`q^N prod(1/p) exp(-q n)` (n exposures, the product over the loves). Before that day and outside that part the null
rules. The likelihood ratio to the null is an e-value: its mean is at most 1 when the user is honest, and so is that of
any mixture. It needs four sums alone, n, N, S and sum(-ln p), which add up over days in any order. What is shown is
charged when it is served, what is loved when the love comes: a missing love lowers the evidence against the user.

**In loves, not users.** The dial is the share of honest *loves* that may be lost, and a user who loves much loses
much. So the null is the law of the user of a love drawn at random. Under it one love is a gift, and the others are a
negative binomial again, with a + 1 in the place of a (a Poisson count that is biased by its size is one more than a
Poisson count; a Gamma biased by its size is a Gamma with one more). Hence here one love of every user is forgiven and
`kappa ~ Gamma(a + 1, a / m)`. For the e-value E of this law and a budget h,

    expected share of honest loves lost = mean of min(1, h E) <= h

when a user is put in quarantine at E >= 1/h (Markov; Ville for all days at once: were the gift the first love of all,
E would be a martingale, and it only grows with every love) and weighs `1 / (1 + h E)` below it.

References: e-values and e-BH, Wang and Ramdas (arXiv 2009.02824); change points by a mixture over start days,
Shin, Ramdas and Rinaldo (arXiv 2203.03532); test martingales for counts, Wald's and Robbins's mixtures.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TIMES: Final = (4.0, 12.0, 40.0)
"""How many times as much as expected, `r`."""
RATES: Final = (0.01, 0.03, 0.1, 0.3, 0.9)
"""The chance of a love whatever is shown, `q`."""
_SHAPES: Final = np.geomspace(0.4, 8, 16)
_MEANS: Final = np.geomspace(0.6, 3, 17)
_BULK: Final = 0.995
_FITTED: Final = 3_000
"""Users that the fit reads, at most."""
_USUAL_SHAPE, _TRUST_IN_USUAL = 1.5, 2.0
_WIDER: Final = 0.9
"""The fitted shape is multiplied by this: real tastes have heavier tails than a Gamma's."""


class EvidenceSums(NamedTuple):
    """What happened to some users on the days of a window.

    Attributes:
        exposures: float64[users, days], responses shown, the oldest day first.
        expected: Likewise, sum of the chances `p` of a love.
        loves: Likewise.
        surprise: Likewise, sum over the loves of -ln p.
    """

    exposures: Floats
    expected: Floats
    loves: Floats
    surprise: Floats


class Null(NamedTuple):
    """How honest users' tastes are spread: Gamma with this shape and mean."""

    shape: float = _USUAL_SHAPE * _WIDER
    mean: float = 1.0


class Evidence(NamedTuple):
    """What is known against some users.

    Attributes:
        log_e: float64[users], natural logarithm of the e-value against 'honest', mixed over all alternatives.
        start: int64[users], the day of the window on which the likeliest alternative begins.
        part: int64[users], place of the part in which it lies; 0 is everything.
    """

    log_e: Floats
    start: Ints
    part: Ints


def weigh(parts: tuple[EvidenceSums, ...], null: Null) -> Evidence:
    """The evidence against some users.

    >>> quiet, keen = np.array([[0.0, 0.0]]), np.array([[4.0, 5.0]])
    >>> def sums(loves):
    ...     return EvidenceSums(np.full((1, 2), 10.0), np.full((1, 2), 0.05), loves, loves * -np.log(0.005))
    >>> [round(float(weigh((sums(loves),), Null()).log_e[0]), 1) for loves in (quiet, keen)]
    [-0.9, 14.0]

    Args:
        parts: All that happened first, then parts of it; all of one shape.
        null: What honest users are like.
    """
    everything = parts[0]
    total = everything.loves.sum(axis=1), everything.expected.sum(axis=1)
    ratios = np.stack([_ratios(part, *total, null) for part in parts], axis=1)
    users, count, alternatives, days = ratios.shape
    prior = np.full(count, 0.5 / max(count - 1, 1)) if count > 1 else np.ones(1)
    prior[0] = 0.5 if count > 1 else 1.0
    weighted = ratios + np.log(prior)[:, None, None] - np.log(alternatives * days)
    flat = weighted.reshape(users, count * alternatives * days)
    best = flat.argmax(axis=1)
    part, _, start = np.unravel_index(best, (count, alternatives, days))
    return Evidence(np.asarray(logsumexp(flat, axis=1), np.float64), start.astype(np.int64), part.astype(np.int64))


def _ratios(part: EvidenceSums, loves: Floats, expected: Floats, null: Null) -> Floats:
    """Log likelihood ratio of every alternative in one part, float64[users, alternatives, start days]."""
    n, s, k, surprise = (_from_day(each) for each in part)
    gift = np.where(k > 0, 1 / np.maximum(k, 1), 0.0)  # of the loves that the alternative explains, one is forgiven
    counted, surprise = k * (1 - gift), surprise * (1 - gift)
    all_loves, all_expected = loves[:, None], expected[:, None]
    whole = _null(np.maximum(all_loves - 1, 0), all_expected, null)
    rest = _null(np.maximum(all_loves - 1, 0) - counted, all_expected - s, null)
    more = [counted * np.log(r) - r * s for r in TIMES]
    flat = [counted * np.log(q) + surprise - q * n for q in RATES]
    return np.stack([each + rest - whole for each in (*more, *flat)], axis=1)


def _from_day(daily: Floats) -> Floats:
    """Sums from each day of the window to its end."""
    return np.asarray(np.cumsum(daily[:, ::-1], axis=1)[:, ::-1], np.float64)


def _null(loves: Floats, expected: Floats, null: Null) -> Floats:
    """Log f(N, S) of the user of a random love."""
    return _log_likelihood(loves, expected, null.shape + 1, null.shape / null.mean)


def _log_likelihood(loves: Floats, expected: Floats, shape: float, rate: float) -> Floats:
    likelihood = gammaln(shape + loves) - gammaln(shape) + shape * np.log(rate)
    return np.asarray(likelihood - (shape + loves) * np.log(rate + np.maximum(expected, 0)), np.float64)


def fit(loves: Floats, expected: Floats) -> Null:
    """How tastes are spread among honest users, by maximum likelihood on those who do not stand out.

    Adversaries among the users would spread the null until it holds them. So a user counts only with no more loves than
    `_BULK` of users of a usual spread would have, which the fit cannot move, and the likelihood is that of a count that
    is cut off there.

    1. Find, in turns, the likeliest mean and the likeliest spread; a usual one counts as a few users with many loves.
    2. Widen the result.

    Args:
        loves: float64[n], loves by user.
        expected: float64[n], sum of chances by user.
    """
    from scipy.stats import nbinom

    some = slice(None, None, max(1, len(loves) // _FITTED))
    loves, expected = loves[some], np.maximum(expected[some], 1e-9)
    most = nbinom.ppf(_BULK, _USUAL_SHAPE, _USUAL_SHAPE / (_USUAL_SHAPE + expected))
    few = loves <= most
    kept, spread, limit = loves[few], expected[few], most[few]
    shape, mean = _USUAL_SHAPE, 1.0
    for _ in range(2):
        mean = float(_MEANS[int(np.argmax([_cut_off(kept, spread, limit, shape, m) for m in _MEANS]))])
        likelihoods = np.array([_cut_off(kept, spread, limit, a, mean) for a in _SHAPES])
        fits = likelihoods - _TRUST_IN_USUAL * np.log(np.array(_SHAPES) / _USUAL_SHAPE) ** 2
        shape = float(_SHAPES[int(np.argmax(fits))])
    return Null(shape * _WIDER, mean)


def _cut_off(loves: Floats, expected: Floats, most: Floats, shape: float, mean: float) -> float:
    """Log-likelihood of counts that do not stand out, given that they do not: none is above its `most`."""
    from scipy.stats import nbinom

    chance = shape / (shape + mean * expected)
    return float((nbinom.logpmf(loves, shape, chance) - nbinom.logcdf(most, shape, chance)).sum())


def e_bh(log_e: Floats, level: float, users: int | None = None) -> NDArray[np.bool_]:
    """Which hypotheses the e-BH procedure rejects: at most a share `level` of them wrongly, in expectation.

    The e-values may depend on each other in any way (Wang and Ramdas, theorem 2): the k largest are rejected, for the
    largest k with `e_(k) >= users / (k level)`.

    >>> e_bh(np.log([500.0, 90.0, 3.0, 0.1]), level=0.05).tolist()
    [True, True, False, False]

    Args:
        log_e: float64[n], natural logarithms.
        level: In (0, 1).
        users: How many were tested in all, where those that are not given have small e-values; n if left out.
    """
    order = np.argsort(-log_e, kind="stable")
    place = np.arange(1, len(log_e) + 1)
    passed = np.flatnonzero(log_e[order] >= np.log((users or len(log_e)) / (place * level)))
    rejected = np.zeros(len(log_e), bool)
    rejected[order[: passed[-1] + 1 if len(passed) else 0]] = True
    return rejected
