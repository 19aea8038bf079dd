"""A classifier's logits. Of a Llama the top layer is computed where it is read alone: at each text's last token.

With the three layers of a small model that saves more than a quarter, in training and in scoring, at the same result.
"""

from typing import Any

import torch
from torch.nn import functional

from training.engine.rotary import turned


def logits_of(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Raw logits of a classifier, [rows, heads]; differentiable.

    Args:
        model: Any sequence classifier, or the engine's wrapper of one.
        batch: `input_ids` and `attention_mask`, [rows, longest], padded on the right.
    """
    if not _reads_the_last(model):
        found: torch.Tensor = model(**batch).logits
        return found
    body, ids = model.model, batch["input_ids"]
    columns = torch.arange(ids.shape[1], device=ids.device)
    last = (columns * (ids != model.config.pad_token_id)).argmax(dim=1)
    hidden, position = body.embed_tokens(ids), columns[None]
    turn = body.rotary_emb(hidden, position_ids=position)
    for layer in body.layers[:-1]:  # without a mask it is causal, and no text sees the padding behind it
        hidden = layer(hidden, position_embeddings=turn, position_ids=position)
    read: torch.Tensor = model.score(body.norm(_top(body.layers[-1], hidden, turn, last)))
    return read


def _top(layer: Any, hidden: torch.Tensor, turn: tuple[torch.Tensor, ...], last: torch.Tensor) -> torch.Tensor:
    """The layer's output at one column of each row, [rows, width], from its input, [rows, length, width]."""
    attention, rows = layer.self_attn, torch.arange(len(last), device=last.device)
    read = layer.input_layernorm(hidden)
    query, key, value = (
        each.unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)
        for each in (attention.q_proj(read[rows, last][:, None]), attention.k_proj(read), attention.v_proj(read))
    )
    cosine, sine = turn
    key = turned(key, cosine[:, None], sine[:, None])
    query = turned(query, cosine[0, last][:, None, None], sine[0, last][:, None, None])
    seen = torch.arange(hidden.shape[1], device=last.device) <= last[:, None]
    found = functional.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=seen[:, None, None],
        scale=attention.scaling,
        enable_gqa=attention.num_key_value_groups > 1,
    )
    out: torch.Tensor = hidden[rows, last] + attention.o_proj(found.flatten(1))
    out = out + layer.mlp(layer.post_attention_layernorm(out))
    return out


def _reads_the_last(model: Any) -> bool:
    from transformers import LlamaForSequenceClassification

    if type(model) is not LlamaForSequenceClassification:
        return False
    config = model.config
    plain = config._attn_implementation == "sdpa" and not config.attention_dropout and config.pad_token_id is not None
    return plain and len(model.model.layers) > 0
