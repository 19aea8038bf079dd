from pathlib import Path

import numpy as np
import pytest
import torch

from training.policy.load import fingerprint
from training.reward.model import RewardModel
from training.reward.saved_reward import SavedReward

ASKED = [{"role": "user", "content": "warm tea"}]


@pytest.mark.slow  # transformers is imported
def test_a_saved_reward_model_is_opened_when_it_is_asked(tiny: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from training.reward.calibration import Calibration

    model = AutoModelForSequenceClassification.from_pretrained(tiny, num_labels=1)
    model.config.reward_max_tokens = 32
    model.to(torch.bfloat16).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny).save_pretrained(tmp_path)
    Calibration(scale=2.0).save(tmp_path)
    saved, numbers = SavedReward(tmp_path), sum(each.numel() for each in model.parameters())
    assert saved.version == fingerprint(tmp_path)
    assert saved.bytes_on(torch.device("cpu")) == 4 * numbers
    assert 2 * numbers <= saved.bytes_on(torch.device("cuda")) < 2.5 * numbers
    told = saved.logits([ASKED, ASKED], ["cold", "warm sun"])
    assert np.array_equal(told, RewardModel.load(tmp_path).logits([ASKED, ASKED], ["cold", "warm sun"]))
    assert saved.bytes_on(torch.device("cpu")) == 0
