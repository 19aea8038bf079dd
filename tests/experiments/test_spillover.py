import math

import numpy as np
import pytest

from experiments.spillover import spillover


def network(users: int, friends: int, rng: np.random.Generator) -> np.ndarray:
    pairs = rng.integers(0, users, (users * friends // 2, 2))
    return np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)


def test_without_influence_it_is_wrong_about_as_often_as_its_level_though_the_treatment_works() -> None:
    rng = np.random.default_rng(1)
    wrong, tests = 0, 500
    for seed in range(tests):
        edges, arm = network(600, 6, rng), rng.integers(0, 2, 600).astype(np.int8)
        taste = rng.lognormal(0, 0.8, 600) * 0.03 * (1 + arm)
        seen = 1 + rng.poisson(10, 600)
        wrong += spillover(rng.binomial(seen, np.minimum(taste, 0.9)), seen, arm, edges, share=0.5, seed=seed).p < 0.05
    assert 0.03 < wrong / tests < 0.08


def test_friends_who_pass_on_their_love_are_found_and_told() -> None:
    rng = np.random.default_rng(2)
    edges, arm = network(4_000, 6, rng), rng.integers(0, 2, 4_000).astype(np.int8)
    both = np.concatenate([edges, edges[:, ::-1]])
    degree = np.maximum(np.bincount(both[:, 0], minlength=4_000), 1)
    swayed = np.bincount(both[:, 0], arm[both[:, 1]], minlength=4_000) / degree
    seen = np.full(4_000, 20)
    found = spillover(rng.binomial(seen, 0.05 * (1 + arm + swayed)), seen, arm, edges, share=0.5, seed=1)
    assert found.p < 0.001
    assert found.words.startswith("users with more treated friends love more (z = +")


def test_where_nobody_has_a_friend_or_loves_nothing_is_said() -> None:
    none = np.zeros((0, 2), np.int64)
    quiet = spillover(np.ones(4), np.full(4, 2.0), np.array([0, 1, 0, 1], np.int8), none, share=0.5, seed=1)
    assert (math.isnan(quiet.z), quiet.p, quiet.links) == (True, 1.0, 0)
    assert quiet.words.startswith("nothing can be said of friends' influence")
    with pytest.raises(ValueError, match="share == 0"):
        spillover(np.ones(2), np.ones(2), np.array([0, 1], np.int8), none, share=0.0, seed=1)
