"""How far an effect must lie from nothing to be shown, at any look: open for ever, or spent by the end of the plan.

`information` is the evidence so far over the evidence planned at the end, 1 when the plan is met. For a clustered log
ratio evidence is `1 / se^2`, for first lovers their number. Widths are in standard errors: an effect is shown where
`|estimate| >= width * se`. The plan sets where a boundary is tightest, so it must not come from the test's own effect.

Seen in information the standardised sum of evidence is Brownian motion `W`, with drift when there is an effect, and
`z = W / sqrt(information)`. When tests stop is computed from that motion's law, not simulated.
"""

import math
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri

from experiments.passage import Floats, Stops, first_passage
from stats import limits
from stats.intervals import normal_quantile

SPREAD = 8.0
"""Variance of the mixture over effects, in squared standard errors at the planned end: `nu = SPREAD x information`."""

LATEST = 1.1
"""Information until which alpha is spent: a look a day meets the end of the plan a little late, and still counts."""

KEPT = 0.02
"""Share of alpha that is kept for what the plan did not foresee, such as looks after `LATEST`."""

_START, _STEP = 0.002, 1.1
"""Grid of the law: most information of its first entry, and how many times as much each next one has."""

_KNOT, _SURE = 0.1, 25.0
"""Chances are computed at thresholds this far apart in logarithms, on lines between, which lie above by < .04 %. From
`_SURE` on, where they are below 1e-11, Ville's bound stands for them."""


def open_width(information: float, confidence: float) -> float:
    """The normal mixture's width, valid for ever: what an interval without an end takes.

    `sqrt((1 + 1/nu) * (log(1 + nu) + 2 log(1/alpha)))`, `nu = nu* x information`: the asymptotic confidence sequence of
    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (arXiv 2103.06476), tightest about when the plan is met.

    >>> round(open_width(1.0, 0.95), 2), round(open_width(0.1, 0.95), 2)
    (3.04, 3.86)

    Raises:
        ValueError: No information yet, or a confidence outside (0, 1).
    """
    nu = best_mixture(confidence) * _checked(information)
    return _mixture_width(nu, -math.log1p(-confidence))


def best_mixture(confidence: float) -> float:
    """`nu* = 2 log(1/alpha) + log(1 + 2 log(1/alpha))`: about the mixture's variance that is best when the plan is met.

    >>> round(best_mixture(0.95), 2)
    7.94
    """
    twice = -2 * math.log1p(-limits.level("confidence", confidence, "0.95 for a 95 % interval"))
    return twice + math.log1p(twice)


def spent_width(information: float, alpha: float) -> float:
    """The mixture's width that spends alpha by the planned end: what decides.

    `sqrt((1 + 1/nu) * (log(1 + nu) + 2 log A))`, `nu = SPREAD x information`. Until `LATEST` the threshold `A` is
    `spent_threshold(alpha)`, not the `1/alpha` that holds for ever; after it `1 / (KEPT alpha)`, so that all looks
    together, late ones too, raise a false alarm with a chance of at most alpha.

    >>> round(spent_width(0.1, 0.05), 2), round(spent_width(1.0, 0.05), 2), round(spent_width(1.2, 0.05), 2)
    (3.39, 2.75, 4.23)

    Raises:
        ValueError: No information yet, or alpha outside (0, 0.5).
    """
    nu = SPREAD * _checked(information)
    return _mixture_width(nu, math.log(threshold_at(information, alpha)))


def threshold_at(information: float, alpha: float) -> float:
    """What the mixture (a likelihood ratio) must reach at this information: the spent threshold, later the kept one."""
    return spent_threshold(alpha) if _checked(information) <= LATEST else 1 / (KEPT * _alpha(alpha))


@lru_cache(maxsize=256)
def spent_threshold(alpha: float) -> float:
    """The threshold `A` at which the mixture spends `(1 - KEPT) alpha` by `LATEST`, and no more.

    >>> round(spent_threshold(0.05), 2)
    9.57

    Raises:
        ValueError: Alpha outside (0, 0.5).
    """
    target = math.log((1 - KEPT) * _alpha(alpha))
    # Ville's inequality bounds the chance by 1/A, so A lies below 1/target.
    found = brentq(lambda log: math.log(chance_of_reaching(math.exp(log))) - target, 1e-6, -target, xtol=1e-12)
    return float(math.exp(found))


def chance_of_reaching(threshold: float) -> float:
    """The chance that the mixture reaches a threshold by `LATEST` when there is no effect: at most `1/threshold`.

    >>> round(chance_of_reaching(20.0), 3)
    0.02
    """
    log = math.log(threshold) if threshold > 1 else 0.0
    if log >= _SURE:
        return 1 / threshold
    knot = math.floor(log / _KNOT)
    part = log / _KNOT - knot
    return math.exp((1 - part) * _log_chance(knot) + part * _log_chance(knot + 1))


def spent_p(z: float, information: float) -> float:
    """The least alpha at which this look shows an effect by `spent_width`; the least of all looks is valid at any.

    >>> round(spent_p(spent_width(0.6, 0.05), 0.6), 6), spent_p(0.3, 0.6)
    (0.05, 1.0)

    Raises:
        ValueError: z is no number, or there is no information yet.
    """
    nu = SPREAD * _checked(information)
    if math.isnan(z):
        raise ValueError("z == nan, must be an estimate over its standard error: an arm without events has none")
    log = min(z * z * nu / (1 + nu) / 2 - math.log1p(nu) / 2, 690.0)  # exp(690) is still a float
    if information > LATEST:
        return min(1.0, math.exp(-log) / KEPT)
    return min(1.0, chance_of_reaching(math.exp(log)) / (1 - KEPT))


