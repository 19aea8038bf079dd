"""A key-value cache with room to grow: a token is appended in place, where the stock cache copies all that it holds."""

from typing import Any

import torch
from transformers.cache_utils import DynamicLayer


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """One attention layer's keys and values, [rows, heads, tokens, width], as views of buffers with room for more.

    Args:
        layer: What a prefill left, one row a prompt.
        copies: Rows made of each row.
        room: Tokens that may be appended.
    """

    def __init__(self, layer: DynamicLayer, copies: int, room: int) -> None:
        super().__init__()
        self.dtype = layer.dtype
        self.device = layer.device
        self.is_initialized = True
        self._filled = layer.get_seq_length()
        self._buffers = [_roomy(each, copies, room) for each in (layer.keys, layer.values)]
        self._look()

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append tokens; both tensors [rows, heads, new tokens, width]. Returns all keys and values."""
        start, self._filled = self._filled, self._filled + key_states.shape[2]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, start : self._filled] = states
        self._look()
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows, in this order."""
        self._buffers = [buffer.index_select(0, indices) for buffer in self._buffers]
        self._look()

    def _look(self) -> None:
        self.keys, self.values = (buffer[:, :, : self._filled] for buffer in self._buffers)


def make_room(cache: Any, copies: int, room: int) -> None:
    """Copy each row of a prefilled cache `copies` times; plain layers get room for `room` more tokens."""
    for place, layer in enumerate(cache.layers):
        if type(layer) is DynamicLayer:
            cache.layers[place] = RoomyLayer(layer, copies, room)
        else:
            layer.batch_repeat_interleave(copies)


def _roomy(states: torch.Tensor, copies: int, room: int) -> torch.Tensor:
    rows, heads, tokens, width = states.shape
    # Laid out once at the final length: a cache that grows by concatenation copies all keys and values for every token.
    buffer = states.new_empty(rows, copies, heads, tokens + room, width)
    buffer[:, :, :, :tokens] = states[:, None]
    return buffer.view(rows * copies, heads, tokens + room, width)
