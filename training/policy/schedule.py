"""The policy's course of the learning rate for an optimiser that is stepped by hand."""

import torch

from training.engine.schedule import policy_course


def warmup_then_cosine(optimiser: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """Scale the optimiser's rate over `steps` steps along `policy_course`."""
    return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: policy_course(step, steps))
