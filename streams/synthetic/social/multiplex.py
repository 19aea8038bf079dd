"""A two-layer multiplex network with communities: the same people, two kinds of friendship.

Each layer is a degree-corrected stochastic block model (Karrer & Newman, arXiv 1008.3926) between their planted and
their random structure (their equation 27), in its Poisson form:

    E[A_ij] = theta_i theta_j omega(g_i, g_j),    omega = h omega_planted + (1 - h) omega_random.

An edge is drawn by taking one end in proportion to theta, and the other end in proportion to theta too: among the same
community with probability h (`homophily`), among everybody otherwise. Self-loops and repeated edges, a share of about
friends / community_size, are left out.

Peng & Porter (arXiv 2206.13416) put every node into one community on each layer, with more edges within communities
than between, and correlate the memberships. So do we; the form of the correlation is ours: with probability
`correlation` a node keeps its first community on the second layer, otherwise it gets any. For two communities of equal
size this number is Pearson's correlation of the two memberships.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Layer(NamedTuple):
    """One kind of friendship.

    Attributes:
        community: int64[n], each node's community.
        links: csr_array float32[n, n], symmetric, 1 for friends, nothing on the diagonal.
    """

    community: Ints
    links: csr_array

    def among_friends(self, having: NDArray[np.bool_]) -> Floats:
        """How many friends of each node are among `having`, float32[n]."""
        return np.asarray(self.links @ having.astype(np.float32))


class Multiplex(NamedTuple):
    """Two layers over the same nodes."""

    first: Layer
    second: Layer


def draw_multiplex(
    rng: np.random.Generator,
    nodes: int,
    *,
    communities: int,
    friends: float,
    homophily: float,
    correlation: float,
    spread: float = 0.0,
) -> Multiplex:
    """Draw a multiplex network; 100,000 nodes with 12 friends take about .4 s.

    Args:
        rng: The only source of chance.
        nodes: Number of nodes.
        communities: On each layer; on the first their sizes differ by one at most.
        friends: Mean degree on each layer, before repeated edges are left out.
        homophily: Share of edges drawn within a community, in [0, 1].
        correlation: Chance that a node's two communities are the same by design, in [0, 1].
        spread: Standard deviation of ln theta: 0 for a planted partition with Poisson degrees.

    Raises:
        ValueError: There are fewer nodes than communities.
    """
    if nodes < communities:
        raise ValueError(f"{nodes} nodes in {communities} communities, must be at least one in each")
    first = rng.permutation(nodes) % communities
    keeps = rng.random(nodes) < correlation
    second = np.where(keeps, first, rng.integers(0, communities, size=nodes))
    theta = np.exp(spread * rng.standard_normal(nodes))
    layers = [Layer(own, _links(rng, own, theta, friends, homophily)) for own in (first, second)]
    return Multiplex(*layers)


def _links(rng: np.random.Generator, community: Ints, theta: Floats, friends: float, homophily: float) -> csr_array:
    nodes = len(community)
    order = np.argsort(community, kind="stable")
    edges = rng.poisson(nodes * friends / 2)
    ends = np.cumsum(theta[order])
    one = np.searchsorted(ends, ends[-1] * rng.random(edges), side="right")
    sizes = np.bincount(community)
    last = np.cumsum(sizes)
    within = rng.random(edges) < homophily
    own = community[order][one]
    reached = np.concatenate([[0.0], ends])
    low = np.where(within, reached[last[own] - sizes[own]], 0.0)
    high = np.where(within, ends[last[own] - 1], ends[-1])
    other = np.searchsorted(ends, low + (high - low) * rng.random(edges), side="right")
    return _symmetric(order[one], order[np.minimum(other, nodes - 1)], nodes)


def _symmetric(one: Ints, other: Ints, nodes: int) -> csr_array:
    """Links in both directions, each once."""
    proper = one != other
    ends = np.concatenate([one[proper], other[proper]]), np.concatenate([other[proper], one[proper]])
    links = coo_array((np.ones(len(ends[0]), np.float32), ends), shape=(nodes, nodes)).tocsr()
    links.sum_duplicates()
    links.data[:] = 1
    return links
