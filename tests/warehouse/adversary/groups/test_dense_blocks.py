"""Dense blocks: the guarantees of the theorems on small graphs, and injected blocks among honest users."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.adversary.groups import block_lines
from warehouse.adversary.groups.block_lines import Deeds
from warehouse.adversary.groups.co_reactions import Ints
from warehouse.adversary.groups.dense_blocks import (
    Block,
    blocks,
    bound_in_words,
    column_weights,
    densest,
    undetected_bound,
)

Edges = tuple[Ints, Ints]

graphs = st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=18).map(
    lambda edges: (np.array([u for u, _ in sorted(edges)]), np.array([o for _, o in sorted(edges)]))
)


def g_of(edges: Edges, users: set[int], objects: set[int]) -> float:
    weights = column_weights(edges[1])
    inside = sum(weights[o] for u, o in zip(*edges, strict=True) if u in users and o in objects)
    return float(inside / (len(users) + len(objects)))


def greatest(edges: Edges) -> float:
    """The greatest g of all blocks, by looking at each."""

    def subsets(of: Ints) -> list[set[int]]:
        nodes = sorted(set(of.tolist()))
        return [set(some) for n in range(len(nodes) + 1) for some in itertools.combinations(nodes, n)]

    return max(g_of(edges, a, b) for a in subsets(edges[0]) for b in subsets(edges[1]) if a or b)


def background(rng: np.random.Generator, users: int = 300, objects: int = 120, edges: int = 700) -> Edges:
    odds = 1.0 / np.arange(1, objects + 1)
    pairs = np.stack([rng.integers(users, size=edges), rng.choice(objects, edges, p=odds / odds.sum())])
    unique = np.unique(pairs, axis=1)
    return unique[0], unique[1]


def with_block(edges: Edges, size: int, targets: int, camouflage: int, rng: np.random.Generator) -> Edges:
    """A full block of new users and new objects; each user also chose some popular objects."""
    first, fresh = int(edges[0].max()) + 1, int(edges[1].max()) + 1
    mine = [(first + n, fresh + k) for n in range(size) for k in range(targets)]
    mine += [(first + n, int(o)) for n in range(size) for o in rng.choice(20, camouflage, replace=False)]
    users, objects = np.array(mine).T
    return np.concatenate([edges[0], users]), np.concatenate([edges[1], objects])


@settings(max_examples=40, deadline=None)
@given(graphs)
def test_greedy_is_at_least_half_of_the_best(edges: Edges) -> None:
    block, best = densest(*edges), greatest(edges)
    assert block is not None
    assert best / 2 - 1e-9 <= block.g <= best + 1e-9


@settings(max_examples=60, deadline=None)
@given(graphs)
def test_the_told_g_is_that_of_the_told_nodes(edges: Edges) -> None:
    block = densest(*edges)
    assert block is not None
    assert block.g == pytest.approx(g_of(edges, set(block.users.tolist()), set(block.objects.tolist())))


@settings(max_examples=60, deadline=None)
@given(graphs)
def test_every_node_of_a_block_carries_at_least_g(edges: Edges) -> None:
    block = densest(*edges)
    assert block is not None
    weights = column_weights(edges[1])
    inside = np.isin(edges[0], block.users) & np.isin(edges[1], block.objects)
    for side, nodes in zip(edges, (block.users, block.objects), strict=True):
        for node in nodes:
            assert weights[edges[1][inside & (side == node)]].sum() >= block.g - 1e-9


@settings(max_examples=40, deadline=None)
@given(graphs, st.randoms(use_true_random=False))
def test_the_order_of_edges_does_not_matter(edges: Edges, random: object) -> None:
    order = list(range(len(edges[0])))
    random.shuffle(order)  # type: ignore[attr-defined]
    one, other = densest(*edges), densest(edges[0][order], edges[1][order])
    assert one is not None
    assert other is not None
    assert one.g == pytest.approx(other.g)
    assert one.users.tolist() == other.users.tolist()


@settings(max_examples=60, deadline=None)
@given(graphs, st.sets(st.tuples(st.integers(0, 4), st.integers(5, 9)), min_size=1, max_size=20))
def test_camouflage_takes_nothing_from_a_block(edges: Edges, camouflage: set[tuple[int, int]]) -> None:
    members, targets = set(edges[0].tolist()), set(edges[1].tolist())
    extra = np.array(sorted(camouflage)).T
    more = np.concatenate([edges[0], extra[0]]), np.concatenate([edges[1], extra[1]])
    assert g_of(more, members, targets) == pytest.approx(g_of(edges, members, targets))
    block = densest(*more)
    assert block is not None
    assert block.g >= g_of(edges, members, targets) / 2 - 1e-9  # so it cannot hide behind it


@pytest.mark.parametrize("camouflage", [0, 3, 6])
@pytest.mark.parametrize("seed", range(3))
def test_an_injected_block_is_recovered_whatever_its_camouflage(camouflage: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = with_block(background(rng), 15, 8, camouflage, rng)
    block = densest(*edges)
    assert block is not None
    assert set(range(300, 315)) <= set((block.users - edges[0].max() + 314).tolist())
    assert len(block.users) <= 20


def test_blocks_come_one_after_the_other() -> None:
    rng = np.random.default_rng(4)
    edges = with_block(with_block(background(rng), 15, 10, 2, rng), 10, 6, 2, rng)
    first, second = blocks(*edges, most=2)
    newest = set(range(int(edges[0].max()) - 9, int(edges[0].max()) + 1))
    assert newest <= set(second.users.tolist()) or newest <= set(first.users.tolist())
    assert first.g >= second.g
    assert not set(zip(first.users, first.objects, strict=False)) & set(zip(second.users, second.objects, strict=False))


def test_what_is_known_of_users_pulls_them_in() -> None:
    users, objects = np.array([0, 0, 1, 1, 2, 2, 3, 3]), np.array([0, 1, 0, 1, 2, 3, 2, 3])
    suspected = densest(users, objects, suspicion=np.array([0.0, 0.0, 5.0, 5.0]))
    assert suspected is not None
    assert suspected.users.tolist() == [2, 3]


def test_a_graph_without_edges_has_no_block_and_one_edge_is_one() -> None:
    nothing = np.zeros(0, np.int64)
    assert densest(nothing, nothing) is None
    assert blocks(nothing, nothing, most=3) == []
    one = densest(np.array([0]), np.array([0]))
    assert one is not None
    assert one._replace(users=one.users.tolist(), objects=one.objects.tolist()) == Block(  # type: ignore[arg-type]
        [0], [0], pytest.approx(column_weights(np.array([0]))[0] / 2), 1
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("density", [0.3, 0.6, 1.0])
def test_no_block_is_denser_than_the_bound_says(seed: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    honest = background(rng)
    full = with_block(honest, 20, 10, 4, rng)
    kept = (full[1] < 120) | (rng.random(len(full[0])) < density)
    edges = full[0][kept], full[1][kept]
    block = densest(*edges)
    assert block is not None
    truly = float(np.mean([(full[1][kept] >= 120).sum() / 200]))
    assert truly <= undetected_bound(block.g, 20, 10, honest_share=0.0)


def test_the_bound_is_said_in_loves_each_and_refuses_nonsense() -> None:
    assert bound_in_words(0.2).endswith("stays undetected only below 2.3 loves each.")
    assert "may stay undetected" in bound_in_words(5.0)
    assert (
        undetected_bound(0.1, 20, 10) < undetected_bound(0.2, 20, 10) < undetected_bound(0.2, 20, 10, honest_share=0.9)
    )
    with pytest.raises(ValueError, match="must be at least 1"):
        undetected_bound(0.2, 0, 10)


def deeds(edges: Edges) -> Deeds:
    return Deeds(edges[0], np.arange(len(edges[0])), [edges[1]])


def test_the_line_lets_honest_users_pass_and_holds_a_block() -> None:
    flagged = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        honest = background(rng)
        flagged += len(block_lines.find(deeds(honest), budget=0.0025, draws=10).blocks)
        found = block_lines.find(deeds(with_block(honest, 12, 8, 3, rng)), budget=0.0025, draws=10)
        assert found.blocks[0].users.tolist() == list(range(int(honest[0].max()) + 1, int(honest[0].max()) + 13))
    assert flagged == 0


def test_an_honest_user_in_a_dense_block_is_no_member() -> None:
    rng = np.random.default_rng(8)
    honest = background(rng)
    edges = with_block(honest, 12, 8, 3, rng)
    target = int(honest[1].max()) + 1
    curious = np.concatenate([edges[0], [5, 5]]), np.concatenate([edges[1], [target, target + 1]])
    found = block_lines.find(deeds(curious), budget=0.0025, draws=10)
    assert 5 not in found.blocks[0].users
    assert len(found.blocks[0].users) == 12


def test_visits_are_dealt_whole_and_users_keep_how_many_they_made() -> None:
    rng = np.random.default_rng(9)
    honest = background(rng)
    grouped = Deeds(
        honest[0], np.unique(np.stack([honest[0], honest[1] // 30]), axis=1, return_inverse=True)[1], [honest[1]]
    )
    dealt = block_lines.deal(grouped, rng)
    assert np.bincount(dealt.visits().user).tolist() == np.bincount(grouped.visits().user).tolist()
    assert dealt.sides[0].tolist() == grouped.sides[0].tolist()
    assert all(len(set(dealt.user[dealt.visit == visit])) == 1 for visit in range(20))
    assert (dealt.user != grouped.user).mean() > 0.5
