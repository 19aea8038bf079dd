from pathlib import Path

import pytest

from training.cgpo.config import CgpoConfig
from training.cgpo.learn import learning_rate
from training.policy.load import load_policy


def test_the_rate_follows_from_width_and_tuning_unless_it_is_given(policy: Path) -> None:
    model = load_policy(policy).model
    assert learning_rate(model, CgpoConfig()) == pytest.approx(2e-3)
    assert learning_rate(model, CgpoConfig(tuning="lora")) == pytest.approx(2e-2)
    assert learning_rate(model, CgpoConfig(lr=1e-4)) == 1e-4
