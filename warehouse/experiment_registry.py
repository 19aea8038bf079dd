"""What people did with experiments: an append-only list of changes, so that who started what, when and why stays known.

The newest change of an experiment says what stands. It names people who run experiments, never users of the product.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from warehouse import connection
from warehouse.storage.transaction import WarehouseError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.connection import Target

Action = Literal["planned", "started", "ramped", "rolled_back", "stopped", "archived"]
_LONGEST = 256
"""Characters of an experiment's name, as events have them."""


class ExperimentChangedError(WarehouseError):
    """Somebody else has changed the experiment since it was looked at; nothing was stored."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an experiment.

    Attributes:
        experiment: Its name, as events name it.
        changed_at: When, with a time zone.
        changed_by: Who.
        action: What was done.
        why: For whoever asks later.
        definition: The whole experiment as it stands from then on: JSON values.
    """

    experiment: str
    changed_at: datetime
    changed_by: str
    action: Action
    why: str
    definition: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not 0 < len(self.experiment) <= _LONGEST:
            raise ValueError(f"experiment == {self.experiment!r}, must have 1 to {_LONGEST} characters, as in events")
        if self.action not in get_args(Action):
            raise ValueError(f"action == {self.action!r}, must be one of {', '.join(get_args(Action))}")
        if not (self.changed_by.strip() and self.why.strip()):
            raise ValueError("changed_by or why is empty: say who changed it and why, for whoever asks later")
        if self.changed_at.tzinfo is None:
            raise ValueError(f"changed_at == {self.changed_at}, must have a time zone: datetime.now(UTC) has one")


def append(target: Target, change: Change, *, expected: int | None, of_all: int | None = None) -> Change:
    """Store a change, unless somebody else has changed the experiment meanwhile.

    Args:
        target: The warehouse.
        change: What was done. A moment that is not after the last change's is moved to a microsecond after it: clocks
            of two machines differ, and the order of the changes is theirs.
        expected: How many changes of this experiment the caller has seen; None stores it whatever there is.
        of_all: How many changes of all experiments the caller has seen, where the change depends on what others do;
            None where it does not.

    Returns:
        The change as it is stored.

    Raises:
        ExperimentChangedError: There are more changes, or fewer, than expected.
        ValueError: A definition that is no JSON.
        WarehouseError: As `Warehouse.transaction`.
    """
    try:
        definition = json.dumps(dict(change.definition), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the definition of {change.experiment!r} is no JSON ({error}): give plain values") from None
    with connection.open(target).transaction() as writer:
        there = _read(writer, change.experiment)
        if expected is not None and len(there) != expected:
            raise ExperimentChangedError(_unexpected(change, there, expected))
        if of_all is not None and (seen := len(_read(writer, None))) != of_all:
            raise ExperimentChangedError(
                f"{seen} changes of experiments are there, {of_all} were expected: another was changed meanwhile, and "
                f"may hold users of {change.experiment!r}; nothing was stored, try it again"
            )
        if there and there[-1].changed_at >= change.changed_at:
            change = replace(change, changed_at=there[-1].changed_at + timedelta(microseconds=1))
        values = [change.experiment, change.changed_at, change.changed_by, change.action, change.why, definition]
        writer.execute("INSERT INTO experiment_changes VALUES (?, ?, ?, ?, ?, ?)", values)
    return change


def changes(target: Target, experiment: str | None = None) -> list[Change]:
    """Every change, oldest first: of one experiment, or of all.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    with connection.open(target).read() as reader:
        return _read(reader, experiment)


def _read(connected: DuckDBPyConnection, experiment: str | None) -> list[Change]:
    rows = connected.execute(
        """FROM experiment_changes WHERE $1 IS NULL OR experiment = $1
        ORDER BY changed_at, experiment""",
        [experiment],
    ).fetchall()
    return [
        Change(name, at.astimezone(UTC), by, action, why, json.loads(text)) for name, at, by, action, why, text in rows
    ]


def _unexpected(change: Change, there: list[Change], expected: int) -> str:
    last = there[-1] if there else None
    seen = (
        f"{last.changed_by} {last.action} it at {last.changed_at:%Y-%m-%d %H:%M} UTC" if last else "nobody planned it"
    )
    return (
        f"{change.experiment!r} has {len(there)} changes, {expected} were expected ({seen}): nothing was stored; "
        "look at it again, then decide again"
    )
