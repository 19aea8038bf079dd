"""Experiments in the log: which there are, what each user saw and loved in one, and what every reading of it said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from warehouse import connection, maturity
from warehouse.queries import RAW_FEEDBACK

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

    from warehouse.connection import Target

TextJudge = Callable[[list[dict[str, str]], str], bool]
"""Whether a response to a conversation (messages with role and content) is to be counted."""
TEXTS_AT_ONCE = 20_000
"""Distinct texts that are held at a time while they are judged."""


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


class UserSums(NamedTuple):
    """An experiment by user.

    Attributes:
        users: Columns user_id, arm, exposures, loves, and one count for each judge; one row a user, sorted. Users in
            quarantine and loves that do not count are left out.
        raw: Columns user_id, arm, exposures and loves, with nobody left out but for the following.
        in_several_arms: Users who saw more than one arm of the experiment; they are in neither table.
    """

    users: pa.Table
    raw: pa.Table
    in_several_arms: int


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


def experiment_users(
    target: Target,
    name: str,
    *,
    arms: Iterable[str],
    as_of: datetime | None = None,
    maturity_hours: float = 24.0,
    judges: Mapping[str, TextJudge] | None = None,
) -> UserSums:
    """What each user saw and loved in two or more arms of an experiment.

    1. Sum up by user, arm and text in one reading of the warehouse, so that clean and raw sums are of the same log; the
       texts as numbers.
    2. Judge the distinct texts, `TEXTS_AT_ONCE` at a time. The warehouse is open only while a batch of them is fetched,
       so that a long judgement of a large experiment keeps no writer waiting. A text whose user is erased in the
       meantime counts as not found.
    3. Sum up by user.

    Args:
        target: The warehouse.
        name: The experiment.
        arms: Arms to read; other arms only tell who was in several.
        as_of: Judge states and maturity at this moment; now if left out.
        maturity_hours: Younger responses are not counted yet.
        judges: For each further column, what its count is of.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    moment, wanted = as_of or datetime.now(UTC), judges or {}
    values = {"moment": moment, "hours": maturity.age(maturity_hours), "name": name, "arms": list(arms)}
    with connection.open(target).read() as reader:
        reader.execute(_MIXED, {"moment": moment, "name": name})
        mixed = int((reader.execute("SELECT count(*) FROM mixed").fetchone() or (0,))[0])
        raw = reader.execute(_RAW_CELLS, values).to_arrow_table()
        reader.execute(_SHOWN, values)
        reader.execute(_TEXTS)
        cells = reader.execute(_CELLS).to_arrow_table()
        texts = reader.execute("SELECT event_id FROM texts ORDER BY number").to_arrow_table()["event_id"]
    for column, verdicts in _judged(target, texts, wanted).items():
        cells = cells.append_column(column, _counted(cells, verdicts))
    return UserSums(_by_user(cells, wanted), _by_user(raw, ()), mixed)


def _judged(target: Target, texts: pa.ChunkedArray, judges: Mapping[str, TextJudge]) -> dict[str, NDArray[np.bool_]]:
    """For each judge, its verdict on each distinct text."""
    import numpy as np

    verdicts = {column: np.zeros(len(texts), bool) for column in judges}
    for first in range(0, len(texts), TEXTS_AT_ONCE) if judges else ():
        with connection.open(target).read() as reader:
            batch = _fetch(reader, texts.slice(first, TEXTS_AT_ONCE))
        for place, conversation, response in zip(*(batch[name].to_pylist() for name in _FETCHED), strict=True):
            messages = json.loads(conversation)
            for column, judge in judges.items():
                verdicts[column][first + place] = judge(messages, response)
    return verdicts


_FETCHED = ("place", "conversation", "response")


def _fetch(reader: DuckDBPyConnection, event_ids: pa.ChunkedArray) -> pa.Table:
    """Texts by event, with their places among the events asked for."""
    import pyarrow as pa

    reader.register("asked", pa.table({"event_id": event_ids, "place": range(len(event_ids))}))
    return reader.execute(
        """SELECT place, conversation, response
        FROM responses INNER JOIN asked ON responses.event_id = CAST(asked.event_id AS UUID)"""
    ).to_arrow_table()


def _counted(cells: pa.Table, verdicts: NDArray[np.bool_]) -> pa.Array:
    import pyarrow as pa

    return pa.array(cells["exposures"].to_numpy() * verdicts[cells["number"].to_numpy()], pa.int64())


def _by_user(cells: pa.Table, judged: Iterable[str]) -> pa.Table:
    columns = ["exposures", "loves", *judged]
    sums = cells.group_by(["user_id", "arm"]).aggregate([(column, "sum") for column in columns])
    order = [("user_id", "ascending"), ("arm", "ascending")]
    return sums.rename_columns(["user_id", "arm", *columns]).sort_by(order)


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

# Whoever saw two arms compares with neither, whenever that was: maturity and quarantine do not matter here.
_MIXED = """
CREATE TEMP TABLE mixed AS
SELECT user_id FROM served
WHERE experiment = $name AND served_at <= CAST($moment AS TIMESTAMPTZ)
GROUP BY user_id HAVING count(DISTINCT arm) > 1
"""

_COMPARED = """
WHERE experiment = $name AND arm IN (SELECT unnest(CAST($arms AS VARCHAR[])))
    AND user_id NOT IN (SELECT user_id FROM mixed)
"""

_RAW_CELLS = f"""
SELECT user_id, arm, count(*) AS exposures, count(*) FILTER (love) AS loves
FROM {RAW_FEEDBACK} {_COMPARED} GROUP BY user_id, arm
"""

_SHOWN = f"""
CREATE TEMP TABLE shown AS
SELECT user_id, arm, event_id, love, md5_number(conversation || chr(0) || response) AS text
FROM clean_feedback_at(CAST($moment AS TIMESTAMPTZ), $hours) {_COMPARED}
"""

# Numbered in the order of their events, which is that of time: a batch of texts then lies close together on the disk.
_TEXTS = """
CREATE TEMP TABLE texts AS
SELECT text, event_id, row_number() OVER (ORDER BY event_id) - 1 AS number
FROM (SELECT text, min(event_id) AS event_id FROM shown GROUP BY text)
"""

_CELLS = """
SELECT user_id, arm, number, count(*) AS exposures, count(*) FILTER (love) AS loves
FROM shown INNER JOIN texts USING (text)
GROUP BY user_id, arm, number
"""
