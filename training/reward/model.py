"""A trained reward model: text in, calibrated logits out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from stats.estimate import Floats
from training import pretrained
from training.reward.bases import check_base
from training.reward.calibration import Calibration
from training.reward.registry import check_complete
from training.reward.residual import Residual
from training.text import Conversation, encode, load_tokenizer


class Scorer(Protocol):
    """What a reward model is to those who measure it."""

    @property
    def calibration(self) -> Calibration:
        """From raw logits to those that are told."""

    def logits(
        self, conversations: Sequence[Conversation], responses: Sequence[str], *, progress: str | None = None
    ) -> Floats:
        """Calibrated logits, [pairs]."""


@dataclass(frozen=True, slots=True)
class RewardModel:
    """A Hugging Face sequence classifier, its tokenizer and how its raw logits become those that are told.

    Attributes:
        model: With one label, or one for each head.
        tokenizer: Its.
        calibration: Applied last.
        max_tokens: Longest input.
        caution: What the heads' disagreement costs, see `losses.cautious`.
        residual: What nuisance features are worth to the model, which is taken away; None takes nothing.
    """

    model: Any
    tokenizer: Any
    calibration: Calibration
    max_tokens: int
    caution: float = 0.0
    residual: Residual | None = None

    @classmethod
    def load(cls, directory: str | Path) -> "RewardModel":
        """Read a model that `train_reward_model` saved.

        Raises:
            FileNotFoundError: The directory, its model or its calibration is missing.
            ValueError: A file that its manifest names is missing or cut.
        """
        from transformers import AutoModelForSequenceClassification

        from training.engine.placement import read_only

        path = check_base(Path(directory))
        check_complete(Path(directory))
        calibration = Calibration.read(Path(directory))
        model = read_only(pretrained.load(AutoModelForSequenceClassification, path))
        caution = float(getattr(model.config, "reward_caution", 0.0))  # models of earlier versions have one head
        longest = int(model.config.reward_max_tokens)
        return cls(model, load_tokenizer(path), calibration, longest, caution, Residual.read(Path(directory)))

    def save(self, directory: Path) -> None:
        """Write weights, tokenizer, calibration and what is taken away from scores."""
        pretrained.save(directory, self.model, self.tokenizer)
        self.calibration.save(directory)
        if self.residual is not None:
            self.residual.save(directory)

    def logits(
        self, conversations: Sequence[Conversation], responses: Sequence[str], *, progress: str | None = None
    ) -> Floats:
        """Calibrated, prior-corrected logits, shape [pairs]: their sigmoid is the chance that the label is positive.

        Args:
            conversations: Each up to the user's last message.
            responses: As many.
            progress: Label of a progress bar; None shows none.
        """
        from training.reward.batches import pad, score

        ids = encode(self.tokenizer, conversations, responses, max_tokens=self.max_tokens)
        prepare = partial(pad, pad_id=self.tokenizer.pad_token_id)
        raw = score(self.model, ids, prepare, caution=self.caution, progress=progress)
        if self.residual is not None:
            raw = self.residual.apply(raw, responses)
        return self.calibration.apply(raw)
