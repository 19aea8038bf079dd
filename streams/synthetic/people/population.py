"""Who uses the product: people with tastes, rhythms and reading speeds, their devices and the networks they share."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stats.buckets import BUCKETS, buckets
from streams.synthetic.truth.formulas import TASTE_SIGMA

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NOTHING: Final = -1
"""Number of a device that one does not have."""
HOUSEHOLDS: Final = (0.4, 0.32, 0.15, 0.13)
"""Share of households with one to four people who use the product."""
SECOND_DEVICE: Final = 0.45
"""Share of people with two devices."""
ELSEWHERE: Final = 150
"""People on one workplace's network, and on one exit of a mobile carrier, in the mean; at least one of each."""
MOBILE: Final = 0.6
"""Share of people whose network away from home is a mobile carrier's; the others' is a workplace's."""
ACTIVITY_SIGMA: Final = 1.2
"""Standard deviation of ln activity: a few people come many times as often as most."""
NEWCOMERS: Final = 0.3
"""Share of people who join while the world lives."""
_WORKPLACES, _CARRIERS = 1 << 38, 1 << 39


class People(NamedTuple):
    """Users; one entry each.

    Attributes:
        ids: Pseudonyms.
        taste: float64[n], multiplies the odds of love; lognormal, median 1.
        activity: float64[n], how often they come, relative to each other; lognormal.
        peak: float64[n], hour of the day (UTC) around which they come.
        speed: float64[n], words that they read in a second.
        tenure_days: float64[n], age of the account when the world begins; negative for those who join that much later.
        devices: int64[n, 2], numbers of their devices, the usual one first; the second may be `NOTHING`.
        networks: int64[n, 2], numbers of the network at home, which a household shares, and of the one elsewhere, which
            hundreds share. Numbers of devices and networks are below 2**40.
    """

    ids: list[str]
    taste: Floats
    activity: Floats
    peak: Floats
    speed: Floats
    tenure_days: Floats
    devices: Ints
    networks: Ints


def draw_people(rng: np.random.Generator, users: int, *, days: int = 0) -> People:
    """Draw people.

    Args:
        rng: The only source of chance; what they hold and share is drawn from a child of it.
        users: How many.
        days: Days that the world lives; `NEWCOMERS` join during these (nobody, for 0).
    """
    (ties,) = rng.spawn(1)
    names = rng.integers(0, 2**62, size=users).tolist()
    devices, networks = _devices(ties, users), _networks(ties, users)
    return People(
        ids=[f"u{name:016x}" for name in names],
        taste=np.exp(TASTE_SIGMA * rng.standard_normal(users)),
        activity=np.exp(ACTIVITY_SIGMA * rng.standard_normal(users)),
        peak=rng.normal(18.0, 2.0, size=users) % 24,
        speed=np.exp(rng.normal(np.log(4.0), 0.25, size=users)),
        tenure_days=_tenure(ties, users, days),
        devices=devices,
        networks=networks,
    )


def joined(parts: list[People]) -> People:
    """Several groups of users as one, in this order; numbers of users go on from group to group."""
    ids = [name for part in parts for name in part.ids]
    return People(ids, *(np.concatenate(column) for column in zip(*(part[1:] for part in parts), strict=True)))


def arms_of(experiment: str, ids: list[str]) -> Ints:
    """The arm of each user, int64[n]: 0 control, 1 treatment, by the first bit of `sha256(experiment:user)`.

    >>> arms_of("warmer", ["ada", "bob", "cleo", "dan"]).tolist()
    [1, 0, 0, 1]
    """
    return (buckets(f"{experiment}:", ids) >= BUCKETS // 2).astype(np.int64)


def _devices(rng: np.random.Generator, users: int) -> Ints:
    second = rng.random(users) < SECOND_DEVICE
    own = np.arange(users)
    return np.column_stack([2 * own, np.where(second, 2 * own + 1, NOTHING)])


def _networks(rng: np.random.Generator, users: int) -> Ints:
    """Neighbours in number live together; workplaces and carriers differ in size as 1 : 1/2 : 1/3 and so on do."""
    sizes = rng.choice(len(HOUSEHOLDS), size=users, p=HOUSEHOLDS) + 1
    home = np.repeat(np.arange(users), sizes)[:users]
    exits = max(1, users // ELSEWHERE)
    rank = 1 / np.arange(1, exits + 1)
    place = rng.choice(exits, size=users, p=rank / rank.sum())
    away = np.where(rng.random(users) < MOBILE, _CARRIERS, _WORKPLACES) + place
    return np.column_stack([home, away])


def _tenure(rng: np.random.Generator, users: int, days: int) -> Floats:
    """Exponential with a mean of 200 days; newcomers join at an even rate."""
    tenure, joins = rng.exponential(200, size=users), rng.uniform(0, max(days, 1), size=users)
    return np.where((rng.random(users) < NEWCOMERS) & (days > 0), -joins, tenure)
