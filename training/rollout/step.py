"""One more token of a Llama on a processor, without the library's bookkeeping, which costs as much as a small model.

Other models, precisions and devices take transformers' own forward pass. Left out: the prefill, a single large pass.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from training.engine.products import ProcessorLinear, product
from training.engine.rotary import turned

Step = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, Any], torch.Tensor]
"""Feeds one token to each row: from tokens [rows], positions [rows], the mask of all tokens, this one included,
int64 [rows, tokens], and the cache, to the next token's logits, [rows, vocabulary]."""


def step_of(model: Any) -> Step:
    """How this model takes a step, with its weights as they are now."""
    return LlamaStep(model) if _plain(model) else _library(model)


class LlamaStep:
    """A step of a plain Llama in float32 on a processor.

    Args:
        model: `LlamaForCausalLM`.
    """

    def __init__(self, model: Any) -> None:
        body, config = model.model, model.config
        self._embed = body.embed_tokens.weight
        self._rotary = body.rotary_emb
        self._head = model.lm_head.weight
        self._norm = body.norm.weight
        self._epsilon = config.rms_norm_eps
        self._groups = (config.num_key_value_heads, config.num_attention_heads // config.num_key_value_heads)
        self._layers = [_Layer(each) for each in body.layers]

    def __call__(self, token: torch.Tensor, position: torch.Tensor, mask: torch.Tensor, cache: Any) -> torch.Tensor:
        """See `Step`."""
        hidden = self._embed[token]
        turn = tuple(part[:, 0, None, :] for part in self._rotary(hidden, position[:, None]))
        bias = torch.zeros(mask.shape).masked_fill_(mask == 0, -torch.inf)[:, None, None, :]
        for layer, kept in zip(self._layers, cache.layers, strict=True):
            hidden = hidden + self._attended(self._normed(hidden, layer.before), layer, turn, bias, kept)
            gate, up = product(self._normed(hidden, layer.after), layer.gate_up).chunk(2, dim=-1)
            hidden = hidden + product(functional.silu(gate) * up, layer.down)
        return product(self._normed(hidden, self._norm), self._head)

    def _normed(self, hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(hidden, weight.shape, weight, self._epsilon)

    def _attended(
        self, hidden: torch.Tensor, layer: "_Layer", turn: tuple[torch.Tensor, ...], bias: torch.Tensor, kept: Any
    ) -> torch.Tensor:
        """What attention adds to `hidden`, [rows, width]; appends this token's keys and values to `kept`."""
        rows, (shared, times), width = len(hidden), self._groups, layer.width
        heads = product(hidden, layer.query_key_value).view(rows, -1, width)
        placed = turned(heads[:, : shared * (times + 1)], *turn)
        query, key = placed[:, : shared * times].view(rows, shared, times, width), placed[:, shared * times :]
        value = heads[:, shared * (times + 1) :]
        keys, values = kept.update(key[:, :, None], value[:, :, None])
        shares = (query @ keys.transpose(2, 3)).mul_(layer.scale).add_(bias).softmax(dim=-1)
        return product((shares @ values).view(rows, -1), layer.out)


class _Layer:
    """A layer's weights, those that read the same input joined."""

    def __init__(self, layer: Any) -> None:
        query, key, value, out, gate, up, down = (each.weight for each in _linear(layer))
        self.before = layer.input_layernorm.weight
        self.after = layer.post_attention_layernorm.weight
        self.query_key_value = torch.cat([query, key, value])
        self.gate_up = torch.cat([gate, up])
        self.out = out
        self.down = down
        self.width = layer.self_attn.head_dim
        self.scale = layer.self_attn.scaling


def _plain(model: Any) -> bool:
    """Whether it is a Llama with plain linear layers, no bias, no adapter around them, and no hook on its passes."""
    from transformers import LlamaForCausalLM

    if type(model) is not LlamaForCausalLM or model.config.hidden_act != "silu":
        return False
    if model._forward_hooks or model._forward_pre_hooks:
        return False
    linear = [model.lm_head, *(each for layer in model.model.layers for each in _linear(layer))]
    return all(type(each) in (nn.Linear, ProcessorLinear) and each.bias is None for each in linear) and all(
        each.device.type == "cpu" and each.dtype == torch.float32 for each in model.parameters()
    )


def _linear(layer: Any) -> list[Any]:
    attention, mlp = layer.self_attn, layer.mlp
    projections = [attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj]
    return [*projections, mlp.gate_proj, mlp.up_proj, mlp.down_proj]


def _library(model: Any) -> Step:
    def step(token: torch.Tensor, position: torch.Tensor, mask: torch.Tensor, cache: Any) -> torch.Tensor:
        found = model(
            input_ids=token[:, None],
            attention_mask=mask,
            position_ids=position[:, None],
            past_key_values=cache,
            use_cache=True,
        )
        logits: torch.Tensor = found.logits[:, -1]
        return logits

    return step
