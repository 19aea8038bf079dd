"""Experiments in the log: which there are, and what every reading of them said; by user: `experiment_users`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from warehouse import connection, maturity
from warehouse.experiment_users import UserSums, experiment_users
from warehouse.queries import RAW_FEEDBACK

if TYPE_CHECKING:
    from warehouse.connection import Target

__all__ = [
    "LoggedArm",
    "LoggedExperiment",
    "StoredReadout",
    "UserSums",
    "append_readout",
    "experiment_users",
    "experiments",
    "readouts",
]


class LoggedArm(NamedTuple):
    """One arm as the log has it, nobody left out.

    Attributes:
        name: The arm.
        policies: Every policy that served it, by name.
        users: Users who were exposed.
        exposures: Responses served.
        mature: How many of them are old enough to be counted.
        loves: Responses that are loved now.
    """

    name: str
    policies: tuple[str, ...]
    users: int
    exposures: int
    mature: int
    loves: int


class LoggedExperiment(NamedTuple):
    """One experiment: its arms by name, and when its first and its last response was served (UTC)."""

    name: str
    arms: tuple[LoggedArm, ...]
    first: datetime
    last: datetime

    @property
    def mature(self) -> int:
        """Mature exposures of all arms."""
        return sum(arm.mature for arm in self.arms)


class StoredReadout(NamedTuple):
    """One reading of an experiment, as it was kept."""

    experiment: str
    read_at: datetime
    decision: str
    readout: dict[str, Any]


def experiments(
    target: Target, *, as_of: datetime | None = None, maturity_hours: float = 24.0, name: str | None = None
) -> list[LoggedExperiment]:
    """The experiments in the log, the one that was served last at the end.

    Args:
        target: The warehouse.
        as_of: Count what was served, and loved, up to this moment; now if left out.
        maturity_hours: Younger responses are not mature.
        name: Only this experiment.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    moment = as_of or datetime.now(UTC)
    values = {"moment": moment, "hours": 0.0, "mature": maturity.age(maturity_hours), "name": name}
    with connection.open(target).read() as reader:
        rows = reader.execute(_ARMS, values).fetchall()
    found = [_experiment(name, list(arms)) for name, arms in groupby(rows, key=lambda row: str(row[0]))]
    return sorted(found, key=lambda each: (each.last, each.name))


def _experiment(name: str, rows: Sequence[tuple[Any, ...]]) -> LoggedExperiment:
    arms = tuple(LoggedArm(row[1], tuple(row[2]), *row[3:7]) for row in rows)
    first, last = min(row[7] for row in rows), max(row[8] for row in rows)
    return LoggedExperiment(name, arms, first.astimezone(UTC), last.astimezone(UTC))


def append_readout(target: Target, experiment: str, read_at: datetime, readout: Mapping[str, Any]) -> None:
    """Append a reading to the history of its experiment; nothing there is ever changed.

    Args:
        target: The warehouse.
        experiment: Its name.
        read_at: The moment at which states and maturity were judged.
        readout: JSON values, `decision` among them.

    Raises:
        WarehouseError: As `Warehouse.transaction`.
    """
    values = [experiment, read_at, readout["decision"], json.dumps(dict(readout), default=str)]
    with connection.open(target).transaction() as writer:
        writer.execute("INSERT INTO experiment_readouts VALUES (?, ?, ?, ?)", values)


def readouts(target: Target, experiment: str | None = None) -> list[StoredReadout]:
    """The history of readings, oldest first: of one experiment, or of all.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    with connection.open(target).read() as reader:
        rows = reader.execute(
            "FROM experiment_readouts WHERE $1 IS NULL OR experiment = $1 ORDER BY read_at, experiment", [experiment]
        ).fetchall()
    return [StoredReadout(name, at.astimezone(UTC), word, json.loads(text)) for name, at, word, text in rows]


_ARMS = f"""
SELECT
    experiment,
    arm,
    list(DISTINCT policy ORDER BY policy) AS policies,
    count(DISTINCT user_id) AS users,
    count(*) AS exposures,
    count(*) FILTER (
        served_at <= CAST($moment AS TIMESTAMPTZ) - to_microseconds(CAST($mature * 3600000000 AS BIGINT))
    ) AS mature,
    count(*) FILTER (love) AS loves,
    min(served_at) AS first_served_at,
    max(served_at) AS last_served_at
FROM {RAW_FEEDBACK}
WHERE experiment IS NOT NULL AND ($name IS NULL OR experiment = $name)
GROUP BY experiment, arm
ORDER BY experiment, arm
"""
