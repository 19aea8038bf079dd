import shutil
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
import torch

from training.cgpo.config import CgpoConfig
from training.cgpo.epoch import EpochProgress, learn
from training.cgpo.loop import optimise
from training.cgpo.reference import log_ratios
from training.cgpo.report import PolicyReport
from training.cgpo.tasks import Task
from training.evaluation.offline import answer
from training.judges import CONDITIONAL_CLOSING
from training.judges.verdict import Verdict
from training.policy.batches import encode_prompts, join
from training.policy.load import fingerprint, load_policy
from training.rollout.generator import TransformersGenerator

Prompts = list[list[dict[str, str]]]
SMALL = CgpoConfig(rounds=2, prompts=16, samples=4, max_new_tokens=16, batch=8, lr=3e-3)
JUDGES = {"closing": CONDITIONAL_CLOSING}


class Rule:
    """Rewards answers that hold a phrase."""

    def __init__(self, phrase: str) -> None:
        self.phrase = phrase
        self.pairs = 0

    def logits(self, _: list, responses: list) -> np.ndarray:
        self.pairs += len(responses)
        return np.array([3.0 * (self.phrase in text) for text in responses])


def tasks(asked: Prompts, *, warm: float = 0.5) -> list[Task]:
    return [
        Task("helpfulness", asked, Rule("eats"), 0.7, reward_version="eats"),
        Task("love", asked[::-1], Rule("happy"), warm, reward_version="happy"),
    ]


def rate(place: Path, asked: Prompts, phrase: str) -> float:
    return float(np.mean([phrase in text for text in answer(place, asked * 4, seed=99, max_new_tokens=16)]))


@pytest.mark.slow
def test_a_round_raises_the_reward_and_no_judged_fault(
    policy: Path, asked: Prompts, log: pa.Table, tmp_path: Path
) -> None:
    before = rate(policy, asked, "happy")
    after = []
    for seed in range(3):
        config = SMALL.model_copy(update={"rounds": 1, "prompts": 32, "samples": 8, "seed": seed})
        out = tmp_path / f"seed-{seed}"
        optimise(policy, out, tasks=tasks(asked), judges=JUDGES, config=config, supervised=log)
        after.append(rate(out, asked, "happy"))
        assert rate(out, asked, "bye") <= rate(policy, asked, "bye") + 0.1
    assert np.mean(after) > before + 0.2


@pytest.mark.slow
@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(
    policy: Path, asked: Prompts, log: pa.Table, tmp_path: Path, tuning: str
) -> None:
    config = SMALL.model_copy(update={"tuning": tuning, "rounds": 3})
    how = {"tasks": tasks(asked), "judges": JUDGES, "config": config, "supervised": log}
    optimise(policy, tmp_path / "whole" / "love", **how)
    asked_for = []

    def killed(*args: object, **kwargs: object) -> EpochProgress:
        asked_for.append(1)
        if len(asked_for) == 3:
            raise KeyboardInterrupt
        return learn(*args, **kwargs)

    with patch("training.cgpo.loop.learn", killed), pytest.raises(KeyboardInterrupt):
        optimise(policy, tmp_path / "cut" / "love", **how)
    assert not (tmp_path / "cut" / "love").exists()
    torch.manual_seed(12345)  # another process has other chance
    again = optimise(policy, tmp_path / "cut" / "love", **how)
    assert len(asked_for) == 3
    assert [each.round for each in again.rounds] == [1, 2, 3]
    assert fingerprint(tmp_path / "cut" / "love") == fingerprint(tmp_path / "whole" / "love")
    assert not (tmp_path / "cut" / "love.work").exists()


def test_a_finished_policy_is_returned_as_it_is(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"rounds": 1})
    how = {"judges": JUDGES, "config": config}
    first = optimise(policy, tmp_path / "love", tasks=tasks(asked), **how)
    rules = tasks(asked)
    assert optimise(policy, tmp_path / "love", tasks=rules, **how) == first
    assert [task.reward.pairs for task in rules] == [0, 0]
    other = optimise(policy, tmp_path / "love", tasks=tasks(asked, warm=0.1), **how)
    assert other.key != first.key


def test_a_sweep_shares_the_first_rounds_rollouts_and_scores(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"rounds": 1})
    pairs = []
    for weight in (0.1, 0.3):
        rules = tasks(asked, warm=weight)
        out = tmp_path / f"love-{weight}"
        optimise(policy, out, tasks=rules, judges=JUDGES, config=config, rollouts=tmp_path / "rollouts")
        pairs.append(sum(task.reward.pairs for task in rules))
    assert pairs[0] > 0
    assert pairs[1] == 0
    assert fingerprint(tmp_path / "love-0.1") != fingerprint(tmp_path / "love-0.3")


