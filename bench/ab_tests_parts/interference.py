"""Friends sway each other: what a test says whose arms are dealt by user, and by community, against the total effect.

The world is that of `bench/influence.py`, at full influence, in communities of fifty. Runs of the same people: all
in A, all in B; arms dealt user by user, and by communities that are found in the network of friends alone, each
once more with the arms swapped, which takes out who happened to be in which. The total effect is that of the first
two. Loves are expected ones by the truth, so that chance does not hide the bias.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from ab_tests_parts import pool
from experiments.communities import assign_clusters, by_community, communities
from streams.synthetic import WorldConfig
from streams.synthetic.config import Experiment
from streams.synthetic.language.habits import INCUMBENT
from streams.synthetic.people.life import Life
from streams.synthetic.social import SocialConfig

ASKS_BACK = INCUMBENT._replace(asks_back=0.8)
"""Arm B, which pleases more than it earns loves by itself, as in `bench/influence.py`."""
SETTLES, DAYS, PER_USER, SIZE = 7, 28, 10, 50
ARMS = {"a": (INCUMBENT, INCUMBENT), "b": (ASKS_BACK, ASKS_BACK), "test": (INCUMBENT, ASKS_BACK)}


class Seed(NamedTuple):
    """A world's seed and how many responses it has."""

    number: int
    responses: int


class Sums(NamedTuple):
    """Expected loves and responses of each user after the first days, float64[users], and the arms and communities."""

    loves: NDArray[np.float64]
    responses: NDArray[np.float64]
    arms: NDArray[np.int64]
    communities: NDArray[np.int64]


def live(seed: Seed, who: str, *, by_friends: bool = False, swapped: bool = False) -> Sums:
    """Live through a world whose arms are dealt by user, or by the communities of the friends' network."""
    control, treatment = ARMS[who]
    test = Experiment(name="asks-back", control=control, treatment=treatment)
    sizes = {"responses": seed.responses, "users": seed.responses // PER_USER, "days": DAYS}
    config = WorldConfig(
        seed=seed.number, social=SocialConfig(influence=1.0, community_size=SIZE), experiment=test, **sizes
    )
    life = Life(config, np.random.default_rng(config.seed).spawn(2)[0])
    assert life.society is not None
    links = life.society.network.first.links.tocoo()
    above = links.row < links.col
    edges = np.stack([links.row[above], links.col[above]], axis=1).astype(np.int64)
    found = communities(edges, config.users, seed=seed.number)
    if by_friends:
        life._arms = np.asarray(assign_clusters(found, 0.5, f"interference-{seed.number}"), dtype=np.int64)
    if swapped:
        life._arms = 1 - life._arms
    loves, responses = np.zeros(config.users), np.zeros(config.users)
    for number in range(config.days):
        for day in life.live(number):
            if number >= SETTLES:
                np.add.at(loves, day.user, day.p_love)
                np.add.at(responses, day.user, 1)
    return Sums(loves, responses, np.asarray(life._arms), found)


def effects(seed: Seed) -> dict[str, float]:
    """Log ratios of loves per response, B over A: in total, by a test of users, and by one of communities."""
    rates = {who: each.loves.sum() / each.responses.sum() for who in "ab" for each in [live(seed, who)]}
    told = {"total": math.log(rates["b"] / rates["a"])}
    held = []
    for name in ("users", "communities"):
        both = [live(seed, "test", by_friends=name == "communities", swapped=swapped) for swapped in (False, True)]
        told[name] = float(np.mean([_log_ratio(each) for each in both]))
    for each in both:
        read = by_community(each.loves, each.responses, each.arms.astype(np.int8), each.communities)
        held.append(read.ci.low <= math.expm1(told["total"]) <= read.ci.high)
    return told | {"held": float(sum(held)), "communities_found": float(len(np.unique(both[0].communities)))}


def _log_ratio(world: Sums) -> float:
    rates = [world.loves[world.arms == arm].sum() / world.responses[world.arms == arm].sum() for arm in (0, 1)]
    return math.log(rates[1] / rates[0])


def measured(seeds: int, responses: int) -> dict[str, Any]:
    """Mean effects with 95 % intervals over seeds, and each test's bias: its effect over the total one, less 1."""
    found = pool.each(effects, [Seed(number, responses) for number in range(1, seeds + 1)], "interference")
    columns = {name: np.array([each[name] for each in found]) for name in found[0]}
    total = columns["total"].mean()
    held, number = int(columns.pop("held").sum()), float(columns.pop("communities_found").mean())
    told = {name: _interval(column) for name, column in columns.items()}
    bias = {name: _interval((columns[name] - columns["total"]) / total) for name in ("users", "communities")}
    bias["communities_less_users"] = _interval((columns["communities"] - columns["users"]) / total)
    intervals = {"holds_total": held, "of": 2 * seeds}
    return {"interference": {"log_ratios": told, "bias": bias, "community_intervals": intervals, "communities": number}}


def _interval(values: NDArray[np.float64]) -> list[float]:
    """Mean, and its 95 % interval (Student's t)."""
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return [float(f"{each:.3g}") for each in (values.mean(), values.mean() - half, values.mean() + half)]
