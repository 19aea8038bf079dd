"""Token ids into padded batches of like lengths, and scores out of them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from stats.estimate import Floats
from training.batches import by_length
from training.engine.lanes import side_by_side
from training.reward.data import Rows
from training.reward.last_token import logits_of
from training.reward.losses import cautious

Ids = Sequence[Sequence[int]]
_POOL = 16
"""Batches whose rows are sorted by length together."""


def shuffled(lengths: Rows, *, size: int, random: np.random.Generator) -> list[Rows]:
    """Training batches of `size` rows: shuffled, sorted by length within `_POOL` batches, and shuffled once more."""
    order = random.permutation(len(lengths))
    batches: list[Rows] = []
    for start in range(0, len(order), size * _POOL):
        part = order[start : start + size * _POOL]
        part = part[np.argsort(lengths[part], kind="stable")]
        batches.extend(part[at : at + size] for at in range(0, len(part), size))
    return [batches[place] for place in random.permutation(len(batches))]


def pad(ids: Ids, pad_id: int) -> dict[str, torch.Tensor]:
    """`input_ids` and `attention_mask`, both [rows, longest], padded on the right."""
    longest = max(len(row) for row in ids)
    tokens = torch.full((len(ids), longest), pad_id, dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for place, row in enumerate(ids):
        tokens[place, : len(row)] = torch.tensor(row)
        mask[place, : len(row)] = 1
    return {"input_ids": tokens, "attention_mask": mask}


def score(
    model: Any,
    ids: Ids,
    prepare: Callable[[Ids], dict[str, torch.Tensor]],
    *,
    tokens: int = 4_096,
    caution: float = 0.0,
    progress: str | None = None,
) -> Floats:
    """Raw logits of a sequence classifier, shape [rows], in the order of `ids`; of several heads see `cautious`.

    Args:
        model: In evaluation mode.
        ids: Token ids, one row a text.
        prepare: Makes a batch of texts the model's input; `pad` does.
        tokens: Padded tokens of a batch (more ran slower: the caches of a processor are small).
        caution: What the heads' disagreement costs.
        progress: Label of the progress bar; None shows none.
    """
    raw = np.zeros(len(ids))
    device = next(model.parameters()).device
    with tqdm(total=len(ids), desc=progress, disable=None if progress else True, unit="row", leave=False) as bar:

        @torch.no_grad()  # not inference_mode: weights that DeepSpeed gathers in it could not be trained afterwards
        def work(rows: Rows) -> None:
            batch = {name: part.to(device) for name, part in prepare([ids[row] for row in rows]).items()}
            raw[rows] = cautious(logits_of(model, batch), caution).double().cpu().numpy()
            bar.update(len(rows))

        longest_first = by_length([len(row) for row in ids], tokens=tokens)[::-1]  # lanes end together
        side_by_side(work, longest_first, device)
    return raw
