"""Texts as the trunks read them: states of an encoder's frozen lower layers, once over every text, and their two views.

Both trunks are fed the same states of the same tokens, those of conversation and response as one text; the trunk of
two views gets them cut where the response begins.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from multiview_parts.trunks import View
from training import pretrained
from training.reward.bases import minilm
from training.reward.data import Rows
from training.reward.frozen_layers import States, keep_states
from training.text import Conversation, encode, load_tokenizer

BELOW = 3
"""Frozen layers of MiniLM's six."""


class Texts(NamedTuple):
    """Rows as token states.

    Attributes:
        states: Of each row, float16 [tokens, width].
        starts: The token at which the response begins, from 1, [rows].
    """

    states: list[torch.Tensor]
    starts: Rows

    @property
    def lengths(self) -> Rows:
        """Tokens of each row, [rows]."""
        return np.array([len(each) for each in self.states], dtype=np.int64)


def read(conversations: Sequence[Conversation], responses: Sequence[str], max_tokens: int, known: States) -> Texts:
    """Run the lower layers over each pair that `known` lacks, in bfloat16.

    Args:
        conversations: Of each row.
        responses: Of each row.
        max_tokens: Of a pair; what is longer loses its beginning.
        known: States by token ids, to which new ones are added.
    """
    from transformers import AutoModel

    tokenizer = load_tokenizer(str(minilm()))
    model = pretrained.load(AutoModel, str(minilm())).eval()
    ids = encode(tokenizer, conversations, responses, max_tokens=max_tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        keep_states(model, BELOW, ids, tokenizer.pad_token_id, known)
    return Texts([known[tuple(row)] for row in ids], begins(tokenizer, ids, responses))


def begins(tokenizer: Any, ids: Sequence[Sequence[int]], responses: Sequence[str]) -> Rows:
    """Where each row's response begins: its own tokens are the last but the separator, and the first is never its."""
    said = tokenizer([*responses], add_special_tokens=False, verbose=False)["input_ids"]
    return np.array([max(1, len(row) - 1 - len(own)) for row, own in zip(ids, said, strict=True)], dtype=np.int64)


def batch(texts: Texts, rows: Rows, *, split: bool) -> list[View]:
    """Some rows for a trunk: as one view, or with `split` as the conversation and the response."""
    pairs = [(texts.states[row].float(), int(texts.starts[row])) for row in rows]
    if not split:
        return [_view([(states, _said(len(states), start)) for states, start in pairs])]
    return [
        _view([(states[:start], _said(start, start)) for states, start in pairs]),
        _view([(states[start:], _said(len(states) - start, 0)) for states, start in pairs]),
    ]


def _said(tokens: int, start: int) -> torch.Tensor:
    return (torch.arange(tokens) >= start).long()


def _view(parts: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> View:
    states, said = (pad_sequence([part[place] for part in parts], batch_first=True) for place in (0, 1))
    kept = pad_sequence([torch.ones(len(part[0]), dtype=torch.bool) for part in parts], batch_first=True)
    return View(states, kept, said)
