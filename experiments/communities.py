"""Tests among people who influence each other: whole communities are dealt, and are the units of the estimate.

Where friends talk, a control user whose friends are treated is treated a little, too, and a test by user shows a part
of what everybody's treatment would do. Dealt by communities, most friends share an arm (Ugander, Karrer, Backstrom &
Kleinberg 2013), at the price of fewer, larger units: `by_community` says how much larger the variance is.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from experiments.columns import Counted, Ints, counted, numbers, same_length
from experiments.lifts import NOTHING, span
from experiments.modularity import Graph, graph, improved
from experiments.regression import missing, plain
from stats import limits
from stats.intervals import CONFIDENCE, Interval
from streams.assignment import assign

FEWEST_COMMUNITIES: Final = 50
"""Into at least so many the users are divided where nothing else is said: fewer units make a wide interval."""
FEW_IN_AN_ARM: Final = 10
"""Communities of an arm below which the words warn: the interval then rests on a variance of few units."""


@dataclass(frozen=True, slots=True)
class CommunityEffect:
    """The effect of a treatment that whole communities got.

    Attributes:
        lift: Relative; None where an arm has no event.
        ci: For one look, over communities.
        p: Two-sided, of no lift.
        log_ratio: Of the lift; NaN where it is not known, as its `standard_error` is infinite.
        standard_error: Over communities.
        design_effect: The variance over communities over that over users; 1 where it is not known.
        communities: In the control and in the treatment.
        words: All that in a sentence.
    """

    lift: float | None
    ci: Interval
    p: float
    log_ratio: float
    standard_error: float
    design_effect: float
    communities: tuple[int, int]
    words: str


def communities(edges: NDArray[np.int64], users: int, *, seed: int, largest: int | None = None) -> Ints:
    """Divide users into communities of many friendships, none larger than a bound.

    Greedy modularity in levels (Blondel, Guillaume, Lambiotte & Lefebvre 2008): users move to the community of friends
    that raises `Q = sum_c (links within c / links - (degree of c / 2 links)^2)` the most, then communities move as
    wholes, until none moves. In a round half of all, drawn by chance, move at once; of those who want into one
    community the most eager are let in until it is full. Users without a friend stay alone.

    >>> pairs = np.array([[0, 1], [1, 2], [2, 0], [3, 4], [4, 5], [5, 3], [2, 3]])
    >>> communities(pairs, 7, seed=1, largest=3).tolist()
    [0, 0, 0, 1, 1, 1, 2]

    Args:
        edges: int64[edges, 2], friends as numbers from 0 to users - 1, each pair once or in both directions; a pair
            that stands several times counts as often.
        users: How many there are.
        seed: Of the rounds.
        largest: Users of a community at most; None for a fiftieth of all.

    Returns:
        int64[users], numbered in the order of their first user.

    Raises:
        ValueError: Edges that are no pairs of users, or a bound that is not positive.
    """
    pairs = _pairs(edges, users)
    bound = max(2, users // FEWEST_COMMUNITIES) if largest is None else largest
    limits.positive("largest", bound, "users of a community at most")
    rng = np.random.default_rng(seed)
    level: Graph = graph(pairs, users)
    labels = np.arange(users)
    while len(level.sizes):
        moved = improved(level, rng, bound)
        labels = moved[labels]
        if moved.max() + 1 == len(level.sizes):
            break
        level = level.merged(moved)
    _, first, place = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[place].astype(np.int64)


def assign_clusters(
    labels: NDArray[np.int64], share: float, salt: str, *, experiment: str = "communities"
) -> NDArray[np.int8]:
    """Deal whole communities by the product's hash.

    The name that is hashed is `community NUMBER`, so that the labels must be kept as they were: found anew on a changed
    network, they are other communities.

    >>> assign_clusters(np.array([0, 0, 1, 2]), 0.5, "2026").tolist()
    [0, 0, 1, 0]

    Args:
        labels: int64[users], each user's community.
        share: Of the communities, to be treated.
        salt: As in `assignment.assign`.
        experiment: Its name.

    Returns:
        int8[users], 0 for the control, 1 for the treatment.

    Raises:
        ValueError: Labels that are no whole numbers from 0 on, or a share outside (0, 1).
    """
    limits.level("share", share, "0.5 for half of the communities")
    kinds, place = np.unique(numbers("labels", labels, "a community for each user"), return_inverse=True)
    arms = {"control": 1 - share, "treatment": share}
    dealt = [assign(f"community {kind}", experiment=experiment, arms=arms, salt=salt) for kind in kinds.tolist()]
    return np.array([arm == "treatment" for arm in dealt], dtype=np.int8)[place]


def by_community(
    events: Any, exposures: Any, arm: Any, community: Any, *, confidence: float = CONFIDENCE
) -> CommunityEffect:
    """The effect with communities as the units, by the delta method on their sums (Deng, Knoblich & Lu 2018).

    The interval is Student's t with Satterthwaite's degrees of freedom over communities.

    Args:
        events: Of each user, float64[users].
        exposures: The same.
        arm: int8[users], 0 for the control, 1 for the treatment, the same in all of a community.
        community: int64[users].
        confidence: Of the interval.

    Raises:
        ValueError: Columns of different lengths, a number that cannot be, a community in both arms, or a confidence
            outside (0, 1).
    """
    limits.level("confidence", confidence, "0.95 for a 95 % interval")
    rows, labels = counted(events, exposures, arm), numbers("community", community, "a community for each user")
    same_length(events=rows.events, community=labels)
    whole = _summed(rows, labels)
    many = (int((~whole.treated).sum()), int(whole.treated.sum()))
    why = missing(whole, ("community", "communities"))
    if why:
        return CommunityEffect(None, NOTHING, 1.0, math.nan, math.inf, 1.0, many, why)
    found, own = plain(whole), plain(rows)
    ci, lift = found.ci(confidence), math.expm1(found.value)
    error = math.sqrt(found.variance) if found.known else math.inf
    inflated = found.variance / own.variance if found.known and own.known else 1.0
    words = f"{span(lift, ci)} over {many[0]:,} and {many[1]:,} communities, variance {inflated:.1f} times that by user"
    if min(many) < FEW_IN_AN_ARM:
        words += f": fewer than {FEW_IN_AN_ARM} communities in an arm, deal smaller ones"
    return CommunityEffect(lift, ci, found.p, found.value, error, inflated, many, words)


def community_design_effect(events: Any, exposures: Any, community: Any) -> float:
    """How many times the variance of a rate over communities is that over users; 1 where it is not known.

    From history, before anything is dealt: a test by community needs so many times the exposures of one by user.

    >>> community_design_effect([4, 4, 0, 0], [9, 9, 9, 9], [0, 0, 1, 1])
    3.0

    Raises:
        ValueError: Columns of different lengths, or a number that cannot be.
    """
    labels = numbers("community", community, "a community for each user")
    rows = counted(events, exposures, np.zeros(len(labels)))
    same_length(events=rows.events, community=labels)
    whole = _summed(rows, labels)
    by_user, by_whole = (_variance(each) for each in (rows, whole))
    return by_whole / by_user if by_user > 0 and by_whole > 0 else 1.0


def _variance(rows: Counted) -> float:
    """Of a rate, times the square of all exposures: `n / (n - 1) sum_i (x_i - R y_i)^2`."""
    units, seen = len(rows.events), rows.exposures.sum()
    if units < 2 or not seen:
        return 0.0
    off = rows.events - rows.events.sum() / seen * rows.exposures
    return float(off @ off) * units / (units - 1)


def _summed(rows: Counted, labels: Ints) -> Counted:
    """One row for each community.

    Raises:
        ValueError: A community is in both arms.
    """
    kinds, place = np.unique(labels, return_inverse=True)
    size = np.bincount(place)
    treated = np.bincount(place, rows.treated)
    mixed = np.flatnonzero((treated > 0) & (treated < size))
    if len(mixed):
        one = mixed[0]
        raise ValueError(
            f"community {kinds[one]} has {treated[one]:,.0f} of {size[one]:,} users in the treatment ({len(mixed):,} "
            "communities are in both arms), must be in one: deal them by assign_clusters"
        )
    x, y = (np.bincount(place, each).astype(np.float64) for each in (rows.events, rows.exposures))
    return Counted(x, y, treated > 0)


def _pairs(edges: NDArray[np.int64], users: int) -> Ints:
    pairs = np.asarray(edges)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.issubdtype(pairs.dtype, np.integer):
        raise ValueError(f"edges are {pairs.dtype} of shape {pairs.shape}, must be whole numbers [edges, 2]")
    wrong = np.flatnonzero(((pairs < 0) | (pairs >= users)).any(axis=1))
    if len(wrong):
        raise ValueError(f"edge {pairs[wrong[0]].tolist()} names nobody, users are numbered from 0 to {users - 1:,}")
    return pairs.astype(np.int64)
