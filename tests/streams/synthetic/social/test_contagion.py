import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from streams.synthetic.social.contagion import (
    ANTI,
    IMMUNE,
    LEAVING,
    LEFT,
    NEUTRAL,
    PRO,
    STAYING,
    Leaving,
    Opinion,
    States,
    spread_leaving,
    spread_opinions,
)
from streams.synthetic.social.multiplex import Layer, draw_multiplex

NODES = 2_500
FRIENDS = 30.0


def crowd(seed: int = 1, nodes: int = NODES, friends: float = FRIENDS) -> Layer:
    dials = {"friends": friends, "homophily": 0.3, "correlation": 0.5}
    return draw_multiplex(np.random.default_rng(seed), nodes, communities=2, **dials).first


def opinions_after(steps: int, rates: Opinion, *, pro: float = 0.05, anti: float = 0.0, seed: int = 1) -> States:
    """The opinions after so many steps, from these shares of either."""
    rng, layer = np.random.default_rng(seed), crowd()
    chance = rng.random(NODES)
    state = np.select([chance < pro, chance < pro + anti], [PRO, ANTI], NEUTRAL).astype(np.int8)
    for _ in range(steps):
        state = spread_opinions(state, layer, rates, rng)
    return state


def leavers_after(steps: int, rates: Leaving, *, opinion: int = NEUTRAL, seed: int = 1) -> States:
    rng, layer = np.random.default_rng(seed), crowd()
    state = (rng.random(NODES) < 0.01).astype(np.int8)
    held = np.full(NODES, opinion, np.int8)
    for _ in range(steps):
        state = spread_leaving(state, held, layer, rates, rng)
    return state


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999),
    rates=st.builds(Opinion, st.floats(0, 3), st.floats(0, 3), st.floats(0, 3), st.booleans()),
    sparks=st.tuples(st.floats(0, 2), st.floats(0, 2)),
)
def test_nobody_is_ever_for_and_against_and_nobody_turns_from_one_to_the_other(
    seed: int, rates: Opinion, sparks: tuple[float, float]
) -> None:
    rng, layer = np.random.default_rng(seed), crowd(nodes=60, friends=6)
    state = rng.integers(0, 4, size=60).astype(np.int8)
    for _ in range(5):
        after = spread_opinions(
            state, layer, rates, rng, pro_spark=np.array([sparks[0]]), anti_spark=np.array([sparks[1]])
        )
        assert np.bincount(after, minlength=4)[:4].sum() == 60
        held = (state == PRO) | (state == ANTI)
        gone = IMMUNE if rates.immune else NEUTRAL
        assert np.isin(after[held], [gone, PRO, ANTI]).all()
        assert (after[held & (after != gone)] == state[held & (after != gone)]).all()
        assert (after[state == IMMUNE] == IMMUNE).all()
        assert (after[state == NEUTRAL] != IMMUNE).all()
        state = after


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999),
    rates=st.builds(
        Leaving, st.floats(0, 3), st.floats(0, 3), st.floats(0, 1), st.floats(1, 5), st.sampled_from([0.0, 0.3])
    ),
    spark=st.floats(0, 1),
)
def test_people_leave_step_by_step_and_are_neither_made_nor_lost(seed: int, rates: Leaving, spark: float) -> None:
    rng, layer = np.random.default_rng(seed), crowd(nodes=60, friends=6)
    state, opinion = (rng.integers(0, 3, size=60).astype(np.int8) for _ in range(2))
    for _ in range(5):
        after = spread_leaving(state, opinion, layer, rates, rng, spark=np.array([spark]))
        assert np.bincount(after, minlength=3)[:3].sum() == 60
        assert np.isin((after - state) % 3, [0, 1]).all()
        if rates.win_back == 0:
            assert (after[state == LEFT] == LEFT).all()
        state = after


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999))
def test_nothing_comes_from_nothing(seed: int) -> None:
    rng, layer = np.random.default_rng(seed), crowd(nodes=60, friends=6)
    nobody = np.zeros(60, np.int8)
    assert (spread_opinions(nobody, layer, Opinion(3, 3, 1), rng) == NEUTRAL).all()
    assert (spread_leaving(nobody, nobody, layer, Leaving(3, 1), rng) == STAYING).all()


