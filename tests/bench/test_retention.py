"""The bench of the retention model in the small: its arms, what is true of them, and its summary."""

from pathlib import Path

import numpy as np
import pytest

from streams.synthetic import WorldConfig
from streams.synthetic.language.habits import INCUMBENT, Habits

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(autouse=True)
def _bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def test_an_arm_changes_some_habits_and_none_leaves_its_range() -> None:
    from retention_parts.arms import random_habits

    drawn = random_habits(np.random.default_rng(1), 50)
    changed = [sum(a != b for a, b in zip(one, INCUMBENT, strict=True)) for one in drawn]
    assert max(changed) <= 6
    assert np.mean(changed) > 4
    assert all(0 <= each <= 1 for one in drawn for each in one)


@pytest.mark.slow
def test_people_return_more_to_an_arm_that_answers_rightly_and_asks_back() -> None:
    from retention_parts.arms import pool_of
    from retention_parts.tests import served, true_loves, true_returns

    habits = {
        "control": INCUMBENT,
        "better": INCUMBENT._replace(right=0.95, asks_back=0.7, filler=0.9),
        "worse": Habits(right=0.2, false_refusal=0.2, cold=0.9, warm=0.05),
    }
    pool = pool_of(habits, 80, 1, samples=1)
    world = WorldConfig.long()
    returned = true_returns(served(pool, world, users=1_500, exposures=4_500, days=21, seed=1))
    assert returned["worse"] + 0.05 < returned["control"] < returned["better"] - 0.02
    again = true_returns(served(pool, world, users=1_500, exposures=4_500, days=21, seed=1))
    assert again == returned
    loves = true_loves(pool, world.base_love_rate)
    assert loves["worse"] < loves["control"]


def test_the_summary_correlates_over_the_tests_of_all_seeds_and_names_what_missed() -> None:
    from retention import lines, summary

    rng = np.random.default_rng(1)

    def one(true: float) -> dict[str, object]:
        foretold = 0.5 * true + 0.002 * rng.standard_normal()
        noise = {name: float(rng.standard_normal()) for name in ("love", "soon", "next_week", "composite", "offline")}
        pairs = {"index": [foretold, 0.002], "seen": [true, 0.03], "gap": [true - foretold, 0.03]}
        return {"arm": "arm-01", "true": true, "true_love": 0.0 * true + noise["love"], **noise, **pairs}

    seeds = [
        {"seed": seed, "tests": [one(true) for true in rng.normal(0, 0.03, 12)], "accuracy": [], "composite": {}}
        for seed in (1, 2)
    ]
    found = summary(seeds)
    assert found["tests_in_all"] == 24
    assert 0.9 < found["r_low"] < found["r"] < found["r_high"] <= 1
    assert found["r"] < found["r_corrected"][0] <= 1
    assert found["slope"][0] == pytest.approx(2, abs=0.3)
    assert found["rivals"]["seen"]["r"] == pytest.approx(1)
    assert abs(found["rivals"]["love"]["r"]) < 0.6
    assert found["validity"]["tests"] == 24
    assert lines(found)[-1].startswith(f"surrogate index: r = {found['r']:.3f}")


@pytest.mark.slow
def test_choosing_by_a_reward_raises_what_the_reward_is_for() -> None:
    from retention_parts import selection

    class Right:
        """Stands where a saved model does, and scores by the truth itself: what is chosen must then be the best."""

        def __init__(self, place: Path) -> None:
            self.love = place.name == "p_love"

        def logits(self, asked: list[object], said: list[str]) -> np.ndarray:
            true = selection._true(asked, said, WorldConfig.long())
            return true[:, 0 if self.love else 1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "SavedReward", Right)
        found = selection.selected(Path("models"), WorldConfig.long(), 40, 1)
    assert found["love"]["love"][1] > 0
    assert found["retention"]["pleases"][1] > 0
    assert found["love"]["love"][0] >= found["retention"]["love"][0]
    assert found["retention"]["pleases"][0] >= found["love"]["pleases"][0]
    assert found["apart"]["pleases"][0] == pytest.approx(found["retention"]["pleases"][0] - found["love"]["pleases"][0])
