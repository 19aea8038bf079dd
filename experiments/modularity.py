"""Moves that raise a network's modularity, many at once, under a bound on the size of a community."""

from typing import Final, NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array

from experiments.columns import Floats, Ints

ROUNDS: Final = 60
"""Of moves on one level at most; networks of 100,000 users settle after about thirty."""
STILL: Final = 4
"""Rounds without a better division after which a level has settled: in each only half of all may move."""
_GAIN: Final = 1e-12
"""Of a move, in links; less is rounding."""


class Graph(NamedTuple):
    """A network of nodes that stand for one user each, or for a community.

    Attributes:
        links: float64[nodes, nodes], symmetric; on the diagonal twice the links within a node.
        sizes: int64[nodes], users of each node.
    """

    links: csr_array
    sizes: Ints

    def merged(self, labels: Ints) -> "Graph":
        """The network whose nodes are these communities, int64[nodes], numbered from 0 without gaps."""
        into = _members(labels)
        return Graph((into.T @ self.links @ into).tocsr(), np.bincount(labels, self.sizes).astype(np.int64))


def graph(pairs: Ints, users: int) -> Graph:
    """The network of these friendships, int64[edges, 2], without those of somebody with himself."""
    one, other = pairs[pairs[:, 0] != pairs[:, 1]].T
    ends = np.concatenate([one, other]), np.concatenate([other, one])
    links = coo_array((np.ones(len(ends[0])), ends), shape=(users, users)).tocsr()
    return Graph(links, np.ones(users, np.int64))


def modularity(network: Graph, labels: Ints) -> float:
    """`Q = sum_c (links within c / links - (degree of c / 2 links)^2)` (Newman & Girvan 2004); 0 without links.

    >>> square = graph(np.array([[0, 1], [1, 2], [2, 3], [3, 0]]), 4)
    >>> modularity(square, np.array([0, 0, 1, 1]))
    0.0
    """
    both = float(network.links.sum())
    if not both:
        return 0.0
    links = network.links.tocoo()
    within = float(links.data[labels[links.row] == labels[links.col]].sum())
    degree = np.bincount(labels, _degrees(network))
    return within / both - float(degree @ degree) / both**2


def improved(network: Graph, rng: np.random.Generator, largest: int) -> Ints:
    """Communities of nodes after moves that raise modularity, int64[nodes], numbered from 0 without gaps.

    Args:
        network: Its nodes begin alone.
        rng: Draws who may move in a round.
        largest: Users of a community at most; a node that is larger stays alone.
    """
    labels = np.arange(len(network.sizes))
    best, found, still = modularity(network, labels), labels, 0
    for _ in range(ROUNDS):
        labels = _round(network, labels, rng, largest)
        reached = modularity(network, labels)
        if reached > best + 1e-9:
            best, found, still = reached, labels, 0
        else:
            still += 1
        if still == STILL:
            break
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def _round(network: Graph, labels: Ints, rng: np.random.Generator, largest: int) -> Ints:
    """One round: half of the nodes go where modularity rises most, while there is room.

    Node i of degree k_i gains `(links to c - k_i K_c / 2m)`, K_c the degree of c without i, less the same of its own.
    """
    nodes, both = len(labels), float(network.links.sum())
    if not both:
        return labels
    degree = _degrees(network)
    total, size = np.bincount(labels, degree, nodes), np.bincount(labels, network.sizes, nodes)
    links = network.links.tocoo()
    apart = links.row != links.col
    around = coo_array((links.data[apart], (links.row[apart], labels[links.col[apart]])), shape=(nodes, nodes)).tocsr()
    around.sum_duplicates()
    around = around.tocoo()
    node, goal = around.row, around.col
    own = goal == labels[node]
    worth = around.data - degree[node] * (total[goal] - np.where(own, degree[node], 0.0)) / both
    stays = -degree * (total[labels] - degree) / both  # of who has no friend in the own community
    stays[node[own]] = worth[own]
    gain = worth - stays[node]
    fits = size[goal] + network.sizes[node] <= largest
    goes = ~own & fits & (gain > _GAIN) & (rng.random(nodes) < 0.5)[node]
    node, goal = _preferred(node[goes], goal[goes], gain[goes])
    enters = size[goal] + _queued(goal, network.sizes[node]) <= largest
    moved = labels.copy()
    moved[node[enters]] = goal[enters]
    return moved


def _preferred(node: Ints, goal: Ints, gain: Floats) -> tuple[Ints, Ints]:
    """Each node once, with its best goal; sorted by goal, and there by gain, the most eager first."""
    order = np.lexsort((-gain, node))
    node, goal, gain = node[order], goal[order], gain[order]
    first = np.diff(node, prepend=-1) > 0
    node, goal, gain = node[first], goal[first], gain[first]
    order = np.lexsort((-gain, goal))
    return node[order], goal[order]


def _queued(goal: Ints, sizes: Ints) -> Ints:
    """Users who want into the same goal, up to and with each node, where nodes are sorted by goal."""
    reached = np.cumsum(sizes)
    begins = np.diff(goal, prepend=-1) > 0
    return np.asarray(reached - np.maximum.accumulate(np.where(begins, reached - sizes, 0)), np.int64)


def _degrees(network: Graph) -> Floats:
    return np.asarray(network.links.sum(axis=1), np.float64).ravel()


def _members(labels: Ints) -> csr_array:
    nodes = len(labels)
    return coo_array((np.ones(nodes), (np.arange(nodes), labels)), shape=(nodes, int(labels.max()) + 1)).tocsr()