def test_friends_pass_an_opinion_on_with_the_chance_that_the_rates_say() -> None:
    layer = crowd()
    state = np.where(np.arange(NODES) < 100, PRO, np.where(np.arange(NODES) < 150, ANTI, NEUTRAL)).astype(np.int8)
    pro, anti = 0.3 * layer.among_friends(state == PRO), 0.5 * layer.among_friends(state == ANTI)
    rngs = np.random.default_rng(1).spawn(30)
    after = np.array([spread_opinions(state, layer, Opinion(0.3, 0.5, 0.2), rng)[150:] for rng in rngs])
    moved = 1 - np.exp(-(pro + anti))[150:]
    share = (pro / np.maximum(pro + anti, 1e-9))[150:]
    assert (after == PRO).mean() == pytest.approx((moved * share).mean(), rel=0.03)
    assert (after == ANTI).mean() == pytest.approx((moved * (1 - share)).mean(), rel=0.03)


@pytest.mark.parametrize("reproduction", [0.7, 2.0])
def test_one_opinion_alone_lives_only_above_the_sis_threshold(reproduction: float) -> None:
    """Mean field: the share 1 - 1 / R survives where R = friends x rate / forget exceeds 1, none below."""
    found = opinions_after(100, Opinion(reproduction * 0.1 / FRIENDS, 0.0, 0.1))
    expected = max(0.0, 1 - 1 / reproduction)
    assert (found == PRO).mean() == pytest.approx(expected, abs=0.05)
    assert not (found == ANTI).any()


@pytest.mark.parametrize("reproduction", [0.7, 2.0])
def test_leaving_alone_reaches_the_final_size_of_an_sir_epidemic(reproduction: float) -> None:
    """r = 1 - (1 - s) exp(-R r), where s = 1 % began to leave."""
    found = leavers_after(170, Leaving(catch=reproduction * 0.1 / FRIENDS, go=0.1))
    expected = brentq(lambda r: 1 - 0.99 * np.exp(-reproduction * r) - r, 1e-6, 1)
    assert (found == LEAVING).mean() < 0.01
    assert (found == LEFT).mean() == pytest.approx(expected, abs=0.05)


def test_the_disenchanted_leave_in_larger_numbers_and_enthusiasts_in_smaller() -> None:
    rates = Leaving(catch=1.5 * 0.1 / FRIENDS, go=0.1, slows=0.5, hastens=2.0)
    pro, neutral, anti = ((leavers_after(170, rates, opinion=one) == LEFT).mean() for one in (PRO, NEUTRAL, ANTI))
    assert pro + 0.2 < neutral < anti - 0.2


def test_each_opinion_is_smaller_when_the_other_competes() -> None:
    """Opinions that are held once (SIR), started by one in a hundred."""
    rates = Opinion(2.5 * 0.1 / FRIENDS, 2.5 * 0.1 / FRIENDS, 0.0)

    def reached(pro: float, anti: float) -> np.ndarray:
        return np.bincount(opinions_after(30, rates, pro=pro, anti=anti), minlength=4) / NODES

    alone_pro, alone_anti, both = reached(0.01, 0.0), reached(0.0, 0.01), reached(0.01, 0.01)
    assert both[PRO] < alone_pro[PRO] - 0.2
    assert both[ANTI] < alone_anti[ANTI] - 0.2


def test_who_has_forgotten_is_immune_to_both_when_immunity_is_on() -> None:
    found = opinions_after(170, Opinion(0.015, 0.01, 0.1, immune=True), pro=0.02, anti=0.02)
    assert set(np.unique(found).tolist()) <= {NEUTRAL, IMMUNE}
    assert (found == IMMUNE).mean() > 0.5


def test_who_left_can_be_won_back() -> None:
    found = leavers_after(100, Leaving(catch=2.0 * 0.1 / FRIENDS, go=0.1, win_back=0.1))
    shares = np.bincount(found, minlength=3) / NODES
    assert shares[STAYING] == pytest.approx(0.5, abs=0.06)
    assert shares[LEAVING] == pytest.approx(shares[LEFT], abs=0.05)
