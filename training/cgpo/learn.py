"""The second half of a round: one epoch on the winners, with logged text mixed in to keep the language."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from training.cgpo.collect import Winner
from training.cgpo.config import CgpoConfig
from training.policy.batches import Encoded, padded
from training.policy.likelihood import token_logprobs
from training.policy.schedule import warmup_then_cosine


class Weighted(NamedTuple):
    """A sequence and its weight in the loss."""

    sequence: Encoded
    weight: float


def blend(lots: Sequence[tuple[float, Sequence[Winner]]]) -> list[Weighted]:
    """Bring the tasks' winners together: `g = sum_l rho_l mean_i R_cal_i grad log pi(a_i)`, as one weighted mean.

    Args:
        lots: For each task its weight rho and its winners.

    Returns:
        Every winner once; the weights before R_cal average 1.

    >>> one = Encoded(np.array([1, 2]), 1)
    >>> both = blend([(0.75, [Winner(one, 1.0)]), (0.25, [Winner(one, 1.0), Winner(one, 0.5)])])
    >>> [round(each.weight, 3) for each in both]
    [2.25, 0.375, 0.188]
    """
    filled = [(rho, winners) for rho, winners in lots if winners]
    total = sum(rho for rho, _ in filled)
    count = sum(len(winners) for _, winners in filled)
    return [
        Weighted(winner.sequence, winner.reward * rho / total * count / len(winners))
        for rho, winners in filled
        for winner in winners
    ]


def learn(
    model: Any,
    optimiser: torch.optim.Optimizer,
    winners: Sequence[Weighted],
    supervised: Sequence[Encoded],
    *,
    pad: int,
    config: CgpoConfig,
    seed: int,
) -> tuple[int, float]:
    """One epoch of weighted maximum likelihood on the winners' responses.

    A step's loss is the weighted negative log-likelihood of its responses, divided by their tokens.

    Returns:
        Steps taken, and the mean loss of a winner's token in nats (its weight left out).
    """
    batches = list(_batches(winners, supervised, config, seed))
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(model, config)
        group.pop("initial_lr", None)
    schedule = warmup_then_cosine(optimiser, len(batches))
    losses = []
    model.train()
    for batch in tqdm(batches, desc="learn from winners", unit="step", disable=None, leave=False):
        losses.append(sum(_backward(model, part, pad, tokens=_tokens(batch)) for part in _parts(batch)))
        torch.nn.utils.clip_grad_norm_([each for each in model.parameters() if each.requires_grad], 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        schedule.step()
    model.eval()
    return len(batches), float(np.mean(losses)) if losses else 0.0


def learning_rate(model: Any, config: CgpoConfig) -> float:
    """The configured rate, or 5e-4 at width 128 and inversely proportional to the width, ten times that for LoRA."""
    if config.lr is not None:
        return config.lr
    full = 5e-4 * 128 / float(model.config.hidden_size)
    return full * 10 if config.tuning == "lora" else full


def _batches(
    winners: Sequence[Weighted], supervised: Sequence[Encoded], config: CgpoConfig, seed: int
) -> Iterator[list[Weighted]]:
    chance = np.random.default_rng(seed)
    order = chance.permutation(len(winners))
    for start in range(0, len(order), config.batch):
        batch = [winners[index] for index in order[start : start + config.batch]]
        extra = round(len(batch) * config.supervised) if supervised else 0
        yield batch + [Weighted(supervised[index], 1.0) for index in chance.integers(0, max(1, len(supervised)), extra)]


def _parts(batch: Sequence[Weighted], size: int = 16) -> list[list[Weighted]]:
    """A batch in parts of similar length, whose gradients add up: a third of the padding."""
    order = sorted(batch, key=lambda each: len(each.sequence.ids))
    return [order[start : start + size] for start in range(0, len(order), size)]


def _tokens(batch: Sequence[Weighted]) -> int:
    return sum(len(each.sequence.ids) - each.sequence.prompt for each in batch)


def _backward(model: Any, part: Sequence[Weighted], pad: int, *, tokens: int) -> float:
    """Add the part's gradient; its share of the batch's loss a token, weights left out."""
    ids, response = padded([each.sequence for each in part], pad)
    weight = torch.tensor([each.weight for each in part], device=model.device)
    lost = -token_logprobs(model, ids.to(model.device), response.to(model.device)).sum(dim=1)
    torch.autograd.backward((lost * weight).sum() / tokens)
    return float(lost.detach().sum()) / tokens
