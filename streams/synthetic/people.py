"""Who uses the product: people with tastes, rhythms and reading speeds, and bots that do not read."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.truth import TASTE_SIGMA

Floats = NDArray[np.float64]


class People(NamedTuple):
    """Users, people first and bots last; one entry each.

    Attributes:
        ids: Pseudonyms.
        is_bot: bool[n].
        taste: float64[n], multiplies the odds of love; lognormal, median 1.
        activity: float64[n], how often they come, relative to each other; lognormal.
        peak: float64[n], hour of the day (UTC) around which they come.
        speed: float64[n], words that they read in a second.
    """

    ids: list[str]
    is_bot: NDArray[np.bool_]
    taste: Floats
    activity: Floats
    peak: Floats
    speed: Floats


def draw_people(rng: np.random.Generator, users: int, bots: int) -> People:
    """Draw `users` people and `bots` bots."""
    count = users + bots
    names = rng.integers(0, 2**62, size=count).tolist()
    return People(
        ids=[f"u{name:016x}" for name in names],
        is_bot=np.arange(count) >= users,
        taste=np.exp(TASTE_SIGMA * rng.standard_normal(count)),
        activity=np.exp(0.8 * rng.standard_normal(count)),
        peak=rng.normal(18.0, 4.0, size=count) % 24,
        speed=np.exp(rng.normal(np.log(4.0), 0.25, size=count)),
    )
