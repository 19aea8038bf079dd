"""What a check found."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class CheckVerdict(NamedTuple):
    """What a check found.

    Attributes:
        passed: Whether the rule held.
        seen: What was seen, and the rule.
        warn: A failure is to be looked at, and stops nothing.
    """

    passed: bool
    seen: Mapping[str, Any]
    warn: bool = False
