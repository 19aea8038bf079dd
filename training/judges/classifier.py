"""A trained reward model as a judge: what scores below a line violates."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from training.judges.verdict import PASS, Verdict
from training.text import Conversation

if TYPE_CHECKING:
    from training.reward.saved_reward import SavedReward


class ClassifierJudge(NamedTuple):
    """Violates when the model's logit lies below `threshold`; at 0 a safety model vetoes what is more likely unsafe."""

    model: "SavedReward"
    threshold: float = 0.0

    @property
    def cost(self) -> int:
        """A forward pass a response: asked after the patterns."""
        return 1

    @property
    def version(self) -> str:
        """A digest of the model's files and the threshold."""
        return hashlib.sha256(f"{self.model.version} {self.threshold!r}".encode()).hexdigest()

    def __call__(self, conversation: Conversation, response: str) -> Verdict:
        """The verdict on one response; `judge_all` is many times faster for many."""
        return self.judge_all([conversation], [response])[0]

    def judge_all(self, conversations: Sequence[Conversation], responses: Sequence[str]) -> list[Verdict]:
        """One verdict for each pair, in order."""
        logits = self.model.logits(conversations, responses).tolist()
        return [self._verdict(logit) for logit in logits]

    def _verdict(self, logit: float) -> Verdict:
        if logit >= self.threshold:
            return PASS
        return Verdict(True, f"logit {logit:.2f} is below {self.threshold:.2f}")


def classifier(*, model: Path, threshold: float = 0.0) -> ClassifierJudge:
    """The judge of a reward model that `train_reward_model` saved.

    Args:
        model: Its directory. In a recipe also `safety`, `helpfulness` or `p_love`: the one that the run trains.
        threshold: Logit below which a response violates.

    Raises:
        FileNotFoundError: No reward model lies there.
    """
    from training.reward.calibration import Calibration

    Calibration.read(model)  # a wrong folder is told before the large libraries are loaded
    from training.reward.saved_reward import SavedReward

    return ClassifierJudge(SavedReward(Path(model)), threshold)
