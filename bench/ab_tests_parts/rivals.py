"""What others do, on the sums of a walk: two that must not be used so, one that is wrong, and the usual default.

Each gives bool[looks]: whether it rejects "no effect" at that look.
"""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import chi2, norm

from ab_tests_parts.worlds import Floats, Walk

Bools = NDArray[np.bool_]

TUNED_AT: Final = 5_000
"""Where GrowthBook's confidence sequence is narrowest unless somebody says otherwise, and PostHog's after it."""
_MIXTURE: Final = -2 * math.log(0.05) + math.log1p(-2 * math.log(0.05))


def difference(walk: Walk) -> tuple[Floats, Floats]:
    """The difference of the rates and its standard error clustered by user (delta method), float64[looks] each."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = walk.events / walk.exposures
        squares = walk.events_squared - 2 * rates * walk.events_exposures + rates**2 * walk.exposures_squared
        variance = walk.users / (walk.users - 1) * np.maximum(squares, 0) / walk.exposures**2
    return rates[:, 1] - rates[:, 0], np.sqrt(variance.sum(axis=1))


def standardised(walk: Walk) -> Floats:
    """The difference in standard errors; 0 while an arm has no love."""
    gap, error = difference(walk)
    known = (walk.events > 0).all(axis=1) & np.isfinite(error) & (error > 0)
    return np.where(known, gap / np.where(known, error, 1.0), 0.0)


def peeked_z(walk: Walk) -> Bools:
    """A clustered z test of one look at 5 %, looked at every time. Invalid."""
    return np.asarray(np.abs(standardised(walk)) > norm.ppf(0.975))


def default_sequence(walk: Walk, units: Any = None) -> Bools:
    """GrowthBook's confidence sequence of the difference at its default: a normal mixture tuned at 5,000 units.

    `|z| > sqrt((1 + 1/nu) (ln(1 + nu) + 2 ln 20))`, `nu = nu* n / 5000` with `n` the units so far; valid, and
    narrowest long before a rare event has been seen often enough.

    Args:
        walk: The test.
        units: So far, float64[looks]; exposures where not given.
    """
    seen = walk.exposures.sum(axis=1) if units is None else units
    return np.asarray(np.abs(standardised(walk)) > default_width(np.maximum(seen, 1)))


def default_width(units: Any) -> Any:
    """The half width of that sequence, in standard errors, after so many units."""
    nu = _MIXTURE * units / TUNED_AT
    return np.sqrt((1 + 1 / nu) * (np.log1p(nu) - 2 * math.log(0.05)))


def loves_as_independent(walk: Walk) -> Bools:
    """A Beta(50, 50) mixture against a fair coin on all loves, at 1/20. Invalid where a user loves more than once."""
    control, treatment = walk.events.T
    evidence = gammaln(50 + treatment) + gammaln(50 + control) - 2 * gammaln(50) + gammaln(100)
    evidence += -gammaln(100 + treatment + control) + (treatment + control) * math.log(2)
    return np.asarray(evidence > math.log(20))


def peeked_balance(counts: Floats, share: float = 0.5, alpha: float = 0.001) -> Bools:
    """A chi-square test of the users per arm at `alpha`, looked at every time: what the usual tools do. Invalid.

    Args:
        counts: Users so far, float64[..., looks, 2], the control first.
        share: Of the users, promised to the treatment.
        alpha: Of one look.
    """
    total = counts.sum(axis=-1)
    off = (counts[..., 1] - share * total) ** 2 / np.maximum(total * share * (1 - share), 1e-9)
    return np.asarray(off > chi2.ppf(1 - alpha, 1))
