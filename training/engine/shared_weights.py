"""A plain model that reads another's weights where they lie: no copy, and none of the hooks on the other's layers."""

import copy
from typing import Any

import torch


def without_weights(model: Any) -> Any:
    """A model of the same shape, whose parameters hold nothing yet."""
    empty = {id(each): torch.nn.Parameter(each.to("meta"), each.requires_grad) for each in model.parameters()}
    return copy.deepcopy(model, empty)


def lend(source: Any, to: Any, *, device: str | None = None) -> None:
    """Let a model of the same shape read another's weights, tied ones too.

    Args:
        source: Whose weights.
        to: What `without_weights` made of it.
        device: `meta` takes them back, so that their memory can be freed.
    """
    lent: dict[int, torch.nn.Parameter] = {}
    for name, each in source.named_parameters(remove_duplicate=False):
        if id(each) not in lent:
            lent[id(each)] = torch.nn.Parameter(each.data.to(device), each.requires_grad)
        owner, _, leaf = name.rpartition(".")
        setattr(to.get_submodule(owner), leaf, lent[id(each)])
