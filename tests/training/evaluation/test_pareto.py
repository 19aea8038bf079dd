import numpy as np
import pytest

from training.evaluation.pareto import ahead, front

PROMPTS = 400


def answers(love: float, helpful: float, safe: float, seed: int = 0) -> np.ndarray:
    """[prompts, 3] around the given means; the same seed means the same prompts' chance."""
    noise = np.random.default_rng(seed).normal(0, 0.1, (PROMPTS, 3))
    return np.array([love, helpful, safe]) + noise


def test_who_is_lower_in_everything_is_beaten_and_a_trade_is_not() -> None:
    found = front(
        {"warm": answers(0.6, 0.4, 0.9), "helpful": answers(0.4, 0.6, 0.9), "poor": answers(0.3, 0.3, 0.8)}, seed=1
    )
    assert found["poor"].beaten_by == ("warm", "helpful")
    assert found["warm"].beaten_by == found["helpful"].beaten_by == ()
    assert (found["warm"].front_share, found["poor"].front_share) == (1.0, 0.0)


def test_who_lags_by_chance_alone_stays_on_the_front() -> None:
    better, worse = answers(0.5, 0.5, 0.5, seed=1), answers(0.5, 0.5, 0.5, seed=2)
    worse += better.mean(axis=0) - worse.mean(axis=0) - 0.0005
    found = front({"better": better, "worse": worse}, seed=1)
    assert ahead(np.stack([better.mean(axis=0), worse.mean(axis=0)]))[0, 1]
    assert found["worse"].beaten_by == ()
    assert 0.2 < found["worse"].front_share < 1


def test_a_small_lag_on_the_same_chance_is_seen_since_differences_are_paired() -> None:
    better = answers(0.5, 0.5, 0.5)
    found = front({"better": better, "worse": better - 0.0005}, seed=1)
    assert found["worse"].beaten_by == ("better",)


def test_equal_policies_do_not_beat_each_other() -> None:
    same = answers(0.5, 0.5, 0.5)
    assert [each.beaten_by for each in front({"one": same, "two": same.copy()}, seed=1).values()] == [(), ()]


@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_never_empty_and_nobody_beats_who_beats_them(seed: int) -> None:
    chance = np.random.default_rng(seed)
    values = {f"p{number}": chance.normal(chance.normal(0, 0.1), 1, (60, 3)) for number in range(6)}
    found = front(values, seed=seed, resamples=200)
    assert any(not each.beaten_by for each in found.values())
    beats = {(winner, name) for name, each in found.items() for winner in each.beaten_by}
    assert not {(loser, winner) for winner, loser in beats} & beats


def test_the_order_of_policies_changes_nothing() -> None:
    values = {name: answers(*means) for name, means in {"a": (0.6, 0.4, 0.9), "b": (0.3, 0.3, 0.8)}.items()}
    assert front(values, seed=1) == front(dict(reversed(values.items())), seed=1)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "shapes by policy are {}"),
        ({"a": np.zeros((4, 0))}, "neither of them 0"),
        ({"a": np.zeros((4, 2)), "b": np.zeros((5, 2))}, "must be one"),
        ({"a": np.zeros((4, 2)), "b": np.full((4, 2), np.nan)}, "values of b are not finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(values: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        front(values, seed=1)
