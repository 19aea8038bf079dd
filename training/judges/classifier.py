"""A trained reward model as a judge: what scores below a line violates."""

from collections.abc import Sequence
from typing import NamedTuple

from training.judges.verdict import PASS, Verdict
from training.reward.model import RewardModel
from training.text import Conversation


class ClassifierJudge(NamedTuple):
    """Violates when the model's logit lies below `threshold`; at 0 a safety model vetoes what is more likely unsafe."""

    model: RewardModel
    threshold: float = 0.0

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
