"""Dense blocks of a bipartite graph, resistant to camouflage: FRAUDAR (Hooi et al., KDD 2016).

A block is some users and some objects, its suspiciousness g = (sum of node and edge weights inside) / (nodes inside).
An edge to an object that d users chose weighs 1 / log(d + c). What else the users of a block choose (camouflage) then
takes nothing away from it: those edges lie outside, and its own objects' degrees d do not change (the paper's
Theorem 2). Peeling the least node away, over and over, passes a block of at least half the greatest g (Theorem 1).
"""

from __future__ import annotations

import heapq
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

C = 5.0
"""The paper's c: keeps the weight of objects that one or two users chose within bounds."""
HONEST_SHARE = 0.5
"""So many of an object's edges are honest ones, at most, where nothing else is said."""
EXAMPLE = 20, 10
"""Users and objects of the block by which an operator is told what may stay undetected."""
_EPS = 1e-9


class Block(NamedTuple):
    """A dense block.

    Attributes:
        users: int64 [m0], sorted.
        objects: int64 [n0], sorted.
        g: Its suspiciousness, recomputed from the weights.
        edges: How many edges lie inside.
    """

    users: NDArray[np.int64]
    objects: NDArray[np.int64]
    g: float
    edges: int


def column_weights(objects: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weight of each object by how many edges it has: `1 / log(d + C)` (section 4.3 of the paper).

    Args:
        objects: The object of each edge, int64 [edges].

    >>> column_weights(np.array([0, 0, 0, 1])).round(3).tolist()
    [0.481, 0.558]
    """
    weights: NDArray[np.float64] = 1.0 / np.log(np.bincount(objects) + C)
    return weights


def densest(
    users: NDArray[np.int64],
    objects: NDArray[np.int64],
    *,
    weights: NDArray[np.float64] | None = None,
    suspicion: NDArray[np.float64] | None = None,
) -> Block | None:
    """The block that greedy peeling finds (Algorithm 1 of the paper), or None for a graph without edges.

    O(edges log edges): nodes wait in a heap; one whose weight fell is pushed again, and its old entry is skipped.

    Args:
        users: The user of each edge, int64 [edges], numbered from 0. Each (user, object) comes once.
        objects: The object of each edge, int64 [edges], numbered from 0.
        weights: Of each object's edges, float64 [objects]; `column_weights` if left out.
        suspicion: What is known of each user from elsewhere, added to the user's weight, float64 [users], >= 0.

    Example:
        Three users who all chose the same three objects, and a fourth who chose another one:

        >>> block = densest(np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3]), np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 3]))
        >>> block.users.tolist(), block.objects.tolist(), block.edges
        ([0, 1, 2], [0, 1, 2], 9)
    """
    if not len(users):
        return None
    weights = column_weights(objects) if weights is None else weights
    order, gs = _peel(users, objects, weights, suspicion)
    gone = int(np.argmax(gs > gs.max() - _EPS))  # of equally dense blocks the largest
    inside = np.ones(len(order), np.bool_)
    inside[order[:gone]] = False
    return _block(users, objects, weights, suspicion, inside)


def blocks(
    users: NDArray[np.int64],
    objects: NDArray[np.int64],
    *,
    most: int,
    least_users: int = 2,
    weights: NDArray[np.float64] | None = None,
) -> list[Block]:
    """Dense blocks one after the other: each is found after the edges inside the ones before it were taken away.

    All are weighed by the degrees of the whole graph, so that their g can be compared.

    Args:
        users: As `densest` wants it.
        objects: As `densest` wants it.
        most: How many to look for.
        least_users: Smaller ones are left out; they count towards `most`.
        weights: Of each object's edges, float64 [objects], where the graph is part of a greater one.
    """
    found: list[Block] = []
    if not len(users):
        return found
    weights = column_weights(objects) if weights is None else weights
    left = np.ones(len(users), np.bool_)
    for _ in range(most):
        block = densest(users[left], objects[left], weights=weights)
        if block is None:
            break
        if len(block.users) >= least_users:
            found.append(block)
        left &= ~(np.isin(users, block.users) & np.isin(objects, block.objects))
    return found


def undetected_bound(g: float, users: int, objects: int, *, honest_share: float = HONEST_SHARE) -> float:
    """Largest share of a block's possible edges that can hide, when peeling returned `g` (Theorem 3 of the paper).

    An object of the block has at most users / (1 - honest_share) edges when `honest_share` of them are honest: each
    weighs at least 1 / log(users / (1 - honest_share) + C); a block with the edge density p then has
    g(block) >= p users objects / ((users + objects) log(...)). Peeling returns at least half the greatest g, so every
    block has g(block) <= 2 g, and p is bounded.

    Args:
        g: What `densest` found, or the line below which what it finds is let go.
        users: m0, at least 1.
        objects: n0, at least 1.
        honest_share: How many of an object's edges are honest ones, at most, below 1.

    Returns:
        The density p in [0, 1]: a denser block cannot have escaped. 1 where any density may hide.

    >>> round(undetected_bound(0.2, 20, 10), 3)
    0.228
    """
    if users < 1 or objects < 1 or not 0 <= honest_share < 1:
        raise ValueError(
            f"a block of {users} users and {objects} objects with {honest_share} of its objects' edges honest: "
            "both numbers must be at least 1, the share at least 0 and below 1"
        )
    weight = math.log(users / (1 - honest_share) + C)
    return min(1.0, 2 * g * (users + objects) * weight / (users * objects))


def bound_in_words(g: float) -> str:
    """`undetected_bound` as a sentence for an operator.

    >>> bound_in_words(0.2).removeprefix("A block of 20 accounts that love the same 10 objects ")
    '(50% of their loves may be honest) stays undetected only below 2.3 loves each.'
    """
    users, objects = EXAMPLE
    each = objects * undetected_bound(g, users, objects)
    honest = f"({HONEST_SHARE:.0%} of their loves may be honest)"
    block = f"A block of {users} accounts that love the same {objects} objects {honest}"
    if each >= objects:
        return f"{block} may stay undetected: too few for the line."
    return f"{block} stays undetected only below {each:.1f} loves each."


def _peel(
    users: NDArray[np.int64],
    objects: NDArray[np.int64],
    weights: NDArray[np.float64],
    suspicion: NDArray[np.float64] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The order in which nodes go (objects numbered after users), and g before each of them goes.

    Nodes without edges or suspicion go first, and g is 0 where none but them are left.
    """
    first = int(users.max()) + 1 if suspicion is None else max(int(users.max()) + 1, len(suspicion))
    ends, edges, starts = _neighbours(users, objects + first)
    edge_weight = weights[objects][edges].tolist()
    weight = np.bincount(users, weights[objects], first) + (0 if suspicion is None else suspicion)
    weight = np.concatenate([weight, np.bincount(objects, weights[objects])])
    heap = list(zip(weight.tolist(), range(len(weight)), strict=True))
    heapq.heapify(heap)
    total, now, there = float(weight[:first].sum()), weight.tolist(), [True] * len(weight)
    order, gs, left = [], [], len(weight)
    while left:
        least, node = heapq.heappop(heap)
        if not there[node] or least != now[node]:
            continue
        order.append(node)
        gs.append(total / left)
        there[node], left, total = False, left - 1, total - least
        for at in range(starts[node], starts[node + 1]):
            other = ends[at]
            if there[other]:
                now[other] -= edge_weight[at]
                heapq.heappush(heap, (now[other], other))
    return np.array(order), np.array(gs)


def _neighbours(a: NDArray[np.int64], b: NDArray[np.int64]) -> tuple[list[int], NDArray[np.int64], list[int]]:
    """Of every node in turn: its neighbours, the edges to them; and where each node's begin."""
    nodes = int(b.max()) + 1
    edges = np.tile(np.arange(len(a)), 2)
    here, there = np.concatenate([a, b]), np.concatenate([b, a])
    by_node = np.argsort(here, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(here, minlength=nodes))])
    return there[by_node].tolist(), edges[by_node], starts.tolist()


def _block(
    users: NDArray[np.int64],
    objects: NDArray[np.int64],
    weights: NDArray[np.float64],
    suspicion: NDArray[np.float64] | None,
    inside: NDArray[np.bool_],
) -> Block:
    first = len(inside) - int(objects.max()) - 1
    mine = inside[users] & inside[objects + first]
    who, what = np.flatnonzero(inside[:first]), np.flatnonzero(inside[first:])
    known = 0.0 if suspicion is None else float(suspicion[who].sum())
    g = (float(weights[objects[mine]].sum()) + known) / (len(who) + len(what))
    return Block(who, what, g, int(mine.sum()))
