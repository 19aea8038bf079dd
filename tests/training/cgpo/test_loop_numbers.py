"""Rewards, losses and weights that are no numbers, and chat templates that refuse: told, and nothing is published."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training.cgpo.candidates import score_samples
from training.cgpo.config import CgpoConfig
from training.cgpo.loop import optimise
from training.cgpo.tasks import Task, active
from training.engine.finite_check import NotFiniteError, finite_weights
from training.engine.steps import Steps

Prompts = list[list[dict[str, str]]]
SMALL = CgpoConfig(rounds=1, prompts=4, samples=2, max_new_tokens=16, batch=8, pairs=False)


class Reward:
    """What a function makes of the responses."""

    def __init__(self, made: Callable[[list[str]], Any]) -> None:
        self._made = made

    def logits(self, _: Any, responses: Any) -> Any:
        return self._made(responses)


def task(prompts: Prompts, made: Callable[[list[str]], Any] = lambda texts: np.zeros(len(texts))) -> Task:
    return Task("love", prompts, Reward(made), 1.0, reward_version="1")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda texts: np.zeros(len(texts) - 1), r"a reward gave numbers of shape \(1,\) for 2 pairs, must give one"),
        (lambda texts: np.zeros(len(texts) + 1), r"a reward gave numbers of shape \(3,\) for 2 pairs"),
        (lambda texts: np.zeros((len(texts), 2)), r"a reward gave numbers of shape \(2, 2\) for 2 pairs"),
        (lambda _: None, r"a reward gave None for 2 pairs"),
        (lambda texts: texts, r"a reward gave \['a', 'b'\] for 2 pairs"),
    ],
)
def test_a_reward_gives_one_number_for_each_pair(made: Callable[[list[str]], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        score_samples(Reward(made), [[{"role": "user", "content": "tea?"}]], [["a", "b", "a"]])


def test_a_reward_that_raises_is_named_and_samples_are_kept(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the reward of task love failed \(ZeroDivisionError: .* samples are kept"):
        optimise(policy, tmp_path / "love", tasks=[task(asked, lambda _: 1 / 0)], judges={}, config=SMALL)
    assert [*(tmp_path / "love.work" / "rollouts").glob("rollouts-*.parquet")]


def test_weights_that_have_left_the_numbers_are_not_published(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    wild = SMALL.model_copy(update={"lr": 1e30, "batch": 2})
    with pytest.raises(NotFiniteError, match=r"must be finite.*ower the learning rate"):
        optimise(policy, tmp_path / "love", tasks=[task(asked)], judges={}, config=wild)
    assert not (tmp_path / "love").exists()


def test_a_broken_weight_is_named() -> None:
    layer = torch.nn.Linear(3, 2)
    finite_weights(layer, "the layer")
    with torch.no_grad():
        layer.weight[1, 2] = torch.inf
    with pytest.raises(NotFiniteError, match=r"the layer has 1 of 6 weights in weight that are NaN or infinite"):
        finite_weights(layer, "the layer")


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_training(loss: float) -> None:
    with Steps(3, done=1, title="fit", rank=0) as steps, pytest.raises(NotFiniteError, match=r"step 2 of 3 is"):
        steps.ahead(loss)


def test_answers_that_are_all_cut_off_are_not_blamed_on_judges(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    short = SMALL.model_copy(update={"max_new_tokens": 1})
    with pytest.raises(ValueError, match=r"nothing to learn from .*; raise max_new_tokens, which most"):
        optimise(policy, tmp_path / "love", tasks=[task(asked)], judges={}, config=short)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ raise_exception('no system messages') }}", r"refuses 1 of 1 .* row 1: user\): no system messages"),
        ("{% if %}", r"refuses 1 of 1 .* row 1: user\): Expected an expression"),
        ("{{ nothing.at.all }}", r"refuses 1 of 1 .* row 1: user\): 'nothing' is undefined"),
        ("{# nothing #}", r"refuses 1 of 1 .* row 1: user\): it writes nothing"),
    ],
)
def test_a_chat_template_that_cannot_write_is_told(
    template: str, said: str, policy: Path, asked: Prompts, tmp_path: Path
) -> None:
    from training.policy.batches import encode_prompts
    from training.policy.load import read_policy

    tokenizer = read_policy(shutil.copytree(policy, tmp_path / "mute")).tokenizer
    tokenizer.chat_template = template
    with pytest.raises(ValueError, match=rf"the chat template of .*mute {said}"):
        encode_prompts(tokenizer, asked[:1], longest=64)


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -1.0])
def test_a_task_s_weight_is_finite(weight: float, asked: Prompts) -> None:
    with pytest.raises(ValueError, match=r"love\.weight == .*, must not be negative, and finite"):
        active([Task("love", asked, Reward(len), weight, reward_version="1")], SMALL)
