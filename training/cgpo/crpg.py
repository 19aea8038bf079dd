"""CRPG's signed rows: calibrated-regularised policy gradient (CGPO, arXiv 2409.20370, algorithm 1).

Left out: the paper draws one sample a prompt for each step and is on-policy; here a round's samples are learnt from in
one epoch, so rounds should be many and short, or the rate low.
"""

import torch


def regularised_reward(
    calibrated: torch.Tensor, violating: torch.Tensor, log_ratio: torch.Tensor, limit: float
) -> torch.Tensor:
    """`R(s, a) = max(1 - log_ratio / KL_max, 0) R_cal(s, a)` where no judge objects, else 0.

    A sample less likely than under the reference has a factor above 1.

    Args:
        calibrated: [prompts, samples], R_cal, in (0, 1).
        violating: bool [prompts, samples], true where any judge objects.
        log_ratio: [prompts, samples], log(pi/pi_ref) in nats a token; it may be NaN where a sample violates.
        limit: KL_max, nats a token.

    Returns:
        [prompts, samples], not negative.

    >>> half, no = torch.tensor([[0.5, 0.5, 0.5]]), torch.tensor([[False, False, True]])
    >>> regularised_reward(half, no, torch.tensor([[0.1, 0.9, torch.nan]]), 0.5).round(decimals=3)
    tensor([[0.4000, 0.0000, 0.0000]])
    """
    factor = (1 - log_ratio / limit).clamp(min=0)
    return torch.where(violating, 0.0, factor * calibrated)


def advantages(reward: torch.Tensor) -> torch.Tensor:
    """`R_i - mean_j R_j` over all of a task's samples: the weight of `grad log pi(a_i|s_i)`.

    A violating sample has R = 0 and so a negative weight: it is pushed down, below its base rate too. Where all
    rewards are equal nothing is taught.

    Args:
        reward: [prompts, samples].

    Returns:
        [prompts, samples]; they sum to 0.

    >>> advantages(torch.tensor([[0.5, 0.0], [0.25, 0.25]]))
    tensor([[ 0.2500, -0.2500],
            [ 0.0000,  0.0000]])
    """
    return reward - reward.mean()
