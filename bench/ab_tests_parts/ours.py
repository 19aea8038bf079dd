"""The product's two tests on a walk: users by their first love, and the ratio of rates clustered by user.

The product's functions decide. A ratio is read at one look by `experiments.effect.relative`; to read thousands of
looks in a reasonable time, those are skipped that cannot reject: where the effect, by the same formula over all looks
at once, lies within four fifths of the boundary. `tests/bench/test_ab_tests.py` holds the two against each other.
"""

import math
from functools import cache, lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ab_tests_parts.worlds import Floats, Walk
from experiments.boundaries import spent_width
from experiments.effect import MIN_LOVERS, ArmSums, Effect, anytime_interval, relative
from experiments.walk import edges

Ints = NDArray[np.int64]
ALPHA: Final = 0.05
NEVER: Final = -1
_CLOSE, _FAR = 0.8, 0.5


class Stop(NamedTuple):
    """Where a test stopped.

    Attributes:
        look: That rejected "no effect", from 0; `NEVER`.
        read: That look, or else the last one before the plan's end.
        effect: As it was read there; None where nothing was to be read.
    """

    look: int
    read: int
    effect: Effect | None


def by_lovers(walk: Walk, planned: int, share: float = 0.5) -> int:
    """The look at which the test by first lovers rejects "no effect"; `NEVER`.

    What `experiments.lovers.first_lovers` does, lover by lover, by the product's own edges of the walk.
    """
    count = len(walk.first_arms)
    if not count:
        return NEVER
    low, high = _edges(1 << (count - 1).bit_length(), planned, share)
    treated = np.cumsum(walk.first_arms, dtype=np.int64)
    shown = (treated <= low[:count]) | (treated >= high[:count])
    return int(walk.first_looks[shown.argmax()]) if shown.any() else NEVER


@lru_cache(maxsize=64)
def _edges(lovers: int, planned: int, share: float) -> tuple[Ints, Ints]:
    return edges(np.arange(1, lovers + 1), planned, share, ALPHA)


def by_ratio(walk: Walk, planned_information: float) -> Stop:
    """The first look at which the clustered ratio's interval at any look leaves out "no effect"."""
    z, error = log_ratio(walk)
    information = 1 / np.maximum(error, 1e-9) ** 2 / planned_information
    # while few users have a love the product reads an exact law, from which the normal one is farther away
    few = walk.lovers.min(axis=1) < MIN_LOVERS
    near = np.abs(z) > np.where(few, _FAR, _CLOSE) * _widths(information)
    lone = (walk.events.min(axis=1) == 0) & (walk.events.max(axis=1) > MIN_LOVERS / 4)
    for look in np.flatnonzero(near | lone).tolist():
        control, treatment = arm_sums(walk, look)
        interval = anytime_interval(control, treatment, planned_information=planned_information, alpha=ALPHA)
        if interval.above(0.0) or interval.below(0.0):
            return Stop(look, look, at(walk, look, planned_information))
    inside = np.flatnonzero((information > 0) & (information <= 1))
    if not len(inside):
        return Stop(NEVER, 0, None)
    return Stop(NEVER, int(inside[-1]), at(walk, int(inside[-1]), planned_information))


def at(walk: Walk, look: int, planned_information: float) -> Effect:
    """The product's reading of one look."""
    control, treatment = arm_sums(walk, look)
    return relative(control, treatment, planned_information=planned_information, alpha=ALPHA)


def arm_sums(walk: Walk, look: int) -> tuple[ArmSums, ArmSums]:
    """The sums of both arms at a look."""
    control, treatment = (
        ArmSums(
            users=int(walk.users[look, arm]),
            events=int(walk.events[look, arm]),
            exposures=int(walk.exposures[look, arm]),
            events_squared=walk.events_squared[look, arm],
            exposures_squared=walk.exposures_squared[look, arm],
            events_exposures=walk.events_exposures[look, arm],
            lovers=int(walk.lovers[look, arm]),
        )
        for arm in (0, 1)
    )
    return control, treatment


def log_ratio(walk: Walk) -> tuple[Floats, Floats]:
    """The log ratio in standard errors, and its standard error, at all looks; 0 and infinite while an arm has no love.

    The least variance is that of independent exposures, as in the product.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = walk.events / walk.exposures
        squares = walk.events_squared - 2 * rates * walk.events_exposures + rates**2 * walk.exposures_squared
        variance = walk.users / (walk.users - 1) * np.maximum(squares, 0) / walk.events**2
        least = (walk.exposures - walk.events + 1) / (walk.exposures + 2) / walk.events
        error = np.sqrt(np.maximum(variance, least).sum(axis=1))
        z = np.log(rates[:, 1] / rates[:, 0]) / error
    known = (walk.events > 0).all(axis=1) & np.isfinite(error)
    return np.where(known, z, 0.0), np.where(known, error, math.inf)


@cache
def _grid() -> tuple[Floats, Floats]:
    at_information = np.geomspace(1e-4, 100.0, 600)
    return at_information, np.array([spent_width(float(each), ALPHA) for each in at_information])


def _widths(information: Floats) -> Floats:
    """The product's boundary at many points, from a grid so fine that it is off by less than a hundredth."""
    return np.interp(information, *_grid())
