"""The training loop: unpaired binary cross-entropy on a sequence classifier, fresh negatives each epoch, early stopping.

Left out on purpose: mixed precision (bf16 autocast was slower on these processors), several devices, gradient accumulation.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from training.reward.batches import pad, score, shuffled
from training.reward.data import Examples, Rows, subsample
from training.reward.metrics import Floats
from training.text import encode


class Schedule(NamedTuple):
    """How a model is fitted."""

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    positive_rate: float
    max_tokens: int
    seed: int


class Encoded(NamedTuple):
    """Rows ready for the model."""

    ids: list[list[int]]
    labels: Floats
    weights: Floats


class Fitted(NamedTuple):
    """What happened: `negatives_stand_for` undoes the sub-sampling, `losses` are the validation losses by epoch."""

    negatives_stand_for: float
    losses: list[float]
    best_epoch: int


def encoded(tokenizer: Any, examples: Examples, rows: Rows, max_tokens: int) -> Encoded:
    """Token ids, labels and trust of these rows."""
    part = examples.take(rows)
    ids = encode(tokenizer, part.conversations, part.responses, max_tokens=max_tokens)
    return Encoded(ids, part.labels, part.weights)


def fit(model: Any, tokenizer: Any, train: Examples, validation: Examples, schedule: Schedule, name: str) -> Fitted:
    """Fit the model in place and leave it with the weights of its best epoch, in evaluation mode.

    1. Each epoch draws its own negatives and passes once over them and all positives.
    2. After each epoch the loss on a fixed validation sample, drawn at the same positive rate, is taken.
    3. A second epoch in a row without a new best ends the fit; the best weights are put back.
    """
    random = np.random.default_rng(schedule.seed)
    torch.manual_seed(schedule.seed)
    watched = encoded(
        tokenizer, validation, subsample(validation.labels, schedule.positive_rate, random)[0], schedule.max_tokens
    )
    losses: list[float] = []
    best: dict[str, torch.Tensor] = {}
    rows, stand_for = subsample(train.labels, schedule.positive_rate, random)
    steps = schedule.epochs * math.ceil(len(rows) / schedule.batch)
    optimiser, clock = _optimiser(model, schedule, steps)
    with tqdm(total=steps, desc=f"{name}: training", disable=None, unit="step", leave=False) as bar:
        for epoch in range(schedule.epochs):
            part = encoded(tokenizer, train, rows, schedule.max_tokens)
            _pass(model, tokenizer.pad_token_id, part, schedule.batch, random, optimiser, clock, bar)
            losses.append(validation_loss(model, tokenizer.pad_token_id, watched))
            if losses[-1] <= min(losses):
                best = {key: value.detach().clone() for key, value in model.state_dict().items()}
            if epoch - int(np.argmin(losses)) >= 2:
                break
            rows, stand_for = subsample(train.labels, schedule.positive_rate, random)
    model.load_state_dict(best)
    model.eval()
    return Fitted(stand_for, losses, int(np.argmin(losses)) + 1)


def validation_loss(model: Any, pad_id: int, part: Encoded) -> float:
    """Trust-weighted binary cross-entropy of raw logits."""
    model.eval()
    raw = score(model, part.ids, pad_id=pad_id)
    return float(np.average(np.logaddexp(0, raw) - part.labels * raw, weights=part.weights))


def _optimiser(model: Any, schedule: Schedule, steps: int) -> tuple[torch.optim.Optimizer, Any]:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(
        parameters, lr=schedule.learning_rate, weight_decay=schedule.weight_decay, betas=(0.9, 0.98), foreach=True
    )
    warmup = max(1, steps // 20)

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, share)


def _pass(
    model: Any,
    pad_id: int,
    part: Encoded,
    size: int,
    random: np.random.Generator,
    optimiser: torch.optim.Optimizer,
    clock: Any,
    bar: Any,
) -> None:
    model.train()
    device = next(model.parameters()).device
    labels, weights = (torch.tensor(part[column], dtype=torch.float32, device=device) for column in (1, 2))
    for rows in shuffled(part.ids, size=size, random=random):
        batch = {key: value.to(device) for key, value in pad([part.ids[row] for row in rows], pad_id).items()}
        logits = model(**batch).logits[:, 0].float()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels[rows], weight=weights[rows])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        clock.step()
        bar.update(1)
