"""How likely a model finds given responses: one forward pass over prompt and response together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from training.batches import Ints, by_length
from training.engine.lanes import side_by_side
from training.policy.batches import EncodedAnswer, padded
from training.policy.load import Policy

_TOKENS = 4_096
"""Of one forward pass, padding included."""


def token_logprobs(model: Any, ids: torch.Tensor, response: torch.Tensor) -> torch.Tensor:
    """Log-probability of each response token given all before it, at temperature 1; differentiable.

    Args:
        model: A causal language model.
        ids: int64 [batch, length], right-padded.
        response: bool [batch, length], true on response tokens.

    Returns:
        [batch, length - 1], aligned with `ids[:, 1:]`; 0 outside responses.
    """
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    target, wanted = ids[:, 1:], response[:, 1:]
    found = torch.zeros(target.shape, dtype=torch.float32, device=ids.device)
    found[wanted] = -functional.cross_entropy(logits[wanted].float(), target[wanted], reduction="none")
    return found


def mean_logprobs(model: Any, sequences: Sequence[EncodedAnswer], pad: int) -> np.ndarray:
    """Mean log-probability of each response's tokens, float64 [sequences], in nats a token.

    Args:
        model: A causal language model in evaluation mode.
        sequences: Each with at least one response token.
        pad: The token that fills rows up.
    """
    found = np.zeros(len(sequences))

    @torch.inference_mode()
    def work(chosen: Ints) -> None:
        ids, response = padded([sequences[index] for index in chosen], pad)
        ids, response = ids.to(model.device), response.to(model.device)
        total = token_logprobs(model, ids, response).double().sum(dim=1)
        found[chosen] = (total / response[:, 1:].sum(dim=1)).cpu().numpy()

    side_by_side(work, _longest_first(sequences), model.device)
    return found


def each_logprobs(policy: Policy, sequences: Sequence[EncodedAnswer]) -> list[np.ndarray]:
    """Log-probability of each response's tokens, float32 [tokens] a sequence, read in evaluation mode.

    Args:
        policy: Reads; left in the mode that it was in.
        sequences: Prompts and responses.
    """
    found: list[np.ndarray] = [np.zeros(0, dtype=np.float32)] * len(sequences)
    model = policy.model

    @torch.inference_mode()
    def work(chosen: Ints) -> None:
        ids, response = padded([sequences[index] for index in chosen], policy.tokenizer.pad_token_id)
        every = token_logprobs(model, ids.to(model.device), response.to(model.device)).cpu()
        for index, row, mask in zip(chosen, every, response[:, 1:], strict=True):
            found[index] = row[mask].numpy()

    training = model.training
    model.eval()
    side_by_side(work, _longest_first(sequences), model.device)
    model.train(training)
    return found


def _longest_first(sequences: Sequence[EncodedAnswer]) -> list[Ints]:
    """Places in batches of similar length; the longest first, so that the lanes end together."""
    return by_length([len(each.ids) for each in sequences], tokens=_TOKENS)[::-1]
