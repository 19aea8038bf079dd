"""Experiments in the log: which there are, and what every reading of them said; by user: `experiment_users`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from warehouse import connection, maturity
from warehouse.experiment_users import MATURE, UserSums, experiment_users, prepare
from warehouse.rollup import recount
from warehouse.storage.sql_files import query

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

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


@dataclass(frozen=True, slots=True)
class LoggedArm:
    """One arm as the log has it, quarantined users included.

    Attributes:
        name: The arm.
        policies: Every policy that served it, by name.
        users: Users who were exposed.
        exposures: Responses served.
        mature: How many of them are old enough to be counted.
        loves: Responses that the user who was shown them loves now.
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
    moment, hours = as_of or datetime.now(UTC), maturity.age(maturity_hours)
    with connection.open(target).read() as reader:
        names = [str(row[0]) for row in reader.execute(_NAMES, {"moment": moment, "name": name}).fetchall()]
        found = [_experiment(each, _arms(reader, each, moment, hours)) for each in names]
    return sorted(found, key=lambda each: (each.last, each.name))


def _arms(reader: DuckDBPyConnection, name: str, moment: datetime, hours: float) -> list[tuple[Any, ...]]:
    """A row an arm: name, policies, users, exposures, mature exposures, loves, first and last moment."""
    prepare(reader, name, moment, hours)
    recounted = recount.loved("recounted_exposures", "recounted_reactions")
    asked = query(__file__, "arms", recounted=recounted, mature=MATURE)
    return reader.execute(asked, {"name": name, "moment": moment, "hours": hours}).fetchall()


def _experiment(name: str, rows: Sequence[tuple[Any, ...]]) -> LoggedExperiment:
    arms = tuple(LoggedArm(arm, tuple(policies), *counts) for arm, policies, *counts, _, _ in rows)
    first, last = min(row[-2] for row in rows), max(row[-1] for row in rows)
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


_NAMES = """
SELECT DISTINCT experiment FROM responses
WHERE experiment IS NOT NULL AND ($name IS NULL OR experiment = $name) AND served_at <= CAST($moment AS TIMESTAMPTZ)
"""
