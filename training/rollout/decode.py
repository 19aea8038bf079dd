"""The sampling loop: one prefill a prompt, K rows from it, and rows that have finished leave the batch.

Any Hugging Face causal language model that takes `past_key_values` runs in it. On the small models that this project
trains it writes many times as many tokens a second as `generate`, whose bookkeeping costs more than the model.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from training.rollout.cache import make_room
from training.rollout.step import step_of

_KEEP = 0.85
"""Rows are compacted once fewer than this share of them still speaks; compacting copies the cache."""


class Drawn(NamedTuple):
    """Sampled rows.

    Attributes:
        ids: int64 [rows, steps]; what follows a row's end token is padding.
        logprobs: float32 [rows, steps]; log-probability of each token under the model at temperature 1, 0 where padded.
        lengths: int64 [rows]; tokens of each row, its end token included.
    """

    ids: np.ndarray
    logprobs: np.ndarray
    lengths: np.ndarray


@torch.inference_mode()
def draw(
    model: Any,
    prompts: Sequence[Sequence[int]],
    uniforms: np.ndarray,
    *,
    ends: Sequence[int],
    pad: int,
    temperature: float,
) -> Drawn:
    """Sample K responses to each prompt.

    A row's token at step t is the inverse of its cumulative distribution at `uniforms[prompt, k, t]`. So a response
    depends on its own numbers alone, not on its batch, and two models given the same numbers answer with common chance.

    Args:
        model: A causal language model in evaluation mode.
        prompts: Token ids, one list a prompt.
        uniforms: float64 in [0, 1), shape [prompts, K, steps]; `steps` is the longest response.
        ends: Token ids that end a response.
        pad: The token that fills prompts and ended rows up.
        temperature: Divides the logits before sampling; 0 takes the most likely token.

    Returns:
        prompts x K rows, those of one prompt side by side.
    """
    count, samples, steps = uniforms.shape
    chance = torch.from_numpy(uniforms.reshape(count * samples, steps)).to(model.device)
    ids = torch.full((count * samples, steps), pad, dtype=torch.int64, device=model.device)
    logprobs = torch.zeros((count * samples, steps), device=model.device)
    stop = torch.tensor(sorted(set(ends)), device=model.device)
    state = _State(model, prompts, samples, steps, pad)
    for step in range(steps):
        token, logprob = choose(state.logits, chance[state.rows, step], temperature)
        ids[state.rows, step], logprobs[state.rows, step] = (
            token.masked_fill(state.silent, pad),
            logprob.masked_fill(state.silent, 0),
        )
        state.silent |= torch.isin(token, stop)
        if step + 1 == steps or not state.advance(token):
            break
    ended = torch.isin(ids, stop)
    lengths = torch.where(ended.any(dim=1), ended.int().argmax(dim=1) + 1, steps)
    return Drawn(ids.cpu().numpy(), logprobs.float().cpu().numpy(), lengths.cpu().numpy())


def choose(logits: torch.Tensor, uniform: torch.Tensor, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw one token a row by inverting its cumulative distribution.

    Args:
        logits: [rows, vocabulary].
        uniform: [rows], in [0, 1).
        temperature: Divides the logits of the draw; 0 takes the most likely token.

    Returns:
        Token ids [rows], and their log-probabilities [rows] at temperature 1.

    >>> token, logprob = choose(torch.tensor([[0.0, 0.0]]), torch.tensor([0.7]), temperature=1.0)
    >>> int(token), round(float(logprob), 4)
    (1, -0.6931)
    """
    plain = torch.log_softmax(logits.float(), dim=-1)
    if temperature == 0:
        token = plain.argmax(dim=-1)
    else:
        shares = plain.exp() if temperature == 1 else torch.softmax(logits.float() / temperature, dim=-1)
        heights = shares.cumsum(dim=-1)
        # Of the sum as it came out: a float32 sum ends a little off 1, and a number beyond it would pick no token.
        wanted = uniform.to(heights.dtype).clamp(max=1 - 1e-6)[:, None] * heights[:, -1:]
        token = torch.searchsorted(heights, wanted, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)
    return token, plain.gather(1, token[:, None])[:, 0]


class _State:
    """The rows in the batch: their cache, mask and positions, their next token's logits, and which of them have ended.

    Attributes:
        rows: Which row of the output each row of the batch is.
        silent: True for a row that has ended and has not left the batch yet.
        logits: [rows, vocabulary].
    """

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], samples: int, room: int, pad: int) -> None:
        ids, mask = _left_padded(prompts, pad, model.device)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        out = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1)
        make_room(out.past_key_values, samples, room)
        self._step = step_of(model)
        self._cache = out.past_key_values
        self._mask = mask.repeat_interleave(samples, dim=0)
        self._position = mask.sum(dim=1).repeat_interleave(samples)
        self.logits = out.logits[:, -1].repeat_interleave(samples, dim=0)
        self.rows = torch.arange(len(self._mask), device=model.device)
        self.silent = torch.zeros_like(self.rows, dtype=torch.bool)

    def advance(self, token: torch.Tensor) -> bool:
        """Feed the drawn tokens [rows]; false when every row has ended."""
        speaking = int((~self.silent).sum())
        if speaking == 0:
            return False
        if speaking < _KEEP * len(self.silent):
            token = self._compact(token)
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(token), 1)], dim=1)
        self.logits = self._step(token, self._position, self._mask, self._cache)
        self._position = self._position + 1
        return True

    def _compact(self, token: torch.Tensor) -> torch.Tensor:
        kept = (~self.silent).nonzero()[:, 0]
        self._cache.batch_select_indices(kept)
        self.rows = self.rows[kept]
        self.silent = self.silent[kept]
        self._mask = self._mask[kept]
        self._position = self._position[kept]
        return token[kept]


def _left_padded(prompts: Sequence[Sequence[int]], pad: int, device: Any) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(each) for each in prompts)
    ids = torch.full((len(prompts), longest), pad, dtype=torch.int64)
    mask = torch.zeros((len(prompts), longest), dtype=torch.int64)
    for row, each in enumerate(prompts):
        ids[row, longest - len(each) :] = torch.tensor(each)
        mask[row, longest - len(each) :] = 1
    return ids.to(device), mask.to(device)
