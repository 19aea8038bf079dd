"""The learning rate's course: a short linear rise, then a cosine down to a tenth."""

import math

import torch


def warmup_then_cosine(
    optimiser: torch.optim.Optimizer, steps: int, *, warmup: float = 0.03
) -> torch.optim.lr_scheduler.LambdaLR:
    """Scale the optimiser's rate over `steps` steps: up within the first `warmup` share, down to a tenth at the end."""
    rise = max(1, round(steps * warmup))

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        along = (step - rise) / max(1, steps - rise)
        return 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, along)))

    return torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
