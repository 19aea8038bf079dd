"""What the frozen reference thinks of responses: their log-ratios and log-likelihoods."""

from collections.abc import Sequence

import numpy as np
import torch

from training.cgpo.rewards import log_ratio_per_token
from training.policy.batches import EncodedAnswer, padded
from training.policy.likelihood import mean_logprobs, token_logprobs
from training.policy.load import Policy

_TOKENS = 16_384
"""Of one forward pass, padding included."""


@torch.inference_mode()
def log_ratios(sequences: Sequence[EncodedAnswer], logprobs: Sequence[np.ndarray], frozen: Policy) -> torch.Tensor:
    """`log(pi/pi_ref)` of responses, in nats a token; float64 [responses].

    Args:
        sequences: Prompts and responses, each with at least one response token.
        logprobs: log pi of each response's tokens, as they were drawn.
        frozen: The reference.

    Raises:
        ValueError: One is not a number.
    """
    found = torch.zeros(len(sequences), dtype=torch.float64)
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index].ids))
    while order:
        size = max(1, _TOKENS // len(sequences[order[-1]].ids))
        chosen, order = order[-size:], order[:-size]
        ids, response = padded([sequences[index] for index in chosen], frozen.tokenizer.pad_token_id)
        device = frozen.model.device
        reference = token_logprobs(frozen.model, ids.to(device), response.to(device)).double().cpu()
        mask, own = response[:, 1:], torch.zeros_like(reference)
        own[mask] = torch.from_numpy(np.concatenate([logprobs[index] for index in chosen])).double()
        found[chosen] = log_ratio_per_token(own, reference, mask)
    if found.isnan().any():
        raise ValueError(
            f"log(pi/pi_ref) is not a number for {int(found.isnan().sum())} of {len(found)} responses: the policy's or "
            "the reference's weights are broken; lower lr and run again from the last good policy"
        )
    return found


def log_likelihoods(sequences: Sequence[EncodedAnswer], frozen: Policy) -> np.ndarray:
    """Sum up log pi_ref of whole responses, in nats; float64 [responses]."""
    if not sequences:
        return np.zeros(0)
    lengths = np.array([len(each.ids) - each.prompt for each in sequences])
    found: np.ndarray = mean_logprobs(frozen.model, sequences, frozen.tokenizer.pad_token_id) * lengths
    return found
