"""The audit trail of experiments: every change for good, and the bundle to fall back to.

Pure values: who keeps the entries appends them and never changes one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final, NamedTuple

ACTIONS: Final = ("planned", "started", "ramped", "rolled_back", "stopped", "archived")
"""What an audit entry may say was done."""


class Bundle(NamedTuple):
    """What an arm serves: a policy with all that it answers by.

    Attributes:
        name: That people call it by.
        digest: Of its content.
    """

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change of an experiment, for good.

    Attributes:
        experiment: Its name.
        at: When, in UTC.
        by: Who, a person or a service.
        action: One of `ACTIONS`.
        why: The reason, in words.
        before: The definition until then; empty where there was none.
        after: The definition from then on: `coverage`, `bundles` (by arm, each a name and a digest) and what else
            belongs to it; JSON can hold it.
    """

    experiment: str
    at: datetime
    by: str
    action: str
    why: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise ValueError(f"action == {self.action!r}, must be one of {', '.join(ACTIONS)}")
        if self.at.utcoffset() != timedelta(0):
            raise ValueError(f"at == {self.at.isoformat()}, must be in UTC: a moment without its offset is none")
        for name in ("experiment", "by", "why"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name} is empty, must say who, what or why: nobody can ask later")
        for name in ("before", "after"):
            try:
                json.dumps(dict(getattr(self, name)), allow_nan=False)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"{name} cannot be written as JSON ({error}): give text, numbers, lists, maps"
                ) from error
            bundles(getattr(self, name))


def bundles(definition: Mapping[str, Any]) -> dict[str, Bundle]:
    """What each arm serves by a definition; nothing where it names no bundle.

    >>> bundles({"bundles": {"treatment": {"name": "warmer", "digest": "5c96"}}})
    {'treatment': Bundle(name='warmer', digest='5c96')}

    Raises:
        ValueError: A bundle without a name or a digest.
    """
    found = {}
    for arm, each in definition.get("bundles", {}).items():
        if not isinstance(each, Mapping) or not all(
            isinstance(each.get(key), str) and each[key] for key in Bundle._fields
        ):
            raise ValueError(
                f"bundle of {arm} == {each!r}, must have a name and a digest: it could not be served again"
            )
        found[arm] = Bundle(each["name"], each["digest"])
    return found


def rolled_back(history: Sequence[AuditEntry]) -> dict[str, Any]:
    """The definition to go back to: the last one that served other bundles than those served last.

    Works as undoing does: each rollback takes the bundles away that were served then, and what was taken away is never
    gone back to. So of A, B, a rollback to A, then C, the next rollback goes to A, not to B; and of A, B, C, a rollback
    to B, the next one goes to A. Of a ramp's many definitions with the same bundles the last one served counts. A
    definition with coverage 0, or one that is only planned, serves nobody.

    >>> from datetime import UTC
    >>> def changed(action, name):
    ...     after = {"coverage": 1.0, "bundles": {"treatment": {"name": name, "digest": name.upper()}}}
    ...     return AuditEntry("warmer", datetime(2026, 1, 1, tzinfo=UTC), "ann", action, "asked for", {}, after)
    >>> actions = (("started", "a"), ("started", "b"), ("rolled_back", "a"), ("started", "c"))
    >>> bundles(rolled_back([changed(*each) for each in actions]))["treatment"]
    Bundle(name='a', digest='A')

    Args:
        history: Every change of one experiment, in the order of time.

    Raises:
        ValueError: Nothing was served before, entries of several experiments, or out of order.
    """
    names = sorted({entry.experiment for entry in history})
    if len(names) > 1:
        raise ValueError(f"history of {', '.join(names)}, must be of one experiment: each is rolled back by itself")
    if any(later.at < earlier.at for earlier, later in pairwise(history)):
        raise ValueError("history is out of order, must rise in time: sort it by its moments")
    served = _served(history)
    if len(served) < 2:
        said = f"only {_named(served[0])} was" if served else "nothing was"
        raise ValueError(f"{said} ever served, and there is nothing to go back to: stop the experiment instead")
    return dict(served[-2])


def _served(history: Sequence[AuditEntry]) -> list[Mapping[str, Any]]:
    """Definitions that were served and not taken back, the last one of each run of the same bundles."""
    served: list[Mapping[str, Any]] = []
    for entry in history:
        if entry.action == "rolled_back":
            served = _taken_back(served, entry.after)
        if entry.action in ("planned", "archived") or not _serves(entry.after):
            continue
        if served and bundles(served[-1]) == bundles(entry.after):
            served.pop()
        served.append(entry.after)
    return served


def _taken_back(served: list[Mapping[str, Any]], after: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Without the bundles served last; where the rollback went further back, without all later ones."""
    left = served[:-1]
    same = [place for place, each in enumerate(left) if _serves(after) and bundles(each) == bundles(after)]
    return left[: same[-1] + 1] if same else left


def _serves(definition: Mapping[str, Any]) -> bool:
    return bool(bundles(definition)) and definition.get("coverage", 1.0) > 0


def _named(definition: Mapping[str, Any]) -> str:
    return ", ".join(sorted(bundle.name for bundle in bundles(definition).values()))
