"""How many exposures an A/B test needs before it starts."""

import math
from typing import Literal

from scipy.special import ndtri

from experiments.sequential import cost_of_looking
from stats import limits
from stats.intervals import normal_quantile


def exposures_per_arm(
    base_rate: float,
    lift: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    design_effect: float = 1.0,
    looks: Literal["once", "any"] = "once",
) -> int:
    """Exposures per arm that show a relative lift of a rate (two-sided test of two shares, unpooled).

    `n = (z_(alpha/2) + z_power)^2 (p1 q1 + p2 q2) / (p2 - p1)^2 x design effect`

    At a Love rate of 0.1 %, the published lifts of 9.7 % and 28 % need:

    >>> exposures_per_arm(0.001, 0.097), exposures_per_arm(0.001, 0.28)
    (1747456, 227995)

    Args:
        base_rate: The control's rate per exposure, in (0, 1).
        lift: Relative, 0.1 for +10 %; negative for a fall.
        alpha: Two-sided level.
        power: Chance of showing the lift when it is there.
        design_effect: Variance of the clustered estimate over that of independent exposures (`Effect.design_effect`):
            users, not exposures, are independent.
        looks: `any` pays for looking whenever one likes (see `sequential`).

    Raises:
        ValueError: A rate, a level or a power outside (0, 1), no lift, or a design effect that is not positive.
    """
    if looks not in ("once", "any"):
        raise ValueError(f"looks == {looks!r}, must be 'once' or 'any'")
    limits.level("alpha", alpha, "0.05 for one false alarm in 20")
    limits.level("power", power, "0.8 to show the lift in four tests of five")
    limits.positive(
        "design_effect", design_effect, "1 where every user is exposed once, else as an earlier test had it"
    )
    raised = base_rate * (1 + lift)
    if not (0 < base_rate < 1 and 0 < raised < 1) or lift == 0:
        raise ValueError(f"base_rate == {base_rate}, lift == {lift}: both rates must be in (0, 1), and must differ")
    power_z = float(ndtri(power))
    spread = base_rate * (1 - base_rate) + raised * (1 - raised)
    needed = (normal_quantile(1 - alpha) + power_z) ** 2 * spread / (raised - base_rate) ** 2 * design_effect
    return math.ceil(needed * (cost_of_looking(1 - alpha, power_z) if looks == "any" else 1.0))
