"""Lockstep groups: accounts that act on the same objects at the same moments (SynchroTrap, Cao et al., CCS 2014).

Pairs of users are weighed by the surprise of their matches (`co_reactions`); groups are the connected components of the
pairs above a floor. What a group must reach is told by a permutation null: the same actions on other days.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from warehouse.adversary.groups.co_reactions import (
    HOUR,
    CoReactions,
    Floats,
    Ints,
    Matches,
    Pairs,
    Rhythm,
    matches,
    null_draws,
    pairs,
    rhythm,
    surprise,
)

LEAST = 3
"""Users that make a group: two friends are none."""
TIMES = (0.5, 1, 2, 4, 8)
"""Floors, as multiples of what a member must bring (`strength`)."""
CROWD = 0.02
"""A floor at which chance links so large a share of all deeds, on average, tells nothing: it has no line."""
NEIGHBOURS = 64
"""Later actions on the same object that an action is held against, at most."""
ROUNDS = 4
"""How often the lines are laid anew without the users far above them."""
FAR = 2.0
"""Lines above which a group leaves the null: were one that is there by chance to leave, the next line would be mild."""


class Group(NamedTuple):
    """Users held together by links above a floor.

    Attributes:
        members: Users, sorted, int64 [k].
        surprise: Sum over the heaviest tree of links that spans the group (nats): k - 1 independent coincidences.
        floor: What each of those links weighs at least.
    """

    members: Ints
    surprise: float
    floor: float


def floors_of(budget: float) -> tuple[float, ...]:
    """What a pair must weigh to be a link, in nats.

    Low floors see large groups that met loosely, high ones a few users that met often. Each floor has its own line, and
    an equal share of the loss.

    >>> [round(floor, 1) for floor in floors_of(0.0025)]
    [3.0, 6.0, 12.0, 24.0, 47.9]
    """
    return tuple(-math.log(budget) * times for times in TIMES)


def groups(found: Pairs, users: int, floors: Sequence[float]) -> list[Group]:
    """Connected components of at least `LEAST` users, of the pairs above each floor, floor by floor.

    The heaviest spanning forest has the components of the whole graph at every floor, and is cut there.
    """
    a, b, weight = _forest(found, users)
    result = []
    for floor in floors:
        link = weight >= floor
        if link.any():
            # Summed over the forest's links: all pairs of n users in step would count a coincidence n / 2 times.
            _, label = connected_components(coo_array((weight[link], (a[link], b[link])), (users, users)), False)
            total = np.bincount(label[a[link]], weight[link], label.max() + 1)
            big = np.flatnonzero(np.bincount(label) >= LEAST)
            by_label = np.argsort(label, kind="stable")
            begins = np.searchsorted(label[by_label], np.stack([big, big + 1]))
            result += [Group(by_label[i:j], float(total[k]), floor) for k, i, j in zip(big, *begins, strict=True)]
    return result


def members(candidates: list[Group], actions: CoReactions, met: Matches, nats: Floats, least: float) -> list[Group]:
    """The groups without users who brought too little themselves: an honest user may brush against a group once.

    Args:
        candidates: Groups of any floors.
        actions: Theirs.
        met: All matches.
        nats: The surprise of each match.
        least: What a user's matches with the group sum up to at least, the strongest of each of their deeds.
    """
    kept = []
    for group in candidates:
        inside = np.zeros(len(actions.users), np.bool_)
        inside[group.members] = True
        while True:
            weak = inside & (_brought(inside, actions, met, nats) < least)
            if not weak.any():
                break
            inside &= ~weak
        if inside.sum() >= LEAST:
            kept.append(group._replace(members=np.flatnonzero(inside)))
    return kept


def _brought(inside: NDArray[np.bool_], actions: CoReactions, met: Matches, nats: Floats) -> Floats:
    """What each user's deeds in step with others of some users sum up to, the strongest match of each deed."""
    both = np.flatnonzero(inside[actions.user[met.first]] & inside[actions.user[met.second]])
    ends = np.concatenate([met.first[both], met.second[both]])
    deeds, place = np.unique(actions.source[ends], return_inverse=True)
    best, user = np.zeros(len(deeds)), np.zeros(len(deeds), np.int64)
    np.maximum.at(best, place, np.tile(nats[both], 2))
    user[place] = actions.user[ends]
    result: Floats = np.bincount(user, best, len(actions.users)).astype(np.float64)
    return result


def lines(null: Sequence[Sequence[Group]], share: Floats, budget: float, floors: Sequence[float]) -> Floats:
    """What a group must reach at each floor, so that null groups lose at most `budget` of all deeds, by expectation.

    Args:
        null: The groups of each draw.
        share: Of each user in all deeds, float64 [users].
        budget: Expected share of deeds of the users above the lines, all floors together.
        floors: As `groups` had them.

    Returns:
        float64 [floors]; a group above its line is flagged. The floor itself where no null group is in the way, and
        infinite where null groups grow into a crowd (`CROWD`): the true one is then such a crowd as well, some links
        more or less, and a few draws cannot tell how many.
    """
    found = np.array(floors, np.float64)
    for n, floor in enumerate(floors):
        sizes = [
            [(group.surprise, float(share[group.members].sum())) for group in draw if group.floor == floor]
            for draw in null
        ]
        here = sorted((each for draw in sizes for each in draw), reverse=True)
        lost = np.cumsum([size for _, size in here]) / len(null)
        over = int(np.searchsorted(lost, budget / len(floors), side="right"))
        if over < len(here):
            found[n] = max(floor, here[over][0])
        if np.mean([max((size for _, size in draw), default=0.0) for draw in sizes]) > CROWD:
            found[n] = math.inf
    return found


