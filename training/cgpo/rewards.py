"""CGPO's quantities on plain tensors.

Notation: prompt s, response a, policy pi, frozen reference pi_ref, reward r, baseline response a0.
"""

import torch
from torch.nn.functional import logsigmoid


def calibrated_reward(reward: torch.Tensor, baseline: torch.Tensor) -> torch.Tensor:
    """`R_cal(s, a) = sigmoid(r(s, a) - r(s, a0))` (CGPO, arXiv 2409.20370): bounded, and comparable across prompts.

    Args:
        reward: [prompts, samples], logits.
        baseline: [prompts], the reward of a0.

    Returns:
        [prompts, samples], in (0, 1).

    >>> calibrated_reward(torch.tensor([[1.0, 3.0]]), torch.tensor([1.0])).tolist()
    [[0.5, 0.8807970285415649]]
    """
    return torch.sigmoid(reward - baseline[:, None])


def soft_and(rewards: torch.Tensor, baselines: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Rank by several rewards at once: `S = sum_j w_j log sigmoid(r_j(s, a) - r_j(s, a0))`, at most 0.

    What is gained beyond "better than a0" saturates and what is lost counts in full, so no reward can buy off another.
    With a single reward the order is that reward's own.

    Args:
        rewards: [rewards, prompts, samples], logits.
        baselines: [rewards, prompts].
        weights: [rewards], not negative.

    Returns:
        [prompts, samples].

    >>> two = torch.tensor([[[0.0, 0.0]], [[0.0, 100.0]]])
    >>> soft_and(two, torch.zeros(2, 1), torch.tensor([1.0, 0.5])).round(decimals=3).tolist()
    [[-1.0399999618530273, -0.6930000185966492]]
    """
    return torch.einsum("j,jps->ps", weights, logsigmoid(rewards - baselines[:, :, None]))


def log_ratio_per_token(logprobs: torch.Tensor, reference: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """`log(pi(a|s) / pi_ref(a|s)) / |a|`.

    A limit on the whole sequence's ratio would favour short answers, and so closings; hence per token.

    Args:
        logprobs: [responses, length], log pi of each token.
        reference: [responses, length], log pi_ref of each token.
        mask: [responses, length], true on the response's own tokens; every row has one.

    Returns:
        [responses], in nats a token.

    >>> pi, reference = torch.tensor([[-1.0, -1.0, 9.0]]), torch.tensor([[-2.0, -4.0, 0.0]])
    >>> log_ratio_per_token(pi, reference, torch.tensor([[1, 1, 0]]))
    tensor([2.])
    """
    kept = mask.to(logprobs.dtype)
    return ((logprobs - reference) * kept).sum(dim=-1) / kept.sum(dim=-1)
