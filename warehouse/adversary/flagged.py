"""A flag of the daily job on one user, before it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class UserFlag:
    """One row of `flags` to be, with source 'periodic' and subject 'user'.

    Attributes:
        rule: The rule's name, `version` its version; both stand in the filter version of training sets.
        user_id: Whom it is about.
        score: How many times over the rule's line; 1 and more is quarantine.
        evidence: What was seen, in JSON's values, for a person to judge.
        flagged_at: Event time of the last event in the evidence.
        since: Feedback from this moment on is left out; None leaves out all of it.
        key: The group, device or network by which the user was found; None for a user on their own.
    """

    rule: str
    version: int
    user_id: str
    score: float
    evidence: dict[str, Any]
    flagged_at: datetime
    since: datetime | None = None
    key: str | None = None