@pytest.mark.slow
def test_what_the_reference_itself_wrote_is_not_read_by_it_again(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    for rounds in (1, 2):
        config = SMALL.model_copy(update={"rounds": rounds})
        with patch("training.cgpo.collection.log_ratios", wraps=log_ratios) as read:
            out = tmp_path / f"love-{rounds}"
            report = optimise(policy, out, tasks=tasks(asked), judges={}, config=config)
        assert read.called == (rounds > 1)
        assert [each.log_ratio for each in report.rounds[0].tasks] == [0.0, 0.0]


def test_the_log_ratio_of_what_the_reference_wrote_is_nought_indeed(policy: Path, asked: Prompts) -> None:
    frozen = load_policy(policy)
    drawn = TransformersGenerator(policy).sample(asked[:8], samples=1, seed=1, max_new_tokens=16)
    samples = [several[0] for several in drawn]
    prompts = encode_prompts(frozen.tokenizer, asked[:8], longest=512)
    sequences = [join(ids, each.token_ids.tolist()) for ids, each in zip(prompts, samples, strict=True)]
    found = log_ratios(sequences, [each.logprobs for each in samples], frozen)
    assert found.abs().max() < 1e-4


def test_the_report_tells_each_round(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    report = optimise(policy, tmp_path / "love", tasks=tasks(asked), judges=JUDGES, config=SMALL)
    assert report == PolicyReport.model_validate_json((tmp_path / "love" / "policy.json").read_text())
    assert report.policy == f"love@{fingerprint(tmp_path / 'love')}"
    assert [each.policy.split("@")[0] for each in report.rounds] == ["tiny", "love-r1"]
    first = report.rounds[0].tasks[1]
    assert 0.05 < first.trips["closing"] < 0.6
    assert first.chosen["love"] > first.sampled["love"]
    assert first.log_ratio == 0
    assert abs(report.rounds[1].tasks[1].log_ratio) > 1e-3


def test_an_adapter_is_saved_as_one_and_loads(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"tuning": "lora", "rounds": 1})
    optimise(policy, tmp_path / "love", tasks=tasks(asked), judges=JUDGES, config=config)
    assert (tmp_path / "love" / "adapter_model.safetensors").exists()
    assert not (tmp_path / "love" / "model.safetensors").exists()
    before, after = load_policy(policy).model, load_policy(tmp_path / "love").model
    moved = [not torch.equal(one, two) for one, two in zip(before.parameters(), after.parameters(), strict=True)]
    assert any(moved)


def test_love_alone_is_optimised_and_its_weight_changes_nothing(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    for weight in (0.1, 1.0):
        out = tmp_path / f"love-{weight}"
        alone = [Task("love", asked, Rule("happy"), weight, reward_version="happy")]
        report = optimise(policy, out, tasks=alone, judges=JUDGES, config=SMALL)
        assert report.weights == {"love": weight}
        assert [[each.task for each in round_.tasks] for round_ in report.rounds] == [["love"], ["love"]]
        assert report.rounds[0].tasks[0].chosen["love"] > report.rounds[0].tasks[0].sampled["love"]
    one, other = (load_policy(tmp_path / f"love-{weight}").model for weight in (0.1, 1.0))
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    assert all(torch.allclose(*pair, atol=1e-4) for pair in pairs)


def test_love_and_safety_are_optimised_without_helpfulness(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    both = [
        Task("love", asked, Rule("happy"), 0.3, reward_version="happy"),
        Task("safety", asked[::-1], Rule("eats"), 0.3, mixed=False, reward_version="eats"),
    ]
    report = optimise(policy, tmp_path / "love", tasks=both, judges=JUDGES, config=SMALL)
    assert [[*each.chosen] for each in report.rounds[0].tasks] == [["love"], ["safety"]]
    assert all(each.winners for each in report.rounds)


def test_a_tight_limit_cuts_what_the_policy_says_unlike_its_reference(
    policy: Path, asked: Prompts, tmp_path: Path
) -> None:
    config = SMALL.model_copy(update={"kl_limit": 1e-9})
    report = optimise(policy, tmp_path / "love", tasks=tasks(asked), judges={}, config=config)
    assert report.rounds[1].tasks[1].kl_cut > 0.2


def test_when_every_response_violates_there_is_nothing_to_learn_from(
    policy: Path, asked: Prompts, tmp_path: Path
) -> None:
    strict = {"never": lambda *_: Verdict(True, "never")}
    with pytest.raises(ValueError, match=r"round 1 has nothing to learn from .*helpfulness: 16 of 16 skipped"):
        optimise(policy, tmp_path / "love", tasks=tasks(asked), judges=strict, config=SMALL)
    shutil.rmtree(tmp_path / "love.work")


def test_a_missing_policy_is_named(asked: Prompts, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no model directory at"):
        optimise(tmp_path / "gone", tmp_path / "love", tasks=tasks(asked), judges=JUDGES, config=SMALL)
