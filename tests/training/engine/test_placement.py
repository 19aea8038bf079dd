"""Every stage places its model through one function: told to place on another device, each of them does."""

import re
from pathlib import Path

import pytest
import torch

from training.engine import placement
from training.engine.config import EngineConfig
from training.engine.engine import OneProcess
from training.engine.placement import device_of, place, read_only
from training.policy.load import load_policy, read_policy
from training.reward.config import RewardConfig

ROOT = Path(__file__).resolve().parents[3]
META = torch.device("meta")


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another device than the processor, which every machine has."""
    monkeypatch.setattr(placement, "device_of", lambda *_: META)


def test_what_is_read_lies_on_the_device(policy: Path, elsewhere: None) -> None:
    assert load_policy(policy).model.device == META


def test_a_reward_model_that_scores_lies_on_the_device(policy: Path, elsewhere: None, tmp_path: Path) -> None:
    import json
    import shutil

    from training.reward.calibration import Calibration
    from training.reward.model import RewardModel

    kept = shutil.copytree(policy, tmp_path / "reward")
    Calibration(0.0, 1.0, 0.0).save(kept)
    settings = json.loads((kept / "config.json").read_text()) | {"reward_max_tokens": 32}
    (kept / "config.json").write_text(json.dumps(settings))
    assert RewardModel.load(kept).model.device == META


class _StoppedError(Exception):
    """The engine was about to start."""


@pytest.mark.parametrize("stage", ["reward", "pretrain", "finetune"])
def test_what_is_trained_lies_on_the_device(
    stage: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy, log, _ = map(request.getfixturevalue, ("policy", "log", "elsewhere"))
    seen = []

    def stop(model: torch.nn.Module, *_: object, **__: object) -> None:
        seen.append(next(model.parameters()).device)
        raise _StoppedError

    from training.engine import start
    from training.policy import finetune, pretrain
    from training.reward.classifier import fit_classifier

    for module in (start, finetune, pretrain):
        monkeypatch.setattr(module, "start", stop)
    run = {
        "reward": lambda: fit_classifier(None, None, base=str(policy), config=RewardConfig(), name="x"),
        "pretrain": lambda: pretrain.pretrain_policy(log, tmp_path / "out"),
        "finetune": lambda: finetune.finetune(log, policy, tmp_path / "out"),
    }[stage]
    with pytest.raises(_StoppedError):
        run()
    assert seen == [META]


def test_no_other_module_chooses_a_device() -> None:
    chooses = re.compile(r"\.cuda\(|\.to\(\"cuda|cuda\.is_available|torch\.device\(\"cuda")
    found = [
        str(file.relative_to(ROOT))
        for package in ("training", "assets", "experiments", "stats", "warehouse")
        for file in (ROOT / package).rglob("*.py")
        if chooses.search(file.read_text())
    ]
    assert found == ["training/engine/placement.py"]


def test_a_bfloat16_checkpoint_is_tuned_in_float32(policy: Path) -> None:
    model = read_policy(policy).model.to(torch.bfloat16)
    with pytest.raises(ValueError, match=r"is torch.bfloat16 and to be trained: in plain torch its steps would round"):
        OneProcess(model)
    placed = place(model, EngineConfig())
    assert {each.dtype for each in placed.parameters()} == {torch.float32}
    assert placed.training
    assert OneProcess(placed).device == torch.device("cpu")


def test_lora_trains_float32_matrices_beside_frozen_bfloat16_ones(policy: Path) -> None:
    placed = place(read_policy(policy).model, EngineConfig(dtype="bfloat16", tuning="lora", lora_rank=4))
    kinds = {(each.requires_grad, each.dtype) for each in placed.parameters()}
    assert kinds == {(True, torch.float32), (False, torch.bfloat16)}


def test_on_a_processor_what_is_only_read_is_float32(policy: Path) -> None:
    placed = read_only(read_policy(policy).model.to(torch.bfloat16))
    assert {each.dtype for each in placed.parameters()} == {torch.float32}
    assert not placed.training


def test_a_rank_without_a_gpu_of_its_own_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ValueError, match=r"rank 2 .* wants a GPU of its own, and there are 2: start at most 2 ranks"):
        device_of("cuda")
    assert device_of("cpu") == torch.device("cpu")


def test_a_plain_model_borrows_weights_where_they_lie_tied_ones_too() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    from training.engine.shared_weights import lend, without_weights

    shape = LlamaConfig(
        vocab_size=16, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
        tie_word_embeddings=True,
    )  # fmt: skip
    owner = LlamaForCausalLM(shape).eval()
    owner.lm_head.weight.requires_grad_(False)
    plain, ids = without_weights(owner).eval(), torch.arange(5)[None]
    assert {each.device.type for each in plain.parameters()} == {"meta"}
    lend(owner, plain)
    assert plain.lm_head.weight is plain.model.embed_tokens.weight
    assert plain.lm_head.weight.data_ptr() == owner.lm_head.weight.data_ptr()
    assert [each.requires_grad for each in plain.parameters()] == [each.requires_grad for each in owner.parameters()]
    assert torch.equal(plain(ids).logits, owner(ids).logits)
    lend(owner, plain, device="meta")
    assert {each.device.type for each in plain.parameters()} == {"meta"}
    assert owner.lm_head.weight.device.type == "cpu"
