from pathlib import Path

import pytest

from training.cgpo.collect import Winner
from training.cgpo.config import CgpoConfig
from training.cgpo.learn import blend, learning_rate
from training.policy.batches import join
from training.policy.load import load_policy

ONE = join([1], [2])


def test_each_task_weighs_its_rho_however_many_winners_it_has() -> None:
    many, few = [Winner(ONE, 1.0)] * 8, [Winner(ONE, 1.0)] * 2
    weights = [each.weight for each in blend([(0.7, many), (0.3, few)])]
    assert sum(weights[:8]) / sum(weights) == pytest.approx(0.7)
    assert sum(weights) == pytest.approx(10)


def test_within_a_task_the_calibrated_reward_weighs() -> None:
    found = blend([(0.5, [Winner(ONE, 0.9), Winner(ONE, 0.3)])])
    assert found[0].weight == pytest.approx(3 * found[1].weight)


def test_a_task_without_winners_leaves_its_share_to_the_others() -> None:
    assert [each.weight for each in blend([(0.7, []), (0.3, [Winner(ONE, 1.0)])])] == [1.0]
    assert blend([(1.0, [])]) == []


def test_the_rate_follows_from_width_and_tuning_unless_it_is_given(policy: Path) -> None:
    model = load_policy(policy).model
    assert learning_rate(model, CgpoConfig()) == pytest.approx(2e-3)
    assert learning_rate(model, CgpoConfig(tuning="lora")) == pytest.approx(2e-2)
    assert learning_rate(model, CgpoConfig(lr=1e-4)) == 1e-4
