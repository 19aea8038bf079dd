import math
from typing import NamedTuple

import networkx as nx
import numpy as np
import pytest

from experiments.adjust import adjusted
from experiments.communities import assign_clusters, by_community, communities, community_design_effect
from experiments.modularity import graph, modularity
from stats.intervals import Interval
from streams.assignment import assign
from streams.synthetic.social.contagion import PRO, Opinion, spread_opinions
from streams.synthetic.social.multiplex import Layer, draw_multiplex

USERS, PLANTED = 1_600, 40


class Network(NamedTuple):
    """Friends of a planted network."""

    layer: Layer
    edges: np.ndarray


@pytest.fixture(scope="module")
def network() -> Network:
    drawn = draw_multiplex(
        np.random.default_rng(1), USERS, communities=PLANTED, friends=12, homophily=0.9, correlation=1.0
    ).first
    links = drawn.links.tocoo()
    once = links.row < links.col
    return Network(drawn, np.stack([links.row, links.col], axis=1)[once].astype(np.int64))


@pytest.fixture(scope="module")
def labels(network: Network) -> np.ndarray:
    return communities(network.edges, USERS, seed=1, largest=60)


def test_planted_communities_are_found_again(network: Network, labels: np.ndarray) -> None:
    planted = network.layer.community
    whole = graph(network.edges, USERS)
    assert modularity(whole, labels) > 0.98 * modularity(whole, planted)
    same = [labels[one] == labels[other] for one, other in network.edges if planted[one] == planted[other]]
    assert np.mean(same) > 0.97


@pytest.mark.slow
def test_the_division_is_about_as_good_as_networkx_finds(network: Network) -> None:
    reference = nx.Graph(network.edges.tolist())
    best = nx.community.modularity(reference, nx.community.louvain_communities(reference, seed=1))
    own = communities(network.edges, USERS, seed=1, largest=USERS)
    assert modularity(graph(network.edges, USERS), own) > best - 0.02
    groups = [set(np.flatnonzero(own == label).tolist()) for label in range(own.max() + 1)]
    assert modularity(graph(network.edges, USERS), own) == pytest.approx(nx.community.modularity(reference, groups))


@pytest.mark.parametrize("largest", [1, 2, 7, 30])
def test_no_community_is_larger_than_the_bound(network: Network, largest: int) -> None:
    found = communities(network.edges, USERS, seed=2, largest=largest)
    assert np.bincount(found).max() <= largest
    assert np.unique(found).tolist() == list(range(found.max() + 1))


def test_without_a_bound_there_are_fifty_communities_or_more(network: Network) -> None:
    found = communities(network.edges, USERS, seed=1)
    assert found.max() + 1 >= 50
    assert np.bincount(found).max() <= USERS // 50


@pytest.mark.slow
def test_one_seed_gives_one_division_however_edges_are_written(network: Network) -> None:
    first = communities(network.edges, USERS, seed=3)
    assert (first == communities(network.edges, USERS, seed=3)).all()
    order = np.random.default_rng(1).permutation(len(network.edges))
    assert (first == communities(network.edges[order][:, ::-1], USERS, seed=3)).all()


def test_users_without_friends_stay_alone() -> None:
    assert communities(np.empty((0, 2), np.int64), 3, seed=1).tolist() == [0, 1, 2]
    assert communities(np.array([[0, 0], [1, 3]]), 4, seed=1, largest=2).tolist() == [0, 1, 2, 1]
    assert communities(np.empty((0, 2), np.int64), 0, seed=1).tolist() == []


def test_whole_communities_are_dealt_by_the_products_hash(labels: np.ndarray) -> None:
    arm = assign_clusters(labels, 0.3, "2026", experiment="warmer")
    assert arm.dtype == np.int8
    shares = {"control": 0.7, "treatment": 0.3}
    for label in np.unique(labels).tolist():
        expected = assign(f"community {label}", experiment="warmer", arms=shares, salt="2026") == "treatment"
        assert set(arm[labels == label].tolist()) == {int(expected)}
    assert (arm != assign_clusters(labels, 0.3, "2027", experiment="warmer")).any()


def test_communities_are_treated_by_the_share() -> None:
    arm = assign_clusters(np.arange(4_000), 0.2, "2026")
    assert arm.mean() == pytest.approx(0.2, abs=3 * math.sqrt(0.2 * 0.8 / 4_000))


