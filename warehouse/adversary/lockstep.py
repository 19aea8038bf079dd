"""Lockstep groups: accounts that act on the same objects at the same moments (SynchroTrap, Cao et al., CCS 2014).

Pairs of users are weighed by the surprise of their matches (`co_reactions`); groups are the connected components of the
pairs above a floor. What a group must reach is told by a permutation null: the same actions on other days.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from warehouse.adversary.co_reactions import (
    DAY,
    HOUR,
    Actions,
    Floats,
    Ints,
    Pairs,
    Rhythm,
    in_order,
    matches,
    pairs,
    rhythm,
    surprise,
)

LEAST = 3
"""Users that make a group: two friends are none."""
FLOORS = (2.0, 4.0, 8.0, 16.0, 32.0)
"""What a pair must weigh to be a link, in nats: low floors see large groups that met once, high ones see few users that
met often. Each floor has its own line, and an equal share of the loss."""


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


def groups(found: Pairs, users: int, floors: Sequence[float] = FLOORS, least: int = LEAST) -> list[Group]:
    """Connected components of at least `least` users, of the pairs above each floor, floor by floor.

    The heaviest spanning forest has the components of the whole graph at every floor, and is cut there.
    """
    a, b, weight = _forest(found, users)
    result = []
    for floor in floors:
        link = weight >= floor
        if link.any():
            _, label = connected_components(coo_array((weight[link], (a[link], b[link])), (users, users)), False)
            total = np.bincount(label[a[link]], weight[link], label.max() + 1)
            big = np.flatnonzero(np.bincount(label) >= least)
            by_label = np.argsort(label, kind="stable")
            begins = np.searchsorted(label[by_label], np.stack([big, big + 1]))
            result += [Group(by_label[i:j], float(total[k]), floor) for k, i, j in zip(big, *begins, strict=True)]
    return result


def null_draws(actions: Actions, beat: Rhythm, draws: int, seed: int) -> Iterator[Actions]:
    """The same actions on other days: what honest users would do who know nothing of each other.

    All that a user did on one day moves to a day drawn by the product's rhythm, at the same time of the day. So every
    user keeps their objects (tastes, devices, networks), number of actions, sessions and hours, every object its
    popularity and its hours; only that different users do it together is left to chance. To deal users anew among
    objects instead would break tastes and households too, and those would then pass for coordination.
    """
    for draw in range(draws):
        random = np.random.default_rng([seed, draw])
        _, place = np.unique(np.stack([actions.user, actions.at // DAY]), axis=1, return_inverse=True)
        days = random.choice(len(beat.days), int(place.max()) + 1, p=beat.days)
        moved = (beat.first + days[place.reshape(-1)]) * DAY + actions.at % DAY
        yield in_order(actions._replace(at=moved))


def lines(null: Sequence[Sequence[Group]], share: Floats, budget: float, floors: Sequence[float] = FLOORS) -> Floats:
    """What a group must reach at each floor, so that null groups lose at most `budget` of the actions, by expectation.

    Args:
        null: The groups of each draw.
        share: Of each user in all actions, float64 [users].
        budget: Expected share of actions in groups above the lines, all floors together.
        floors: As `groups` had them.

    Returns:
        float64 [floors]; a group above its line is flagged. The floor itself where no null group is in the way.
    """
    found = np.array(floors, np.float64)
    for n, floor in enumerate(floors):
        here = [
            (group.surprise, float(share[group.members].sum()))
            for draw in null
            for group in draw
            if group.floor == floor
        ]
        here.sort(reverse=True)
        lost = np.cumsum([size for _, size in here]) / len(null)
        over = int(np.searchsorted(lost, budget / len(floors), side="right"))
        if over < len(here):
            found[n] = max(floor, here[over][0])
    return found


class Found(NamedTuple):
    """What lockstep search found.

    Attributes:
        groups: Those above their line, the users of each not in one before it; strongest first.
        scores: Of each group: surprise by its line, above 1.
        lines: By floor, float64.
        pairs: All pairs of users, flagged or not.
        capped: Pairs of actions that were not looked at.
    """

    groups: list[Group]
    scores: list[float]
    lines: Floats
    pairs: Pairs
    capped: int


def find(
    actions: Actions, *, budget: float, within: int = 3 * HOUR, draws: int = 20, seed: int = 0, most: int = 64
) -> Found:
    """Groups that act in lockstep, at an expected loss of `budget` of all actions of independent users.

    Example:
        Five accounts choose the same three rare objects within minutes, among 200 who choose on their own:

        >>> import pyarrow as pa
        >>> from warehouse.adversary.co_reactions import encode
        >>> rng = np.random.default_rng(0)
        >>> honest = [(f"u{n % 200}", f"o{rng.integers(80)}", int(rng.integers(28 * DAY))) for n in range(600)]
        >>> farm = [(f"bot{n}", f"o{k}", (3 + 7 * k) * DAY + n * 60_000_000) for n in range(5) for k in range(3)]
        >>> user, object_, at = zip(*(honest + farm), strict=True)
        >>> actions = encode(pa.table({"user": user, "object": object_, "at": at}))
        >>> found = find(actions, budget=0.0025)
        >>> [sorted(actions.users[int(user)].as_py() for user in group.members) for group in found.groups]
        [['bot0', 'bot1', 'bot2', 'bot3', 'bot4']]
    """
    users = len(actions.users)
    if not len(actions.at):
        nobody = np.zeros(0, np.int64)
        return Found([], [], np.array(FLOORS), Pairs(nobody, nobody, nobody, nobody.astype(float), nobody), 0)
    beat = rhythm(actions.at)

    def weighed(some: Actions) -> tuple[Pairs, int]:
        found = matches(some, within=within, most=most)
        return pairs(some, found, surprise(some, found, beat)), found.capped

    share = np.bincount(actions.user, minlength=users) / len(actions.at)
    null = [groups(weighed(draw)[0], users) for draw in null_draws(actions, beat, draws, seed)]
    line = lines(null, share, budget)
    real, capped = weighed(actions)
    return _above(groups(real, users), line, real, capped)


def _above(candidates: list[Group], line: Floats, real: Pairs, capped: int) -> Found:
    """The groups above their line; of groups that share users the strongest is kept."""
    scored = [(group.surprise / line[FLOORS.index(group.floor)], group) for group in candidates]
    scored = sorted((each for each in scored if each[0] > 1), key=lambda each: -each[0])
    taken: set[int] = set()
    kept = []
    for score, group in scored:
        rest = [user for user in group.members.tolist() if user not in taken]
        if rest:
            kept.append((score, group._replace(members=np.array(rest))))
            taken.update(rest)
    return Found([group for _, group in kept], [score for score, _ in kept], line, real, capped)


def _forest(found: Pairs, users: int) -> tuple[Ints, Ints, Floats]:
    """The heaviest spanning forest: its links."""
    if not len(found.a):
        return found.a, found.b, found.surprise
    top = float(found.surprise.max()) + 1.0
    cheap = minimum_spanning_tree(coo_array((top - found.surprise, (found.a, found.b)), (users, users)).tocsr()).tocoo()
    return cheap.row.astype(np.int64), cheap.col.astype(np.int64), top - cheap.data
