"""The training loop: unpaired binary cross-entropy on a sequence classifier, fresh negatives each epoch, early stop.

Left out on purpose: mixed precision (bf16 autocast was slower on these processors), several devices, gradient
accumulation.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from training.reward.batches import score, shuffled
from training.reward.config import RewardConfig
from training.reward.data import Examples, subsample
from training.reward.frozen import Prepare, States, opened
from training.reward.metrics import Floats
from training.text import encode


class Encoded(NamedTuple):
    """Rows ready for the model: token ids, labels, trust."""

    ids: list[list[int]]
    labels: Floats
    weights: Floats


class Fitted(NamedTuple):
    """What happened."""

    stands_for: float
    """How many negatives each drawn one stood for."""
    losses: list[float]
    """On validation users, by epoch."""


class Fit:
    """One fit of one model, in place."""

    def __init__(self, model: Any, tokenizer: Any, config: RewardConfig, states: States, name: str) -> None:
        self.model, self.tokenizer, self.config, self.states, self.name = model, tokenizer, config, states, name
        self.random = np.random.default_rng(config.seed)

    def run(self, train: Examples, validation: Examples) -> Fitted:
        """Fit, and leave the model with the weights of its best epoch, in evaluation mode.

        1. Each epoch draws its own negatives and passes once over them and all positives.
        2. After it the loss on a fixed validation sample, drawn at the same positive rate, is taken.
        3. A second epoch in a row without a new best ends the fit; the best weights are put back.
        """
        torch.manual_seed(self.config.seed)
        watched, _ = self._draw(validation)
        losses: list[float] = []
        best: dict[str, torch.Tensor] = {}
        part, stands_for = self._draw(train)
        steps = self.config.epochs * math.ceil(len(part.ids) / self.config.batch)
        optimiser, clock = self._optimiser(steps)
        with tqdm(total=steps, desc=f"{self.name}: training", disable=None, unit="step", leave=False) as bar:
            for epoch in range(self.config.epochs):
                part = part if epoch == 0 else self._draw(train)[0]
                self._pass(part, optimiser, clock, bar)
                losses.append(self.loss(watched))
                if losses[-1] <= min(losses):
                    best = {key: value.detach().clone() for key, value in self.model.state_dict().items()}
                if epoch - int(np.argmin(losses)) >= 2:
                    break
        self.model.load_state_dict(best)
        return Fitted(stands_for, losses)

    def raw(self, ids: list[list[int]], progress: str | None = None) -> Floats:
        """Raw logits of texts, shape [rows]; frozen layers are not run twice on one text."""
        self.model.eval()
        with self._opened(ids) as prepare:
            return score(self.model, ids, prepare, progress=progress)

    def loss(self, part: Encoded) -> float:
        """Trust-weighted binary cross-entropy of raw logits."""
        raw = self.raw(part.ids)
        return float(np.average(np.logaddexp(0, raw) - part.labels * raw, weights=part.weights))

    def encoded(self, part: Examples) -> Encoded:
        """Token ids, labels and trust of these rows."""
        ids = encode(self.tokenizer, part.conversations, part.responses, max_tokens=self.config.max_tokens)
        return Encoded(ids, part.labels, part.weights)

    def _draw(self, examples: Examples) -> tuple[Encoded, float]:
        rows, stands_for = subsample(examples.labels, self.config.positive_rate, self.random)
        return self.encoded(examples.take(rows)), stands_for

    def _opened(self, ids: list[list[int]]) -> Any:
        return opened(self.model, self.config.frozen_layers, ids, self.tokenizer.pad_token_id, self.states)

    def _pass(self, part: Encoded, optimiser: torch.optim.Optimizer, clock: Any, bar: Any) -> None:
        with self._opened(part.ids) as prepare:
            self.model.train()
            for rows in shuffled(part.ids, size=self.config.batch, random=self.random):
                self._step(part, rows, prepare).backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
                clock.step()
                bar.update(1)

    def _step(self, part: Encoded, rows: Any, prepare: Prepare) -> torch.Tensor:
        device = next(self.model.parameters()).device
        labels, weights = (torch.tensor(part[column][rows], dtype=torch.float32, device=device) for column in (1, 2))
        batch = {key: value.to(device) for key, value in prepare([part.ids[row] for row in rows]).items()}
        logits = self.model(**batch).logits[:, 0].float()
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, weight=weights)

    def _optimiser(self, steps: int) -> tuple[torch.optim.Optimizer, Any]:
        rate = self.config.learning_rate or 0.128 / self.model.config.hidden_size
        free = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        optimiser = torch.optim.AdamW(
            free, lr=rate, weight_decay=self.config.weight_decay, betas=(0.9, 0.98), fused=True
        )
        warmup = max(1, steps // 20)

        def share(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            return 0.02 + 0.49 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

        return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, share)