def loves(layer: Layer, arm: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Chances of a love after ten days in which enthusiasm, kindled by the treatment, passed from friend to friend."""
    mood = np.zeros(len(arm), np.int8)
    for _ in range(10):
        mood = spread_opinions(mood, layer, Opinion(0.05, 0.0, 0.4), rng, pro_spark=0.02 + 0.06 * arm)
    return 0.02 * np.where(mood == PRO, 3.0, 1.0)


@pytest.mark.slow
def test_dealt_by_community_the_effect_is_nearer_to_that_of_treating_everybody(
    network: Network, labels: np.ndarray
) -> None:
    rng = np.random.default_rng(4)
    found: dict[str, list[float]] = {"by user": [], "by community": [], "total": []}
    ones = np.ones(USERS)
    for deal in range(40):
        by_user = rng.integers(0, 2, USERS)
        by_whole = assign_clusters(labels, 0.5, f"deal {deal}")
        seen = loves(network.layer, by_user, rng)
        found["by user"].append(adjusted(seen, ones, by_user, ones[:, None]).log_ratio)
        found["by community"].append(
            by_community(loves(network.layer, by_whole, rng), ones, by_whole, labels).log_ratio
        )
        everybody, nobody = (loves(network.layer, np.full(USERS, side), rng).mean() for side in (1, 0))
        found["total"].append(math.log(everybody / nobody))
    by_user, by_whole, total = (np.array(each) for each in found.values())
    assert by_user.mean() < by_whole.mean() < total.mean() + 0.02
    assert abs(by_whole.mean() - total.mean()) < 0.5 * abs(by_user.mean() - total.mean())


@pytest.mark.slow
def test_the_interval_over_communities_covers_where_that_over_users_does_not() -> None:
    """Communities differ in taste; nobody is influenced, the treatment does nothing."""
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(60), 30)
    covered = {"communities": 0, "users": 0}
    for _ in range(300):
        chance = 0.1 * np.exp(0.5 * rng.standard_normal(60))[labels]
        exposures = 1 + rng.poisson(9, len(labels))
        events = rng.binomial(exposures, np.minimum(chance, 0.9))
        arm = rng.permutation(60)[labels] % 2
        whole = by_community(events, exposures, arm, labels)
        alone = adjusted(events, exposures, arm, np.ones((len(labels), 1)))
        covered["communities"] += whole.ci.low <= 0 <= whole.ci.high
        covered["users"] += alone.ci.low <= 0 <= alone.ci.high
    assert covered["communities"] / 300 > 0.95 - 2 * math.sqrt(0.05 * 0.95 / 300)
    assert covered["users"] / 300 < 0.7


def test_the_variance_over_communities_is_told_beside_that_over_users() -> None:
    rng = np.random.default_rng(6)
    labels = np.repeat(np.arange(40), 25)
    chance = (0.1 * np.exp(0.6 * rng.standard_normal(40)))[labels]
    exposures = np.full(1_000, 10)
    events = rng.binomial(10, np.minimum(chance, 0.9))
    found = by_community(events, exposures, labels % 2, labels)
    history = community_design_effect(events, exposures, labels)
    assert found.design_effect > 3
    assert history == pytest.approx(found.design_effect, rel=0.5)
    assert found.communities == (20, 20)
    assert f"variance {found.design_effect:.1f} times that by user" in found.words
    assert community_design_effect(events, exposures, np.arange(1_000)) == pytest.approx(1.0)
    assert community_design_effect([0, 0], [0, 0], [0, 1]) == 1.0


def test_few_communities_are_warned_of_and_none_are_everything() -> None:
    found = by_community([3, 1, 4, 2], [9, 9, 9, 9], [0, 0, 1, 1], [0, 1, 2, 3])
    assert found.words.endswith("fewer than 10 communities in an arm, deal smaller ones")
    alone = by_community([3, 1, 4, 2], [9, 9, 9, 9], [0, 0, 1, 1], [0, 0, 1, 1])
    assert (alone.lift, alone.ci) == (None, Interval(-1.0, math.inf))
    assert alone.words == "the control has 1 community and 18 exposures: wait for more"
    assert by_community([0, 0, 4, 2], [9, 9, 9, 9], [0, 0, 1, 1], [0, 1, 2, 3]).lift is None
    assert by_community([2, 2, 4, 4], [9, 9, 9, 9], [0, 0, 1, 1], [0, 1, 2, 3]).ci == Interval(-1.0, math.inf)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"edge \[0, 3\] names nobody, users are numbered from 0 to 2"):
        communities(np.array([[0, 1], [0, 3]]), 3, seed=1)
    with pytest.raises(ValueError, match=r"edges are float64 of shape \(1, 2\), must be whole numbers"):
        communities(np.array([[0.0, 1.0]]), 3, seed=1)
    with pytest.raises(ValueError, match="largest == 0, must be a positive number"):
        communities(np.array([[0, 1]]), 3, seed=1, largest=0)
    with pytest.raises(ValueError, match=r"share == 50, must be in \(0, 1\)"):
        assign_clusters(np.array([0, 1]), 50, "2026")
    with pytest.raises(ValueError, match=r"labels holds -1 \(row 2\), must be a whole number from 0 on"):
        assign_clusters(np.array([0, -1]), 0.5, "2026")
    with pytest.raises(ValueError, match="community 4 has 1 of 2 users in the treatment"):
        by_community([1, 1], [2, 2], [0, 1], [4, 4])
    with pytest.raises(ValueError, match=r"columns of different lengths \(events 2, community 1\)"):
        by_community([1, 1], [2, 2], [0, 1], [4])
