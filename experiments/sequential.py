"""Intervals that hold at every look: the normal-mixture boundary and what it costs.

`information` below is the share of the planned evidence that is in: exposures so far over exposures planned. It sets
where the boundary is tightest, and must come from the plan, not from the data.
"""

import math

from stats import limits
from stats.intervals import normal_quantile


def half_width(information: float, confidence: float) -> float:
    """Half width, in standard errors, of a confidence sequence at this share of the plan.

    `sqrt((1 + 1/nu) * (log(1 + nu) + 2 log(1/alpha)))`, `nu = nu* x information`: the asymptotic confidence sequence of
    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (arXiv 2103.06476) with `t rho^2 = nu`, and
    `nu* = -2 log alpha + log(1 - 2 log alpha)` (their approximate optimum), tightest about when the plan is met.

    >>> round(half_width(1.0, 0.95), 2), round(half_width(0.1, 0.95), 2)
    (3.04, 3.86)

    Raises:
        ValueError: No information yet, or a confidence outside (0, 1).
    """
    limits.positive("information", information, "nothing was exposed yet, or nothing planned")
    nu = best_mixture(confidence) * information
    return math.sqrt((1 + 1 / nu) * (math.log1p(nu) - 2 * math.log(1 - confidence)))


def best_mixture(confidence: float) -> float:
    """`nu*`, the mixture's variance in units of the planned standard error squared."""
    twice = -2 * math.log(1 - limits.level("confidence", confidence, "0.95 for a 95 % interval"))
    return twice + math.log1p(twice)


def cost_of_looking(confidence: float, power_z: float) -> float:
    """How many times the exposures of a single look the plan needs when one may look at any time.

    `((h + z_power) / (z_alpha + z_power))^2` with `h` the half width when the plan is met.

    >>> round(cost_of_looking(0.95, 0.8416), 2)
    1.91
    """
    once = normal_quantile(confidence)
    return ((half_width(1.0, confidence) + power_z) / (once + power_z)) ** 2
