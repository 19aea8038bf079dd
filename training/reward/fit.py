"""The training loop: unpaired feedback or pairs on a sequence classifier, fresh negatives each epoch, early stop.

It steps through an engine: one process, or many ranks, each of which draws the same rows and takes its part of them.
Left out on purpose: mixed precision by autocast (slower on these processors).
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from stats.estimate import Floats
from stats.metrics import log_loss
from streams import whole_file
from training.disk import kept
from training.engine.engine import Engine, OneProcess, dealt, read_state, write
from training.engine.finite_check import finite_loss
from training.engine.lanes import PARTS, accumulate
from training.engine.steps import Steps
from training.progress import Follow, Trail, nobody
from training.reward.augmentation import augmented
from training.reward.batches import score, shuffled
from training.reward.broken_text import with_broken
from training.reward.config import RewardConfig
from training.reward.data import Examples, Rows, subsample
from training.reward.encoded_rows import EncodedRows
from training.reward.frozen_layers import Prepare, States, opened
from training.reward.last_token import logits_of
from training.reward.losses import binary, bradley_terry, positive_unlabelled, seen_by_now
from training.reward.pairs import coupled
from training.reward.trim import Trim

_KEEP_EVERY = 200
"""Steps between two states, beside one after each epoch."""


class Fitted(NamedTuple):
    """Result of a fit."""

    stands_for: float
    """How many negatives each drawn one stood for."""
    losses: list[float]
    """On validation users, by epoch."""
    trim: Trim
    """What of the first epoch's rows did not fit."""


