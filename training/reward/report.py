"""What training a reward model gave, for its card, its figures on disk and its caller."""

from pathlib import Path
from typing import Any, NamedTuple

from training.reward.audit import Effect
from training.reward.measure import Measured


class RewardReport(NamedTuple):
    """What was trained and how good it is."""

    name: str
    directory: Path
    rows: dict[str, int]
    """Rows of each part."""
    positives: dict[str, int]
    base_rate: float
    """Share of positives in the test part."""
    measured: Measured
    audit: list[Effect]
    losses: list[float]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        plain = {**self._asdict(), "directory": str(self.directory)}
        return {**plain, "measured": self.measured.as_dict(), "audit": [effect._asdict() for effect in self.audit]}
