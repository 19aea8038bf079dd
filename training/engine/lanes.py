"""A processor's cores as lanes: work that falls into parts is done part beside part, each on cores of its own.

A small model's single products are too short to be shared among cores: two threads within each made training 1.2 times
as fast, two lanes 2 times. Torch lets go of Python's lock while it computes, so threads do. The parts decide about the
result: one core and two give the same.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch import nn

from training.engine.engine import Engine, OneProcess

Part = TypeVar("Part")
Done = TypeVar("Done")

PARTS = 2
"""Into so many parts work is cut that would be one else: as many as the smallest machine has cores."""


def side_by_side(work: Callable[[Part], Done], parts: Sequence[Part], device: torch.device) -> list[Done]:
    """What `work` makes of each part, in their order; on a processor in as many lanes as torch has threads.

    Args:
        work: Computes with torch, and changes nothing that another part reads. It switches gradients on or off by
            itself: a lane does not know what its caller switched.
        parts: What the work is cut into.
        device: Where it computes; on a GPU parts come one after the other.
    """
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1 or not parts:
        return [work(part) for part in parts]
    lanes = min(threads, len(parts))
    each = threads // max(lanes, PARTS)  # a part alone, too, is added up by one core of two as it is by one of one
    try:
        with ThreadPoolExecutor(lanes, initializer=torch.set_num_threads, initargs=(each,)) as pool:
            return [*pool.map(work, parts)]
    finally:
        torch.set_num_threads(threads)


def accumulate(engine: Engine, work: Callable[[Part], tuple[torch.Tensor, Done]], parts: Sequence[Part]) -> list[Done]:
    """Add up the gradients of a step's parts, and tell what else `work` found in each.

    In lanes only in plain torch and without dropout, whose chance would fall to whichever lane comes first.

    Args:
        engine: Around the model.
        work: Takes a part's loss, a scalar that remembers its gradient; it adds to those of the other parts.
        parts: The step's, on this rank.
    """
    told: list[Done] = []
    if not isinstance(engine, OneProcess) or draws_chance(engine.model):
        for number, part in enumerate(parts):
            loss, found = work(part)
            engine.backward(loss, last=number == len(parts) - 1)
            told.append(found)
        return told
    free = [each for each in engine.model.parameters() if each.requires_grad]

    def gradients(part: Part) -> tuple[tuple[torch.Tensor | None, ...], Done]:
        with torch.enable_grad():
            loss, found = work(part)
            return torch.autograd.grad(loss, free, allow_unused=True), found

    for start in range(0, len(parts), PARTS):  # no more sets of gradients than that lie in memory
        for several, found in side_by_side(gradients, parts[start : start + PARTS], engine.device):
            _add(free, several)
            told.append(found)
    return told


def draws_chance(model: Any) -> bool:
    """Whether a forward pass in training draws random numbers."""
    config = getattr(model, "config", None)
    rates = [value for name, value in vars(config).items() if "dropout" in name] if config is not None else []
    return any(isinstance(rate, float) and rate > 0 for rate in rates) or any(
        isinstance(module, nn.Dropout) and module.p > 0 for module in model.modules()
    )


def _add(free: Sequence[nn.Parameter], gradients: Sequence[torch.Tensor | None]) -> None:
    for weight, gradient in zip(free, gradients, strict=True):
        if gradient is not None:  # laid out as the weight is: AdamW's fused kernel reads both in one go
            weight.grad = gradient.contiguous() if weight.grad is None else weight.grad.add_(gradient)