class RewardFit:
    """One fit of one model.

    Args:
        runner: The engine around the classifier.
        inner: The classifier itself.
        tokenizer: Its tokenizer.
        config: The dials.
        states: Outputs of frozen layers, by text.
        name: For the progress bars.
        tokens: Most padded tokens of one pass on a rank; a larger batch's gradients add up over several.
        state: Where an interrupted fit goes on from; None keeps nothing.
        follow: Told each step with its loss.
    """

    def __init__(
        self,
        runner: Engine,
        inner: Any,
        tokenizer: Any,
        config: RewardConfig,
        *,
        states: States,
        name: str,
        tokens: int = 16_384,
        state: Path | None = None,
        follow: Follow = nobody,
    ) -> None:
        self.runner = runner
        self.inner = inner
        self.tokenizer = tokenizer
        self.config = config
        self.states = states
        self.name = name
        self.tokens = tokens
        self.state = state
        self.model = runner.model
        self.follow = follow
        self.random = np.random.default_rng(config.seed)
        self.best: dict[str, torch.Tensor] = {}
        """On rank 0 the whole weights of the best epoch so far."""
        self.stands_for = 1.0
        """How many negatives each drawn one stands for."""

    def run(self, train: Examples, validation: Examples) -> Fitted:
        """Fit, and leave the whole weights of the best epoch in `best` (on rank 0).

        1. Each epoch draws its own negatives and passes once over them and all positives.
        2. After it the loss on a fixed validation sample, drawn at the same positive rate, is taken.
        3. A second epoch in a row without a new best ends the fit.
        4. A fit that was interrupted goes on at its last kept step, with the chance that it had there.
        """
        torch.manual_seed(self.config.seed)
        watched, _ = self._draw(validation, learnt=False)
        part, self.stands_for = self._draw(train)
        trim = part.trim
        each = math.ceil(len(part.units) / self._size)
        self.runner.begin(self.config.epochs * each, self._rate())
        begun, skip, losses = self._resumed()
        done = begun * each + skip
        total, title = self.config.epochs * each, f"{self.name}: training"
        with Trail(total, done=done, title=title, rank=self.runner.rank, follow=self.follow) as steps:
            for epoch in range(begun, self.config.epochs):
                if epoch - 1 - int(np.argmin(losses or [0])) >= 2:
                    break
                chance = self.random.bit_generator.state
                part = part if epoch == 0 else self._draw(train)[0]
                self._pass(part, steps, skip, {"epoch": epoch, "losses": losses, "random": chance})
                losses.append(finite_loss(self.loss(watched), steps.done, total))
                if losses[-1] <= min(losses):
                    self._keep_best()
                skip = 0
                self._keep(
                    {"epoch": epoch + 1, "losses": losses, "random": self.random.bit_generator.state, "place": 0}
                )
        return Fitted(self.stands_for, losses, trim)

    def settled(self) -> Any:
        """The plain model with the weights of the best epoch, which `raw` scores with from now on; on rank 0 alone.

        Under DeepSpeed the classifier's own weights may be shards of another precision: a copy in float32 is made of
        its configuration and the best weights. LoRA's matrices are merged into the weights beside them.
        """
        if not isinstance(self.runner, OneProcess):
            self.inner = _unsharded(self.inner).to(self.runner.device)
        self.inner.load_state_dict(self.best)
        if hasattr(self.inner, "merge_and_unload"):
            self.inner = self.inner.merge_and_unload()
        self.model = self.inner.eval()
        return self.inner

    def raw(self, ids: list[list[int]], progress: str | None = None) -> Floats:
        """Raw logits of texts, shape [rows]; frozen layers are not run twice on one text."""
        self.model.eval()
        with self._opened(ids) as prepare:
            return score(self.model, ids, prepare, caution=self.config.caution, progress=progress)

    def loss(self, part: EncodedRows) -> float:
        """Trust-weighted cross-entropy of raw logits; of pairs that of their order."""
        if not part.weights.any():
            raise ValueError(
                f"weight is 0 in all {len(part.ids):,} rows that validate the fit, so nothing can be measured on them: "
                "trust must be above 0 somewhere; give more users, or other weights"
            )
        raw = self.raw(part.ids)
        if self._paired:
            preferred, other = part.units.T
            return float(np.average(np.logaddexp(0, raw[other] - raw[preferred]), weights=part.weights[preferred]))
        return float(np.average(log_loss(part.labels, raw), weights=part.weights))

    def encoded(self, part: Examples) -> EncodedRows:
        """Token ids, labels and trust of these rows, and what of them did not fit."""
        return EncodedRows.of(self.tokenizer, part, self.config)

    @property
    def _paired(self) -> bool:
        return self.config.loss == "bradley_terry"

    @property
    def _size(self) -> int:
        """Units of a step."""
        return max(1, self.config.batch // 2) if self._paired else self.config.batch

    def _draw(self, examples: Examples, *, learnt: bool = True) -> tuple[EncodedRows, float]:
        """Rows of an epoch, and how many negatives each of theirs stands for; all rows of pairs."""
        if self._paired:
            rows, stands_for = np.sort(coupled(examples.pairs, examples.labels > 0).ravel()), 1.0
            if not len(rows):
                raise ValueError(
                    "loss == 'bradley_terry', but no two rows are a pair: name the pair of a row in a column pair, "
                    "or take loss = 'binary'"
                )
        else:
            rows, stands_for = subsample(examples.labels, self.config.positive_rate, self.random)
        drawn = examples.take(rows)
        if learnt and self.config.augmented:
            drawn = augmented(drawn, self.config.augmented, self.random)
        if learnt and self.config.broken:
            drawn = with_broken(drawn, self.config.broken, self.random)
        return self.encoded(drawn), stands_for

    def _opened(self, ids: list[list[int]]) -> Any:
        return opened(self.inner, self.config.frozen_layers, ids, self.tokenizer.pad_token_id, self.states)

    def _pass(self, part: EncodedRows, steps: Steps, skip: int, progress: dict[str, Any]) -> None:
        with self._opened(part.ids) as prepare:
            self.model.train()
            for place, units in enumerate(shuffled(part.lengths, size=self._size, random=self.random)):
                if place < skip:
                    continue
                steps.ahead(self._step(part, units, prepare))
                if (place + 1) % _KEEP_EVERY == 0:
                    self._keep(progress | {"place": place + 1})

    def _step(self, part: EncodedRows, units: Rows, prepare: Prepare) -> float:
        """One step on a batch, whatever ranks and passes it is cut into; its loss on this rank's part."""
        rows = part.units[units].ravel()
        longest = max(len(part.ids[row]) for row in rows)
        least = max(self.runner.ranks, PARTS)
        pieces = min(len(units), max(least, math.ceil(len(rows) * longest / self.tokens)))

        def work(mine: tuple[Any, float]) -> tuple[torch.Tensor, float]:
            some, factor = mine
            loss = self._loss(part, part.units[some].ravel(), prepare) * (factor * len(some) / len(units))
            return loss, float(loss.detach())

        seen = accumulate(self.runner, work, dealt(np.array_split(units, pieces), self.runner))
        self.runner.step()
        return sum(seen)

    def _loss(self, part: EncodedRows, rows: Rows, prepare: Prepare) -> torch.Tensor:
        device = self.runner.device
        labels, weights = (
            torch.tensor(column[rows], dtype=torch.float32, device=device) for column in (part.labels, part.weights)
        )
        batch = {key: value.to(device) for key, value in prepare([part.ids[row] for row in rows]).items()}
        every = logits_of(self.model, batch).float()
        logits = every.gather(1, torch.tensor(part.heads[rows], device=device)[:, None])[:, 0]
        if self._paired:  # rows come as units hold them: preferred, other, preferred ...
            return bradley_terry(logits[0::2], logits[1::2], weights[0::2])
        if (part.matured < 1).any():
            matured = torch.tensor(part.matured[rows], dtype=torch.float32, device=device)
            logits = seen_by_now(logits, matured, self.stands_for)
        if self.config.unsaid:
            return positive_unlabelled(logits, labels, weights, said=part.said, unsaid=self.config.unsaid)
        return binary(logits, labels, weights)

    def _rate(self) -> float:
        return self.config.learning_rate or 0.128 / float(self.inner.config.hidden_size)

    def _keep_best(self) -> None:
        with self.runner.whole() as whole:
            if self.runner.rank == 0:
                self.best = {key: value.detach().clone() for key, value in whole.state_dict().items()}
        if self.state is not None and self.runner.rank == 0:
            with whole_file.whole(self.state / "best.pt") as part:
                write(self.best, part)

    def _keep(self, progress: dict[str, Any]) -> None:
        if self.state is not None:
            self.runner.save(self.state, progress)

    def _resumed(self) -> tuple[int, int, list[float]]:
        """The epoch, the step in it and the losses to go on with."""
        found = self.runner.shared(self._best_kept)
        progress = self.runner.load(self.state) if self.state is not None and found is not None else None
        if progress is None:
            return 0, 0, []
        if progress["losses"] and not self.runner.shared(lambda: bool(self.best)):
            raise ValueError(f"{self.state} holds a state and not the best weights before it: remove it to begin anew")
        self.random.bit_generator.state = progress["random"]
        return progress["epoch"], progress["place"], progress["losses"]

    def _best_kept(self) -> bool | None:
        """Take up the best weights so far, on rank 0; None where they were damaged, so that the fit begins anew."""
        if self.state is None or not (self.state / "best.pt").exists():
            return True
        found = kept(self.state / "best.pt", read_state, f"the best weights of {self.name}")
        self.best = found or {}
        return None if found is None else True


def _unsharded(model: Any) -> Any:
    """A model of the same shape, adapter included, with float32 weights of its own; their values are to be loaded."""
    if not hasattr(model, "peft_config"):
        return type(model)(model.config)
    from peft import get_peft_model

    base = model.get_base_model()
    return get_peft_model(type(base)(base.config), model.peft_config[model.active_adapter])
