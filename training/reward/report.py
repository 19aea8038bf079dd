"""What training a reward model gave, for its card, its figures on disk and its caller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from stats.estimate import Estimate
from streams.record_fields import fields_of
from training.reward.audit import Audit
from training.reward.calibration import Calibration
from training.reward.drift import Weeks
from training.reward.measure import Measured
from training.reward.slices import Slice
from training.reward.trim import Trim

LEAST = 100
"""Test rows of the rarer kind, below which the figures are said to rest on too few."""


@dataclass(frozen=True, slots=True)
class RewardReport:
    """What was trained and how good it is."""

    name: str
    directory: Path
    rows: dict[str, int]
    """Rows of each part."""
    positives: dict[str, int]
    base_rate: float
    """Share of positives in the test part."""
    measured: Measured
    audit: Audit
    losses: list[float]
    seconds: float
    by: Literal["users", "conversations"] = "users"
    """What kept train and test apart."""
    trim: Mapping[str, Trim] = field(default_factory=dict)
    """What did not fit: of the rows that the first epoch read (`train`), and of those tested on (`test`)."""
    unread: str = ""
    """What of the messages a views head's encoder did not read, in a sentence."""
    retold: int = 0
    """Conversations that the chat template refused as they came, and was given in another form; see `template`."""
    slices: Sequence[Slice] = ()
    """Of the test part."""
    weeks: Weeks = field(default_factory=lambda: Weeks([], [], "nothing was scored by week"))
    """Of unseen users, over the whole log."""
    calibration: Calibration = field(default_factory=Calibration)
    later: Estimate | None = None
    """AUROC on all rows of the later days, of users that were trained on too; None in a split by conversation."""
    pair_accuracy: Estimate | None = None
    """Share of the test part's pairs whose preferred response scores higher; None without pairs."""
    residual: str = ""
    """What was taken away from the scores, in a sentence."""
    contexts: Mapping[str, Estimate] = field(default_factory=dict)
    """Of a views head: what each context that was tried took off the log loss on validation users, in nats a row."""

    @property
    def tested(self) -> str:
        """What the figures rest on, in words."""
        return tested_on(self.rows["test"], self.positives["test"])

    @property
    def warnings(self) -> list[str]:
        """What makes the figures worth less than they look, in sentences."""
        cut = [f"WARNING: of the {part} part {trim.words}" for part, trim in self.trim.items() if trim.many]
        unread = [f"WARNING: {self.unread}"] if self.unread else []
        return [*cut, *unread, *(f"WARNING: {each}" for each in [*self.audit.refused, *self.audit.warnings])]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; without the place, since a moved model would go on naming the old one."""
        trim = {part: each._asdict() for part, each in self.trim.items()}
        plain = {**fields_of(self), "tested": self.tested, "trim": trim}
        plain.pop("directory")
        told = {
            "measured": self.measured.as_dict(),
            "audit": self.audit.as_dict(),
            "slices": [each.as_dict() for each in self.slices],
            "weeks": [each.as_dict() for each in self.weeks.weeks],
            "alarms": self.weeks.alarms,
            "calibration": self.calibration.words,
            "contexts": dict(self.contexts),
        }
        return plain | told


def tested_on(rows: int, positives: int) -> str:
    """What figures rest on, in words.

    >>> tested_on(53, 44)
    'tested on 53 rows, 9 of the rarer kind: too few for close figures'
    """
    rarer = min(positives, rows - positives)
    few = ": too few for close figures" if rarer < LEAST else ""
    return f"tested on {rows:,} rows, {rarer:,} of the rarer kind{few}"
