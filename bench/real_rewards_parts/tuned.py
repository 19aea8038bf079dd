"""An encoder whose upper layers are trained, by one of three losses; lower layers run once over every text.

In bfloat16 by autocast: four times as fast where the processor multiplies such numbers in tiles.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from stats.estimate import Floats
from training import pretrained
from training.batches import by_length
from training.reward import losses
from training.reward.bases import minilm
from training.reward.frozen_layers import Prepare, States, freeze, opened
from training.text import load_tokenizer

Rows = npt.NDArray[np.int64]
Loss = Callable[[torch.Tensor, Rows], torch.Tensor]


class Plan(NamedTuple):
    """How an encoder is trained.

    Attributes:
        pooling: What is read: the mean over tokens, or the first token.
        epochs: Passes.
        rate: Highest learning rate; it warms up over a tenth of the steps and falls to 0.
        frozen: Lower layers that stay.
        seed: Of the head and the order.
    """

    pooling: Literal["mean", "first"] = "mean"
    epochs: int = 2
    rate: float = 3.3e-4
    frozen: int = 5
    seed: int = 1


class Scorer(nn.Module):
    """An encoder with one output, which the functions of `training.reward.frozen_layers` can open."""

    def __init__(self, plan: Plan) -> None:
        from transformers import AutoModel

        super().__init__()
        torch.manual_seed(plan.seed)
        self.base_model: Any = pretrained.load(AutoModel, str(minilm()))
        self.config: Any = self.base_model.config
        self.head = nn.Linear(self.config.hidden_size, 1)
        self.pooling = plan.pooling
        nn.init.zeros_(self.head.bias)
        freeze(self, plan.frozen)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Raw scores, [rows]."""
        states = self.base_model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.pooling == "first":
            return self.head(states[:, 0])[:, 0].float()
        kept = attention_mask.unsqueeze(-1).to(states.dtype)
        return self.head((states * kept).sum(1) / kept.sum(1))[:, 0].float()


def ids_of(texts: Sequence[Any], most: int, side: str = "right") -> list[list[int]]:
    """Token ids of texts, or of pairs of texts; what is too long loses its end, or on `left` its beginning."""
    tokenizer = load_tokenizer(str(minilm()))
    tokenizer.truncation_side = side
    found: list[list[int]] = tokenizer(list(texts), truncation=True, max_length=most, verbose=False)["input_ids"]
    return found


def fitted_scores(  # noqa: PLR0917
    ids: list[list[int]], batches: Callable[[np.random.Generator], list[Rows]], loss: Loss, plan: Plan, wanted: Rows,
    states: States,
) -> Floats:  # fmt: skip
    """Train, and score some rows.

    Args:
        ids: Token ids of all rows.
        batches: Draws an epoch's batches of row positions.
        loss: Of a batch's scores and rows.
        plan: How.
        wanted: Rows to score.
        states: Outputs of the frozen layers by text, shared between fits.
    """
    model, random = Scorer(plan), np.random.default_rng(plan.seed)
    free = [each for each in model.parameters() if each.requires_grad]
    optimiser = torch.optim.AdamW(free, lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.01)
    drawn = [batches(random) for _ in range(plan.epochs)]
    total, done = sum(map(len, drawn)), 0
    with _fast(), opened(model, plan.frozen, ids, 0, states) as prepare:
        model.train()
        for rows in (rows for epoch in drawn for rows in epoch):
            done += 1
            for group in optimiser.param_groups:
                group["lr"] = plan.rate * min(done / (0.1 * total), (total - done + 1) / (0.9 * total))
            found = loss(model(**prepare([ids[row] for row in rows])), rows)
            optimiser.zero_grad()
            found.backward()
            nn.utils.clip_grad_norm_(free, 1.0)
            optimiser.step()
        return _scored(model, [ids[row] for row in wanted], prepare)


def _scored(model: Scorer, ids: list[list[int]], prepare: Prepare) -> Floats:
    model.eval()
    found = np.zeros(len(ids))
    with torch.no_grad():
        for rows in by_length([len(row) for row in ids], tokens=4_096):
            found[rows] = model(**prepare([ids[row] for row in rows])).double().numpy()
    return found


@contextmanager
def _fast() -> Iterator[None]:
    # without cache: one context spans many steps, and kept casts would be of the weights before the first of them
    with torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=False):
        yield


def whole_groups(groups: Rows, rows: Rows, size: int = 64) -> Callable[[np.random.Generator], list[Rows]]:
    """Batches of about `size` of these rows, in which groups stay together."""
    order = rows[np.argsort(groups[rows], kind="stable")]
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)

    def draw(random: np.random.Generator) -> list[Rows]:
        batches: list[list[Rows]] = [[]]
        for part in random.permutation(len(parts)):
            if batches[-1] and sum(map(len, batches[-1])) + len(parts[part]) > size:
                batches.append([])
            batches[-1].append(parts[part])
        return [np.concatenate(each) for each in batches]

    return draw


def binary(targets: Floats, weights: Floats) -> Loss:
    """Unpaired binary cross-entropy against targets in [0, 1], all rows of one scale."""
    rate = float(np.average(targets, weights=weights))
    offset, scale = np.log(rate / (1 - rate)), 1 / (2 * min(rate, 1 - rate))

    def loss(scores: torch.Tensor, rows: Rows) -> torch.Tensor:
        wanted, weight = (torch.tensor(each[rows], dtype=torch.float32) for each in (targets, weights / weights.mean()))
        return nn.functional.binary_cross_entropy_with_logits(scores + offset, wanted, weight=weight) * scale

    return loss


def conditional(loves: Floats, shown: Floats, groups: Rows) -> Loss:
    """Likelihood of which response of a context got the loves, given how many the context got in all.

    `-sum_i loves_i log(shown_i exp(s_i) / sum_j shown_j exp(s_j))` over the responses of one context: whatever the
    context does to all of them alike cancels (Chamberlain, *Analysis of covariance with qualitative data*, 1980). It
    takes unpaired labels, and no one who compares two responses.
    """

    def loss(scores: torch.Tensor, rows: Rows) -> torch.Tensor:
        _, where = np.unique(groups[rows], return_inverse=True)
        place = torch.tensor(where)
        raw = scores + torch.tensor(np.log(shown[rows]), dtype=torch.float32)
        top = torch.full((int(place.max()) + 1,), -1e9).scatter_reduce(0, place, raw.detach(), "amax")
        total = torch.zeros_like(top).index_add(0, place, torch.exp(raw - top[place]))
        log_share = raw - top[place] - torch.log(total)[place]
        wanted = torch.tensor(loves[rows], dtype=torch.float32)
        return -(wanted * log_share).sum() / max(1.0, float(loves[rows].sum()))

    return loss


def bradley_terry(scores: torch.Tensor, rows: Rows) -> torch.Tensor:  # noqa: ARG001 (as every loss is called)
    """The product's loss, of rows that are better and worse in turn."""
    return losses.bradley_terry(scores[0::2], scores[1::2], torch.ones(len(scores) // 2))


def duels(better: Rows, worse: Rows, size: int = 64) -> Callable[[np.random.Generator], list[Rows]]:
    """Batches of pairs, as `bradley_terry` takes them."""

    def draw(random: np.random.Generator) -> list[Rows]:
        order = random.permutation(len(better))
        step = size // 2
        some = (order[at : at + step] for at in range(0, len(order), step))
        return [np.column_stack([better[part], worse[part]]).ravel() for part in some]

    return draw