@dataclass(frozen=True, slots=True)
class LockstepSearch:
    """What lockstep search found.

    Attributes:
        groups: Above their line, none within another, in no two the same user; the strongest first.
        scores: Of each user, float64 [users]: the strongest group above its line, by that line; 0 for users in none.
        floors: What a link had to weigh (nats).
        lines: What a group had to reach at each floor, float64 [floors].
        matches: All pairs of actions that matched, flagged or not.
        pairs: All pairs of users.
    """

    groups: list[Group]
    scores: Floats
    floors: tuple[float, ...]
    lines: Floats
    matches: Matches
    pairs: Pairs


def find(
    actions: CoReactions,
    *,
    budget: float,
    within: int = 3 * HOUR,
    draws: int = 20,
    seed: int = 0,
) -> LockstepSearch:
    """Groups that act in lockstep, at an expected loss of `budget` of all deeds of independent users.

    1. Weigh the pairs of users, and cut the heaviest forest at every floor.
    2. Deal the days anew, `draws` times, and lay the lines so that these groups lose `budget` at most.
    3. Do 2. again without the users far above a line, until nobody joins: an attack must not raise its own line.

    Args:
        actions: As `encode` gives them.
        budget: Expected share of deeds (sources) lost if all users are independent.
        within: How far apart two actions may be and match (us).
        draws: Of the null.
        seed: Of the null.

    Example:
        Five accounts choose the same three rare objects within minutes, among 200 who choose on their own:

        >>> import pyarrow as pa
        >>> from warehouse.adversary.groups.co_reactions import DAY, encode
        >>> rng = np.random.default_rng(0)
        >>> honest = [(f"u{n % 200}", f"o{rng.integers(80)}", int(rng.integers(28 * DAY))) for n in range(600)]
        >>> farm = [(f"bot{n}", f"o{k}", (3 + 7 * k) * DAY + n * 60_000_000) for n in range(5) for k in range(3)]
        >>> user, object_, at = zip(*(honest + farm), strict=True)
        >>> actions = encode(pa.table({"user": user, "object": object_, "at": at}))
        >>> found = find(actions, budget=0.0025)
        >>> [sorted(actions.users[int(user)].as_py() for user in group.members) for group in found.groups]
        [['bot0', 'bot1', 'bot2', 'bot3', 'bot4']]
    """
    users, floors = len(actions.users), floors_of(budget)
    if not users:
        nobody = np.zeros(0, np.int64)
        none = Pairs(nobody, nobody, nobody, np.zeros(0), nobody)
        return LockstepSearch([], np.zeros(0), floors, np.array(floors), Matches(nobody, nobody, 0), none)
    beat = rhythm(actions.at)
    met, real = weighed(actions, beat, within, NEIGHBOURS)
    candidates = members(groups(real, users, floors), actions, met, surprise(actions, met, beat), -math.log(budget))
    found = LockstepSearch([], np.zeros(users), floors, np.array(floors), met, real)
    for _ in range(ROUNDS):
        rest = without(actions, found.scores > FAR)
        if not len(rest.at):
            break
        null = [
            groups(weighed(draw, beat, within, NEIGHBOURS)[1], users, floors)
            for draw in null_draws(rest, beat, draws, seed)
        ]
        line = lines(null, _shares(rest), budget, floors)
        before, found = found, _above(candidates, line, found)
        if (found.scores > FAR).sum() == (before.scores > FAR).sum():
            break
    return found


def without(actions: CoReactions, users: NDArray[np.bool_]) -> CoReactions:
    """The actions of other users than some; numbers stay what they are."""
    kept = ~users[actions.user]
    columns = {name: getattr(actions, name)[kept] for name in ("user", "object", "at", "source")}
    return replace(actions, **columns)


def weighed(actions: CoReactions, beat: Rhythm, within: int, most: int) -> tuple[Matches, Pairs]:
    """All matches, and the pairs of users that they make."""
    met = matches(actions, within=within, most=most)
    return met, pairs(actions, met, surprise(actions, met, beat))


def _shares(actions: CoReactions) -> Floats:
    """Of each user in all deeds."""
    _, first = np.unique(actions.source, return_index=True)
    return np.bincount(actions.user[first], minlength=len(actions.users)) / max(len(first), 1)


def _above(candidates: list[Group], line: Floats, found: LockstepSearch) -> LockstepSearch:
    """The groups above their line: components of low floors hold those of higher ones, and the widest are named."""
    scores = np.zeros_like(found.scores)
    widest: list[Group] = []
    for group in candidates:  # floors ascend
        score = group.surprise / line[found.floors.index(group.floor)]
        if score > 1:
            if not scores[group.members].any():
                widest.append(group)
            scores[group.members] = np.maximum(scores[group.members], score)
    widest.sort(key=lambda group: -float(scores[group.members].max()))
    return replace(found, groups=widest, scores=scores, lines=line)


def _forest(found: Pairs, users: int) -> tuple[Ints, Ints, Floats]:
    """The heaviest spanning forest: its links."""
    if not len(found.a):
        return found.a, found.b, found.surprise
    # The heaviest forest is the cheapest one of `top - weight`; the 1 keeps costs above 0, scipy's sign for no edge.
    top = float(found.surprise.max()) + 1.0
    cheap = minimum_spanning_tree(coo_array((top - found.surprise, (found.a, found.b)), (users, users)).tocsr()).tocoo()
    return cheap.row.astype(np.int64), cheap.col.astype(np.int64), top - cheap.data