def stops(drift: float, alpha: float = 0.05) -> Stops:
    """When a test by `spent_width` stops, until `LATEST`.

    Args:
        drift: The effect in standard errors at the planned end: `log(1 + lift) * sqrt(information planned)`.
        alpha: Chance of a false alarm at any look.

    Raises:
        ValueError: The drift is no number, or alpha outside (0, 0.5).
    """
    if not math.isfinite(drift):
        raise ValueError(f"drift == {drift}, must be a finite number: the effect in standard errors at the planned end")
    return _law(math.log(spent_threshold(alpha)), drift)


def going_on(information: float, drift: float, alpha: float = 0.05) -> tuple[float, Floats, Floats]:
    """What tests by `spent_width` are at some information: the chance that "more" is shown, and where the others are.

    >>> more, at, mass = going_on(1.0, 0.0)
    >>> round(2 * more + float(mass.sum()), 4)
    1.0

    Returns:
        The chance of "more" by then; points of the path `W = z sqrt(information)` of tests that go on, and the chance
        at each. After `LATEST` it is what it was then.
    """
    until = min(_checked(information), LATEST)
    times = _times(until)
    law, at, mass = first_passage(times, _bound(times, math.log(spent_threshold(alpha))), drift)
    return float(law.more[-1]), at, mass


def power(drift: float, alpha: float = 0.05) -> float:
    """The chance that a test by `spent_width` has shown the effect when the plan is met, in its direction.

    >>> round(power(3.23), 2)
    0.8
    """
    law = stops(abs(drift), alpha)
    return float(np.interp(1.0, law.information, law.more))


@lru_cache(maxsize=256)
def planned_drift(power: float = 0.8, alpha: float = 0.05) -> float:
    """The effect, in standard errors at the planned end, that `spent_width` shows with this power.

    One look needs `z_alpha + z_power`, 2.80 for the same.

    >>> round(planned_drift(), 2)
    3.23

    Raises:
        ValueError: Power outside (alpha, 1), or alpha outside (0, 0.5).
    """
    wanted = limits.level("power", power, "0.8 for 80 %")
    if wanted <= _alpha(alpha):
        raise ValueError(f"power == {power}, must be above alpha == {alpha}: a test without data has that much")
    law = math.log(spent_threshold(alpha))
    return float(brentq(lambda drift: float(np.interp(1.0, *_law(law, drift)[:2])) - wanted, 0.0, 40.0, xtol=1e-6))


def planned_information(lift: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """The evidence `1 / se^2` on the log ratio at which the plan ends: `(planned_drift / log(1 + lift))^2`.

    >>> round(planned_information(0.28)), round(one_look_information(0.28))
    (171, 129)

    Raises:
        ValueError: A lift of nothing or at most -1, or power and alpha as in `planned_drift`.
    """
    return (planned_drift(power, alpha) / _log_lift(lift)) ** 2


def one_look_information(lift: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """The evidence that a single look, and no other, needs: `((z_alpha + z_power) / log(1 + lift))^2`."""
    wanted = limits.level("power", power, "0.8 for 80 %")
    return ((normal_quantile(1 - _alpha(alpha)) + float(ndtri(wanted))) / _log_lift(lift)) ** 2


def _mixture_width(nu: float, log_threshold: float) -> float:
    return math.sqrt((1 + 1 / nu) * (math.log1p(nu) + 2 * log_threshold))


def _checked(information: float) -> float:
    return limits.positive("information", information, "nothing has come in yet, or nothing was planned")


def _alpha(alpha: float) -> float:
    if not limits.level("alpha", alpha, "0.05 for 5 %") < 0.5:
        raise ValueError(f"alpha == {alpha}, must be below 0.5: the chance of a false alarm, 0.05 for 5 %")
    return float(alpha)


def _log_lift(lift: float) -> float:
    if limits.lift("lift", lift) == 0:
        raise ValueError("lift == 0, must not be: no plan is long enough to show nothing; name the least that matters")
    return math.log1p(lift)


@lru_cache(maxsize=1024)
def _log_chance(knot: int) -> float:
    return math.log(_law(knot * _KNOT, 0.0).by(LATEST)) if knot else 0.0


@lru_cache(maxsize=512)
def _law(log_threshold: float, drift: float) -> Stops:
    """When the mixture's boundary at one threshold is first crossed, until `LATEST`."""
    times = _times(LATEST)
    return first_passage(times, _bound(times, log_threshold), drift)[0]


def _times(until: float) -> Floats:
    steps = max(math.ceil(math.log(until / _START) / math.log(_STEP)), 0)
    return np.asarray(until * _STEP ** np.arange(-steps, 1.0), dtype=np.float64)


def _bound(times: Floats, log_threshold: float) -> Floats:
    nu = SPREAD * times
    return np.asarray(np.sqrt(times * (1 + 1 / nu) * (np.log1p(nu) + 2 * log_threshold)), dtype=np.float64)
