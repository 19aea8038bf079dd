"""Examples made ready for a classifier: token ids, targets, trust, and which rows are learnt from at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stats.estimate import Floats
from training.reward.config import RewardConfig
from training.reward.data import Examples, Rows
from training.reward.pairs import coupled
from training.reward.split import user_folds
from training.reward.trim import Trim
from training.text import trimmed


@dataclass(frozen=True, slots=True)
class EncodedRows:
    """Rows ready for the model.

    Attributes:
        ids: Token ids.
        labels: Targets, [rows].
        weights: Trust, [rows].
        matured: The chance that a love has come by now, [rows].
        heads: Which head learns from a row, [rows].
        units: Row positions of what is learnt from at once, [units, 1]; of pairs [units, 2], the preferred one first.
        trim: What did not fit.
    """

    ids: list[list[int]]
    labels: Floats
    weights: Floats
    matured: Floats
    heads: Rows
    units: Rows
    trim: Trim

    @property
    def said(self) -> float:
        """Mean target, by trust."""
        return float(np.average(self.labels, weights=self.weights))

    @property
    def lengths(self) -> Rows:
        """Tokens of the longest row of each unit, [units]."""
        each = np.array([len(row) for row in self.ids], dtype=np.int64)
        return np.asarray(each[self.units].max(axis=1))

    @classmethod
    def of(cls, tokenizer: Any, part: Examples, config: RewardConfig) -> "EncodedRows":
        """Encode rows, as the dials say."""
        found = trimmed(tokenizer, part.conversations, part.responses, max_tokens=config.max_tokens)
        heads = user_folds(part.users, config.heads, config.seed)
        paired = config.loss == "bradley_terry"
        units = coupled(part.pairs, part.labels > 0) if paired else np.arange(len(part.labels))[:, None]
        matured = np.ones(len(part.labels)) if part.matured is None else part.matured
        trim = Trim.of(found, config.max_tokens)
        return cls(found.ids, part.labels, part.weights, matured, heads, units, trim)
