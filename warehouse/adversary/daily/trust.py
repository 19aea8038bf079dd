"""Trust from evidence: a weight for every user, and quarantine beyond the threshold.

A share `budget` of the loves of honest users may be lost. With the e-value E of `evidence`, a user's trust is

    1 / (1 + budget E),

the chance of being honest if a share of about `budget` of all users were not. It loses `budget` of the honest loves at
most, in expectation, together with quarantine at `E >= 1 / budget`, where trust falls to a half.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]

FULL: Final = 0.99
"""Trust from here on is full trust: no row is kept of it."""


def trust(log_e: Floats, budget: float) -> Floats:
    """The weight of each user in the clean feedback.

    >>> trust(np.log([0.5, 10.0, 500.0, 5e6]), budget=0.002).round(3).tolist()
    [1.0, 0.98, 0.5, 0.0]

    Args:
        log_e: float64[n], natural logarithms of e-values.
        budget: Share of honest loves that may be lost, in (0, 1).

    Returns:
        float64[n] in [0, 1].
    """
    weight = expit(-(log_e + math.log(budget)))
    return np.where(weight >= FULL, 1.0, weight)


def score(log_e: Floats, budget: float) -> Floats:
    """How far towards the line each user is: 1 at `E = 1 / budget`, by the logarithm.

    >>> score(np.log([1.0, 500.0, 250_000.0]), budget=0.002).round(2).tolist()
    [0.0, 1.0, 2.0]
    """
    return np.asarray(np.maximum(log_e, 0) / -math.log(budget), np.float64)
