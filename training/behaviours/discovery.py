"""Which of many changes are told: the e-BH procedure, which holds however the features depend on each other."""

import numpy as np

from stats.estimate import Floats


def q_values(log_evidence: Floats, weights: Floats) -> Floats:
    """The least level at which weighted e-BH tells each feature, float64 [features] in [0, 1].

    With e-values sorted downwards, `e_(1) >= e_(2) >= ...`, e-BH at level a tells the first k for the largest k with
    `e_(k) >= m / (a k)`: so q of the one at place i is the least `m / (k e_(k))` over k >= i (Wang and Ramdas 2022).
    Weights that sum to m multiply the e-values: their sum keeps its bound.

    Why not Benjamini and Hochberg's: a phrase holds its shorter ones, clusters exclude each other, and every test is
    two-sided, so p-values are neither independent nor positively dependent on each null (PRDS), which BH asks for.
    e-BH controls the false discovery rate under any dependence, without the factor ln m that BH would pay (Benjamini
    and Yekutieli 2001), and an e-value may be read again while a test runs.

    Args:
        log_evidence: Natural logarithms of e-values.
        weights: Above 0; they are scaled to sum to the number of features.

    >>> q_values(np.log([1000.0, 1.0, 50.0]), np.ones(3)).round(3).tolist()
    [0.003, 1.0, 0.03]
    """
    count = len(log_evidence)
    if not count:
        return np.zeros(0)
    weighed = log_evidence + np.log(weights * (count / weights.sum()))
    order = np.argsort(-weighed, kind="stable")
    told = np.log(count) - np.log(np.arange(1, count + 1)) - weighed[order]
    least = np.minimum.accumulate(told[::-1])[::-1]
    found = np.empty(count)
    found[order] = np.exp(np.minimum(least, 0.0))
    return found
