from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from training.policy.batches import join
from training.policy.likelihood import mean_logprobs
from training.policy.load import load_policy
from training.rollout.decode import Drawn, choose, draw
from training.rollout.step import LlamaStep, step_of

SMALL = {"vocab_size": 40, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
PROMPTS = [[3, 4, 5], [6, 7], [8, 9, 10, 11, 12], [3]]


def random_llama(policy: Path) -> object:
    return load_policy(policy).model


def gpt2(_: Path) -> object:
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=40, n_embd=32, n_layer=2, n_head=2, n_positions=64)).eval()


def sliding_mistral(_: Path) -> object:
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = MistralConfig(vocab_size=40, num_key_value_heads=1, sliding_window=4, **shape)
    return MistralForCausalLM(config).eval()


@pytest.mark.parametrize("make", [random_llama, gpt2, sliding_mistral])
def test_logprobs_are_those_of_the_models_own_forward_pass(make, policy: Path) -> None:
    model = make(policy)
    uniforms = np.random.default_rng(0).random((len(PROMPTS), 3, 12))
    drawn = draw(model, PROMPTS, uniforms, ends=[2], pad=0, temperature=0.7)
    for row, length in enumerate(drawn.lengths):
        sequence = join(PROMPTS[row // 3], drawn.ids[row, :length].tolist())
        expected = mean_logprobs(model, [sequence], pad=0)[0] * length
        assert drawn.logprobs[row].sum() == pytest.approx(expected, abs=2e-3)


def test_a_response_does_not_depend_on_its_batch(policy: Path) -> None:
    model = load_policy(policy).model
    uniforms = np.random.default_rng(0).random((len(PROMPTS), 2, 12))
    together = draw(model, PROMPTS, uniforms, ends=[2], pad=0, temperature=1.0)
    for place, prompt in enumerate(PROMPTS):
        alone = draw(model, [prompt], uniforms[[place]], ends=[2], pad=0, temperature=1.0)
        assert alone.ids.tolist() == together.ids[2 * place : 2 * place + 2].tolist()


def test_rows_stop_at_their_end_token(policy: Path) -> None:
    model = load_policy(policy).model
    uniforms = np.random.default_rng(1).random((len(PROMPTS), 8, 30))
    drawn = draw(model, PROMPTS, uniforms, ends=[2], pad=0, temperature=1.0)
    assert len(set(drawn.lengths.tolist())) > 1
    for ids, logprobs, length in zip(drawn.ids, drawn.logprobs, drawn.lengths, strict=True):
        assert 2 not in ids[: length - 1]
        assert length == 30 or ids[length - 1] == 2
        assert not ids[length:].any()
        assert not logprobs[length:].any()


def test_temperature_nought_takes_what_greedy_generate_takes(policy: Path) -> None:
    model = load_policy(policy).model
    prompt = torch.tensor([PROMPTS[0]])
    expected = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=12)
    drawn = draw(model, PROMPTS[:1], np.zeros((1, 1, 12)), ends=[2], pad=0, temperature=0.0)
    length = drawn.lengths[0]
    assert drawn.ids[0, :length].tolist() == expected[0, 3 : 3 + length].tolist()


def test_tokens_come_as_often_as_the_model_says() -> None:
    logits = torch.tensor([[0.1, 2.0, -1.0, 0.5]])
    uniform = torch.rand(40_000, generator=torch.Generator().manual_seed(0))
    tokens, _ = choose(logits.expand(40_000, 4), uniform, temperature=1.0)
    shares = torch.bincount(tokens, minlength=4) / 40_000
    torch.testing.assert_close(shares, torch.softmax(logits[0], dim=0), atol=0.01, rtol=0)


def test_an_impossible_token_is_never_drawn() -> None:
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf, 0.0, -torch.inf]])
    uniform = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    tokens, _ = choose(logits.expand(5, 5), uniform, temperature=1.0)
    assert set(tokens.tolist()) == {1, 3}


def grouped_llama() -> object:
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=40, num_key_value_heads=2, head_dim=24, **shape)
    return LlamaForCausalLM(config).eval()


def test_a_llamas_own_step_is_the_librarys(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for model in (load_policy(policy).model, grouped_llama()):
        assert isinstance(step_of(model), LlamaStep)
        uniforms = np.random.default_rng(3).random((len(PROMPTS), 5, 20))
        own, library = _drawn_both(model, uniforms, monkeypatch)
        assert own.ids.tolist() == library.ids.tolist()
        assert own.logprobs == pytest.approx(library.logprobs, abs=1e-4)


def _drawn_both(model: object, uniforms: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> tuple[Drawn, Drawn]:
    own = draw(model, PROMPTS, uniforms, ends=[2], pad=0, temperature=1.0)
    with monkeypatch.context() as patch:
        patch.setattr("training.rollout.step._plain", lambda _: False)
        assert not isinstance(step_of(model), LlamaStep)
        return own, draw(model, PROMPTS, uniforms, ends=[2], pad=0, temperature=1.0)


def test_other_models_take_the_librarys_step(policy: Path) -> None:
    with_bias = LlamaForCausalLM(LlamaConfig(**SMALL, attention_bias=True))
    adapted = get_peft_model(load_policy(policy).model, LoraConfig(r=2, target_modules="all-linear"))
    half = LlamaForCausalLM(LlamaConfig(**SMALL)).bfloat16()
    for model in (gpt2(policy), sliding_mistral(policy), with_bias, adapted, adapted.base_model.model, half):
        assert not isinstance(step_of(model), LlamaStep)
