"""Two small trunks over the same token states: one sequence, or two views at several scales with cross-attention.

The second is MMViT's idea (arXiv 2305.00104) for text: the conversation and the response are the views, each scale has
half the tokens of the one before, and at each scale the views read each other. Left out: the paper's several views of
one picture, and its pooling inside attention; what is pooled here are the tokens between two scales.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn

HEADS = 4
WIDTHS = (64, 96, 128)
"""Of the scales: a scale of half the tokens costs about as much as the one before."""


class View(NamedTuple):
    """A part of a batch's texts.

    Attributes:
        states: Of tokens, [rows, tokens, width].
        kept: False on padding, with at least one True a row, [rows, tokens].
        said: 1 on tokens of the response, 0 on those of the conversation, [rows, tokens].
    """

    states: torch.Tensor
    kept: torch.Tensor
    said: torch.Tensor


class Attention(nn.Module):
    """Tokens read tokens, of their own view or of the other; in plain products, so that they are counted."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.asks, self.told, self.out = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)

    def forward(self, reader: torch.Tensor, read: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        """What each token of `reader`, [rows, tokens, width], finds among the kept ones of `read`."""
        query = _by_head(self.asks(reader))
        key, value = map(_by_head, self.told(read).chunk(2, dim=-1))
        weight = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        weight = weight.masked_fill(~kept[:, None, None, :], torch.finfo(weight.dtype).min).softmax(-1)
        return self.out((weight @ value).transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Self-attention, with `crossed` attention to another view behind it, and a feed-forward part; norms come first."""

    def __init__(self, width: int, hidden: int, *, crossed: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3 if crossed else 2))
        self.within = Attention(width)
        self.across = Attention(width) if crossed else None
        self.forward_part = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, views: Sequence[torch.Tensor], kept: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The states of each view after it; views share the weights."""
        found = [view + self._own(view, mask) for view, mask in zip(views, kept, strict=True)]
        if self.across is not None:
            one, other = (self.norms[2](view) for view in found)
            found[0] = found[0] + self.across(one, other, kept[1])
            found[1] = found[1] + self.across(other, one, kept[0])
        return [view + self.forward_part(self.norms[1](view)) for view in found]

    def _own(self, view: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        normed = self.norms[0](view)
        read: torch.Tensor = self.within(normed, normed, kept)
        return read


class Plain(nn.Module):
    """One sequence through layers of one width, as many as there are scales.

    Args:
        below: Width of the token states.
        width: Of the layers, a multiple of `HEADS`.
        hidden: Of their feed-forward parts.
    """

    def __init__(self, below: int, width: int, hidden: int) -> None:
        super().__init__()
        self.narrow, self.sides = nn.Linear(below, width), nn.Embedding(2, width)
        self.layers = nn.ModuleList(Layer(width, hidden, crossed=False) for _ in WIDTHS)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))

    def forward(self, views: Sequence[View]) -> torch.Tensor:
        """Logits, [rows], of one view that holds all."""
        (whole,) = views
        states = [self.narrow(whole.states) + self.sides(whole.said)]
        for layer in self.layers:
            states = layer(states, [whole.kept])
        logits: torch.Tensor = self.head(mean(states[0], whole.kept))[:, 0]
        return logits


class MultiView(nn.Module):
    """Conversation and response side by side, at each scale crossed and then pooled by two.

    Args:
        below: Width of the token states.
    """

    def __init__(self, below: int) -> None:
        super().__init__()
        self.narrow, self.sides = nn.Linear(below, WIDTHS[0]), nn.Embedding(2, WIDTHS[0])
        self.layers = nn.ModuleList(Layer(width, 4 * width, crossed=True) for width in WIDTHS)
        self.wider = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(WIDTHS))
        self.head = nn.Sequential(nn.LayerNorm(2 * WIDTHS[-1]), nn.Linear(2 * WIDTHS[-1], 1))

    def forward(self, views: Sequence[View]) -> torch.Tensor:
        """Logits, [rows], of two views: the conversation and the response."""
        states = [self.narrow(view.states) + self.sides(view.said) for view in views]
        kept = [view.kept for view in views]
        for scale, layer in enumerate(self.layers):
            if scale:
                pairs = [halved(each, mask) for each, mask in zip(states, kept, strict=True)]
                states, kept = [self.wider[scale - 1](each) for each, _ in pairs], [mask for _, mask in pairs]
            states = layer(states, kept)
        both = [mean(each, mask) for each, mask in zip(states, kept, strict=True)]
        logits: torch.Tensor = self.head(torch.cat(both, dim=-1))[:, 0]
        return logits


def mean(states: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Over the kept tokens, [rows, width]; 0 where a row has none.

    >>> mean(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[True, True, False]])).tolist()
    [[2.0]]
    """
    weight = kept.unsqueeze(-1).to(states.dtype)
    return (states * weight).sum(-2) / weight.sum(-2).clamp_min(1.0)


def halved(states: torch.Tensor, kept: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each two neighbours as the mean of those that are kept, and which of these hold something.

    >>> states, kept = halved(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[True, True, True]]))
    >>> states.flatten().tolist(), kept.tolist()
    ([2.0, 9.0], [[True, True]])
    """
    odd = states.shape[1] % 2
    states, kept = nn.functional.pad(states, (0, 0, 0, odd)), nn.functional.pad(kept, (0, odd))
    twos = kept.unflatten(1, (-1, 2))
    return mean(states.unflatten(1, (-1, 2)), twos), twos.any(-1)


def _by_head(states: torch.Tensor) -> torch.Tensor:
    return states.unflatten(-1, (HEADS, -1)).transpose(1, 2)
