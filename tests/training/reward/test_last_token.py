from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2ForSequenceClassification, LlamaConfig, LlamaForSequenceClassification

from training.reward.batches import pad
from training.reward.last_token import logits_of

SHAPE = {"vocab_size": 30, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_labels": 1}
TEXTS = [[3, 4, 5, 6, 7, 8], [9], [3, 0, 5, 0, 0], [4, 4, 4, 9]]
"""0 is the padding, and the last word of a text, too, as where a model's end token pads."""


def llama(**other: Any) -> Any:
    torch.manual_seed(0)
    return LlamaForSequenceClassification(LlamaConfig(**SHAPE, pad_token_id=0, **other))


def gpt2() -> Any:
    torch.manual_seed(0)
    shape = {"vocab_size": 30, "n_embd": 32, "n_layer": 2, "n_head": 2, "num_labels": 1, "pad_token_id": 0}
    return GPT2ForSequenceClassification(GPT2Config(**shape)).eval()


@pytest.mark.parametrize(
    "model",
    [
        llama(num_hidden_layers=3),
        llama(num_hidden_layers=1, num_key_value_heads=2, attention_bias=True, mlp_bias=True),
        llama(num_hidden_layers=2, attn_implementation="eager"),
        llama(num_hidden_layers=2, attention_dropout=0.1).eval(),
        gpt2(),
    ],
)
def test_logits_and_gradients_are_those_of_the_whole_model(model: Any) -> None:
    batch = pad(TEXTS, 0)
    gradients = []
    for logits in (logits_of(model, batch)[:, 0], model(**batch).logits[:, 0]):
        model.zero_grad()
        (logits * torch.tensor([1.0, -2.0, 0.5, 3.0])).sum().backward()
        gradients.append([logits, *(each.grad for each in model.parameters() if each.grad is not None)])
    assert len(gradients[0]) > 10
    for seen, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(seen, expected, rtol=1e-4, atol=1e-5)


def test_the_top_layer_is_computed_for_last_tokens_alone() -> None:
    model = llama(num_hidden_layers=2)
    seen: list[int] = []
    for layer in model.model.layers:
        layer.mlp.register_forward_hook(lambda _, given, __: seen.append(given[0].numel() // 32))
    logits_of(model, pad(TEXTS, 0))
    assert seen == [24, 4]
