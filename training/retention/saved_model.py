"""A retention model on disk: the reward of a response, as any reward model, and survival models and index beside it."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from stats.estimate import Floats
from training.retention.hazard import Hazard
from training.retention.last_responses import LastResponses
from training.retention.returns import AMOUNTS, PAST, SIGNALS, UserDays
from training.reward.registry import check_complete
from training.reward.views_reward import ViewsReward

FILE: Final = "retention.json"
SCORE: Final = "score of the last response"
COLUMNS: Final = (*PAST, *AMOUNTS, *SIGNALS, SCORE)
"""What the survival models of a user-day read."""


class RetentionModel:
    """Reads what `train.train_retention` wrote.

    Args:
        directory: Where it lies.

    Raises:
        FileNotFoundError: No retention model lies there.
        ValueError: A file is missing or cut.
    """

    def __init__(self, directory: Path) -> None:
        if not (directory / FILE).is_file():
            raise FileNotFoundError(
                f"{directory / FILE} is missing: no retention model lies there; `loveloop retention train` makes one"
            )
        check_complete(directory)
        self.directory = directory

    @cached_property
    def facts(self) -> dict[str, Any]:
        """All that was noted."""
        return dict(json.loads((self.directory / FILE).read_text()))

    @cached_property
    def hazards(self) -> dict[int, Hazard]:
        """The survival models, by delay."""
        return {int(delay): Hazard.of_dict(each) for delay, each in self.facts["hazards"].items()}

    @cached_property
    def index(self) -> Hazard:
        """The surrogate index.

        Raises:
            ValueError: The log that it was made from was too short for one.
        """
        told = self.facts["index"]
        if told is None:
            raise ValueError(f"{self.directory} has no surrogate index: {self.facts['missing']['index']}")
        return Hazard.of_dict(told)

    def scores(self, last: LastResponses) -> Floats:
        """Log hazards of user-days' last responses, float64[n], as the survival models and the index read them."""
        texts = [json.dumps([*pair]) for pair in zip(last.conversations, last.texts, strict=True)]
        _, first, place = np.unique(texts, return_index=True, return_inverse=True)
        rows = first.tolist()
        asked, said = [last.conversations[row] for row in rows], [last.texts[row] for row in rows]
        logits = self._reward.logits(asked, said, progress="retention: responses")
        return np.asarray(self._reward.calibration.shifted(logits)[place], np.float64)

    @cached_property
    def _reward(self) -> ViewsReward:
        return ViewsReward.load(self.directory)

    def chances(self, days: UserDays, scores: Floats) -> dict[int, Floats]:
        """P(return) of each user-day by delay, float64[n] each, with the scores of their last responses."""
        columns = columns_of(days, scores)
        return {delay: hazard.chance(columns) for delay, hazard in self.hazards.items()}


def columns_of(days: UserDays, scores: Floats) -> Floats:
    """float64[n, 15], by `COLUMNS`."""
    return np.column_stack([days.past, days.amounts, days.signals, scores])
