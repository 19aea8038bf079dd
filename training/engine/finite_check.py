"""Refuses losses and weights that are no numbers: a model that has left them is never kept, drawn from or published."""

import math
from typing import Any


class NotFiniteError(ValueError):
    """A loss or a weight is NaN or infinite."""


def finite_loss(loss: float, step: int, steps: int) -> float:
    """The loss of a step.

    Args:
        loss: Nats.
        step: From 1.
        steps: All of them.

    Raises:
        NotFiniteError: It is none; with what to lower.

    >>> finite_loss(0.5, 1, 10)
    0.5
    """
    if math.isfinite(loss):
        return loss
    raise NotFiniteError(
        f"the loss of step {step} of {steps} is {loss}, must be finite: the weights have left the numbers. Lower the "
        "learning rate, or look for a broken weight in the model that training starts from; nothing was published, and "
        "finished work is kept"
    )


def finite_weights(model: Any, what: str) -> None:
    """Look at all weights of a model, once.

    Args:
        model: With its weights gathered.
        what: It is, for the error: `the policy after round 1`.

    Raises:
        NotFiniteError: A weight is none; names the first.
    """
    import torch

    for name, weight in model.named_parameters():
        each = weight.detach()
        if each.is_floating_point() and not torch.isfinite(each.sum(dtype=torch.float32)):
            wrong = int((~torch.isfinite(each)).sum())
            if wrong:
                raise NotFiniteError(
                    f"{what} has {wrong:,} of {each.numel():,} weights in {name} that are NaN or infinite, all must be "
                    "finite: lower the learning rate, or start from a model that is whole; what was kept before stays"
                )
