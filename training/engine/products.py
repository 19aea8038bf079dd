"""Linear layers of a model on a processor, by oneDNN: it takes the widest vector instructions of any vendor's.

Torch's own choice, MKL, takes them on Intel's alone: on an AMD processor with AVX-512 the products of a small model run
at about twice the speed here, in float32 all the same. Left out: reduced precision, and attention, whose many tiny
products MKL does better.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

_ONEDNN = bool(torch.backends.mkldnn.is_available()) and hasattr(torch.ops.mkldnn, "_linear_pointwise")  # type: ignore[no-untyped-call]
_LEAST = 2**20
"""Multiplications from which oneDNN is asked: it compiles a kernel for each new shape, which takes a third of a ms."""


class ProcessorLinear(nn.Linear):
    """A linear layer whose product and gradients are oneDNN's while it is in float32 on a processor."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002  (nn.Linear's name)
        """[..., in_features] to [..., out_features]."""
        weight, bias = self.weight, self.bias
        if input.numel() * self.out_features < _LEAST or not (_fits(input) and _fits(weight)):
            return functional.linear(input, weight, bias)
        if not torch.is_grad_enabled():
            return _product(input, weight, bias)
        found: torch.Tensor = _LinearProduct.apply(input, weight, bias)  # type: ignore[no-untyped-call]
        return found


def speed_up(model: Any) -> Any:
    """Let the plain linear layers of a model, in place, be `ProcessorLinear`; weights and their names stay."""
    if _ONEDNN:
        for module in model.modules():
            if type(module) is nn.Linear:
                module.__class__ = ProcessorLinear
    return model


def product(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """`rows @ weight.T + bias` without a gradient, in float32 on a processor: [..., in] to [..., out]."""
    if rows.numel() * weight.shape[0] < _LEAST or not _ONEDNN:
        return functional.linear(rows, weight, bias)
    return _product(rows, weight, bias)


class _LinearProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(rows, weight)
        return _product(rows, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        flat = gradients[0].reshape(-1, weight.shape[0])
        wanted = ctx.needs_input_grad
        return (
            _product(gradients[0], weight.t()) if wanted[0] else None,
            _outer(flat, rows.reshape(-1, weight.shape[1])) if wanted[1] else None,
            flat.sum(dim=0) if wanted[2] else None,
        )


def _outer(gradient: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """`gradient.T @ rows`; with the wider of both first it is a third slower."""
    if gradient.shape[1] < rows.shape[1]:
        return _product(gradient.t(), rows.t())
    return _product(rows.t(), gradient.t()).t()


def _product(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """`rows @ weight.T + bias`."""
    found: torch.Tensor = torch.ops.mkldnn._linear_pointwise.default(rows, weight, bias, "none", [], "")
    return found


def _fits(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.dtype == torch.float32
