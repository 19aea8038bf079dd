"""A reward model that lies on disk until it is asked: of several ranks only the one that scores opens it."""

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from stats.estimate import Floats
from training.policy.load import ADAPTER, base_of, fingerprint
from training.reward.model import RewardModel
from training.reward.views_reward import ViewsReward, is_views
from training.text import Conversation

if TYPE_CHECKING:
    import torch


class SavedReward:
    """Scores as `RewardModel` does.

    Args:
        directory: Where `train_reward_model` saved it, or a views head lies.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @cached_property
    def version(self) -> str:
        """The fingerprint of its weights, tokenizer and calibration."""
        return fingerprint(self.directory)

    def bytes_on(self, device: "torch.device") -> int:
        """What its weights will take there: in their own precision on a GPU, in float32 on a processor.

        0 when it is open already, or where its weights do not lie in safetensors files.
        """
        if "_model" in vars(self):
            return 0
        numbers, stored = _size(self.directory)
        return 4 * numbers if device.type == "cpu" else stored

    @cached_property
    def _model(self) -> RewardModel | ViewsReward:
        return (ViewsReward if is_views(self.directory) else RewardModel).load(self.directory)

    def logits(
        self, conversations: Sequence[Conversation], responses: Sequence[str], *, progress: str | None = None
    ) -> Floats:
        """Calibrated logits, float64 [pairs]."""
        return self._model.logits(conversations, responses, progress=progress)


def _size(place: Path) -> tuple[int, int]:
    """How many weights lie in a folder, and their bytes; of an adapter with those of its base."""
    from safetensors import safe_open

    numbers = stored = 0
    for file in place.glob("*.safetensors"):
        with safe_open(file, "pt") as opened:
            numbers += sum(math.prod(opened.get_slice(name).get_shape()) for name in opened.keys())  # noqa: SIM118
        stored += file.stat().st_size
    if (place / ADAPTER).exists():
        base = _size(Path(base_of(place)))
        return numbers + base[0], stored + base[1]
    return numbers, stored
