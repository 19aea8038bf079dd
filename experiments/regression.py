"""Two arms' rates on the logarithmic scale, with or without covariates, and the variance of that over users."""

import math
from typing import Final, NamedTuple

import numpy as np
from scipy.special import stdtr

from experiments.columns import Bools, Counted, Floats
from experiments.lifts import NOTHING, lift_interval, student_quantile
from stats.intervals import Interval

NO_VARIANCE: Final = 1e-18
"""Of a relative influence; below it stand only rounding errors."""
_HIGHEST_LEVERAGE: Final = 0.999


class LogRatio(NamedTuple):
    """`log(R_t / R_c)`, its variance over users, and the degrees of freedom of that."""

    value: float
    variance: float
    freedom: float

    @property
    def known(self) -> bool:
        """Whether users differ, so that there is a variance."""
        return self.variance > NO_VARIANCE

    def ci(self, confidence: float) -> Interval:
        """Of the relative lift, by Student's t; everything where the variance is not known."""
        if not self.known:
            return NOTHING
        return lift_interval(self.value, math.sqrt(self.variance) * student_quantile(confidence, self.freedom))

    @property
    def p(self) -> float:
        """Two-sided, of no lift; 1 where the variance is not known."""
        return 2 * float(stdtr(self.freedom, -abs(self.value) / math.sqrt(self.variance))) if self.known else 1.0


class _FittedArm(NamedTuple):
    log_rate: float
    slopes: Floats
    variance: float
    freedom: float


def compare(rows: Counted, known: Floats) -> LogRatio:
    """The two arms at equal covariates, by the formulas of `adjust.adjusted`.

    Args:
        rows: In which `missing` finds nothing.
        known: float64[users, k], columns that are independent in either arm; k may be 0.
    """
    control, treatment = (_fitted(rows, of, known) for of in (~rows.treated, rows.treated))
    about = (known - known.mean(axis=0)) @ (treatment.slopes - control.slopes)
    common = float(about @ about) / len(known) ** 2
    sampled = control.variance + treatment.variance
    squares = sum(each.variance**2 / each.freedom for each in (control, treatment) if each.variance > 0)
    freedom = sampled**2 / squares if squares else 0.0
    return LogRatio(treatment.log_rate - control.log_rate, sampled + common, freedom)


def plain(rows: Counted) -> LogRatio:
    """The two arms as they are, by the delta method (Deng, Knoblich & Lu 2018)."""
    return compare(rows, np.empty((len(rows.events), 0)))


def missing(rows: Counted, unit: tuple[str, str] = ("user", "users")) -> str:
    """Why a log ratio is not known; empty where it is.

    Args:
        rows: One for each unit.
        unit: What one of them is called, and several.
    """
    for name, of in (("control", ~rows.treated), ("treatment", rows.treated)):
        units, seen = int(of.sum()), float(rows.exposures[of].sum())
        if units < 2 or not seen:
            return f"the {name} has {units:,} {unit[units != 1]} and {seen:,.0f} exposures: wait for more"
        if not rows.events[of].sum():
            return f"the {name} has no event: an exact test reads that, a regression cannot"
    return ""


def _fitted(rows: Counted, of: Bools, known: Floats) -> _FittedArm:
    x, y, own = rows.events[of], rows.exposures[of], known[of]
    users, rate = len(x), float(x.sum() / y.sum())
    psi = (x - rate * y) / x.mean()
    middle = own.mean(axis=0)
    about = own - middle
    scale = np.sqrt((about**2).sum(axis=0))
    basis, triangle = np.linalg.qr(about / scale)
    slopes = np.linalg.solve(triangle, basis.T @ psi) / scale
    leverage = np.minimum((basis**2).sum(axis=1) + 1 / users, _HIGHEST_LEVERAGE)
    shift = known.mean(axis=0) - middle
    weight = 1 / users + basis @ np.linalg.solve(
        triangle.T, shift / scale
    )  # of each user's influence at equal covariates
    each = (weight * (psi - about @ slopes)) ** 2 / (1 - leverage)
    variance, squares = float(each.sum()), float(each @ each)
    log_rate = math.log(rate) + float(slopes @ shift)
    return _FittedArm(log_rate, slopes, variance, variance**2 / squares if squares else 0.0)
