"""Frozen lower layers run once: their output is kept, and training goes through the upper layers alone.

Works on encoders with `embeddings` and `encoder.layer` (BERT and its kin) and on decoders with `embed_tokens` and
`layers` (Llama and its kin). Kept states are half precision: 384 numbers a token are 768 bytes.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from training.batches import by_length
from training.reward.batches import Ids, pad

States = dict[tuple[int, ...], torch.Tensor]
"""By token ids: what comes out of the frozen part, [tokens, width]."""
Prepare = Callable[[Ids], dict[str, torch.Tensor]]
"""From texts to the model's input."""


class _KeptStates(nn.Module):
    """Stands where the embeddings stood, and gives the states that it was handed in this thread."""

    def __init__(self) -> None:
        super().__init__()
        self.own = threading.local()

    def forward(self, *_: Any, **__: Any) -> torch.Tensor:
        states: torch.Tensor = self.own.states
        return states


def freeze(model: Any, layers: int) -> None:
    """Stop the gradients of the embeddings and the lowest `layers` layers; 0 leaves everything free.

    Raises:
        ValueError: The model has fewer layers.
    """
    if not layers:
        return
    holder, name = _stack(model)
    body, have = model.base_model, len(getattr(holder, name))
    if layers > have:
        raise ValueError(f"frozen_layers == {layers}, the model has {have}: freeze at most all of them")
    embeddings = body.embeddings if hasattr(body, "embeddings") else body.embed_tokens
    for part in (embeddings, *getattr(holder, name)[:layers]):
        part.requires_grad_(False)


def keep_states(model: Any, layers: int, ids: Ids, pad_id: int, states: States) -> None:
    """Run embeddings and the lowest `layers` layers over every text that `states` lacks, and add what comes out."""
    new = [row for row in dict.fromkeys(map(tuple, ids)) if row not in states]
    caught: list[torch.Tensor] = []

    def catch(_: nn.Module, __: Any, output: Any) -> None:
        caught.append(output[0] if isinstance(output, tuple) else output)

    holder, name = _stack(model)
    whole = getattr(holder, name)
    device = next(model.parameters()).device
    model.eval()
    hook = whole[layers - 1].register_forward_hook(catch)
    setattr(holder, name, whole[:layers])
    try:
        for rows in by_length([len(row) for row in new], tokens=4_096):
            with torch.inference_mode():
                batch = pad([new[row] for row in rows], pad_id)
                model.base_model(**{key: value.to(device) for key, value in batch.items()})
            for row, state in zip(rows, caught.pop(), strict=True):
                states[new[row]] = state[: len(new[row])].to("cpu", torch.float16).clone()
    finally:
        hook.remove()
        setattr(holder, name, whole)


@contextmanager
def opened(model: Any, layers: int, ids: Ids, pad_id: int, states: States) -> Iterator[Prepare]:
    """Ready the model for these texts; what is yielded makes a batch of some of them.

    With `layers` frozen, the model consists of its upper layers within the context, fed with kept states; afterwards
    it is whole again.
    """
    if not layers:
        yield partial(pad, pad_id=pad_id)
        return
    keep_states(model, layers, ids, pad_id, states)
    with _upper_part(model, layers) as kept:

        def prepare(some: Ids) -> dict[str, torch.Tensor]:
            batch = pad(some, pad_id)
            kept.own.states = _padded(states, some, batch["input_ids"].shape[1]).to(next(model.parameters()).device)
            return batch

        yield prepare


@contextmanager
def _upper_part(model: Any, layers: int) -> Iterator[_KeptStates]:
    holder, name = _stack(model)
    body, whole = model.base_model, getattr(holder, name)
    place = "embeddings" if hasattr(body, "embeddings") else "embed_tokens"
    embeddings, depth, kept = getattr(body, place), model.config.num_hidden_layers, _KeptStates()
    setattr(holder, name, whole[layers:])
    setattr(body, place, kept)
    model.config.num_hidden_layers = depth - layers
    try:
        yield kept
    finally:
        setattr(holder, name, whole)
        setattr(body, place, embeddings)
        model.config.num_hidden_layers = depth


def _padded(states: States, ids: Ids, longest: int) -> torch.Tensor:
    found = [states[tuple(row)].float() for row in ids]
    return torch.stack([nn.functional.pad(state, (0, 0, 0, longest - len(state))) for state in found])


def _stack(model: Any) -> tuple[Any, str]:
    body = model.base_model
    return (body, "layers") if hasattr(body, "layers") else (body.encoder, "layer")
