import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.synthetic.social.multiplex import Multiplex, draw_multiplex


def drawn(nodes: int = 8_000, seed: int = 1, **changes: float) -> Multiplex:
    dials = {"friends": 12.0, "homophily": 0.7, "correlation": 0.6} | changes
    return draw_multiplex(np.random.default_rng(seed), nodes, communities=16, **dials)


@settings(max_examples=15, deadline=None)
@given(
    nodes=st.integers(2, 60),
    friends=st.floats(0.1, 20),
    homophily=st.floats(0, 1),
    correlation=st.floats(0, 1),
    spread=st.floats(0, 2),
)
def test_every_layer_is_a_simple_graph_over_the_same_people(
    nodes: int, friends: float, homophily: float, correlation: float, spread: float
) -> None:
    dials = {"friends": friends, "homophily": homophily, "correlation": correlation, "spread": spread}
    for layer in draw_multiplex(np.random.default_rng(nodes), nodes, communities=2, **dials):
        assert layer.links.shape == (nodes, nodes)
        assert layer.community.shape == (nodes,)
        assert set(layer.links.data.tolist()) <= {1.0}
        assert layer.links.diagonal().sum() == 0
        assert (layer.links != layer.links.T).nnz == 0


def test_people_have_as_many_friends_as_asked_for_and_most_in_their_community() -> None:
    for layer in drawn():
        assert layer.links.nnz / 8_000 == pytest.approx(12, rel=0.02)
        one, other = layer.links.nonzero()
        assert (layer.community[one] == layer.community[other]).mean() == pytest.approx(0.7 + 0.3 / 16, abs=0.01)


def test_without_homophily_friends_are_strangers_and_with_all_of_it_nobody_leaves_the_community() -> None:
    for homophily, share in ((0.0, 1 / 16), (1.0, 1.0)):
        layer = drawn(homophily=homophily).first
        one, other = layer.links.nonzero()
        assert (layer.community[one] == layer.community[other]).mean() == pytest.approx(share, abs=0.005)


def test_communities_of_the_first_layer_differ_by_one_in_size() -> None:
    sizes = np.bincount(drawn(nodes=2_011).first.community)
    assert len(sizes) == 16
    assert sizes.max() - sizes.min() == 1


@pytest.mark.parametrize("correlation", [0.0, 0.35, 1.0])
def test_two_communities_correlate_across_layers_as_asked_for(correlation: float) -> None:
    dials = {"friends": 1.0, "homophily": 0.5, "correlation": correlation}
    network = draw_multiplex(np.random.default_rng(3), 20_000, communities=2, **dials)
    found = np.corrcoef(network.first.community, network.second.community)[0, 1]
    assert found == pytest.approx(correlation, abs=0.03)


def test_spread_makes_hubs_and_leaves_the_communities_as_they_are() -> None:
    plain, hubs = drawn().first, drawn(spread=1.0).first
    degree, of_hubs = (np.diff(layer.links.indptr) for layer in (plain, hubs))
    assert degree.var() == pytest.approx(12, rel=0.05)
    assert of_hubs.var() > 5 * degree.var()
    one, other = hubs.links.nonzero()
    assert (hubs.community[one] == hubs.community[other]).mean() == pytest.approx(0.7, abs=0.05)


def test_the_same_seed_draws_the_same_friends_and_another_does_not() -> None:
    one, again, other = drawn(nodes=500), drawn(nodes=500), drawn(nodes=500, seed=2)
    assert (one.first.links != again.first.links).nnz == 0
    assert (one.first.links != other.first.links).nnz > 0


def test_friends_are_counted_among_those_who_have_something() -> None:
    layer = drawn(nodes=300).first
    having = np.arange(300) % 3 == 0
    assert np.array_equal(layer.among_friends(having), layer.links.toarray()[:, having].sum(axis=1))


def test_more_communities_than_people_are_refused() -> None:
    with pytest.raises(ValueError, match="3 nodes in 4 communities, must be at least one in each"):
        draw_multiplex(np.random.default_rng(0), 3, communities=4, friends=1, homophily=0, correlation=0)
