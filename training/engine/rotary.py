"""Rotary positions, as Llamas have them."""

import torch


def turned(heads: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Queries or keys [..., width], turned by the angles whose cosines and sines [..., width] broadcast to them."""
    first, second = heads.chunk(2, dim=-1)
    return heads * cosine + torch.cat((-second, first), dim=-1) * sine
