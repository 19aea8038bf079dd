"""Taking an import back: what a file brought leaves the tables, as if it had never been imported.

Not an erasure: bytes leave the disk when the warehouse is compacted next, and requests for erasure that the file
brought stand, since what they took away is gone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warehouse import connection
from warehouse.adversary import online
from warehouse.rollup import sums
from warehouse.storage.transaction import WarehouseError
from warehouse.transfer.past_imports import Import, imports

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.connection import Target


@dataclass
class Undone:
    """What went with an import.

    Attributes:
        file: The name that the file had.
        rows: Rows taken out, by table, dead letters among them.
        erasures: Requests for erasure that stand.
        judged_from: The first day with a row that went and that the daily job has judged; None for none.
        experiments: Experiments in whose arms responses had been served that went.
        read_out: Those of them with a readout or an entry in the lift ledger, made while the rows were there.
        conflicting: Open dead letters of other sources that say that an id was taken: by these rows, perhaps.
        copies: Copies of other sources that were dropped; of these rows, perhaps.
        responses: Ids of responses that went, or whose reactions did.
    """

    file: str
    rows: dict[str, int] = field(default_factory=dict)
    erasures: int = 0
    judged_from: date | None = None
    experiments: list[str] = field(default_factory=list)
    read_out: list[str] = field(default_factory=list)
    conflicting: int = 0
    copies: int = 0
    responses: set[str] = field(default_factory=set)


def undo(target: Target, name: str) -> Undone:
    """Take an import back, in one transaction.

    1. Take out responses, reactions and dead letters that were read from the file, and the flags that leant on them.
    2. Ask the online rules anew about whatever these rows touched, and sum up anew whom experiments had shown them.
    3. Forget the file's position, so that it can be imported again, and leave a receipt.

    Args:
        target: The warehouse.
        name: The import's id, or its topic (`file:NAME#HASH`), as `imports` has them; or the file, where it was
            imported once.

    Raises:
        WarehouseError: No import of that name stands, or several do.
    """
    chosen = _find(target, name)
    with connection.open(target).transaction() as writer:
        done = Undone(chosen.file)
        _find_rows(writer, chosen, done)
        _tell(writer, done)
        for table in ("responses", "reactions", "dead_letters"):
            writer.execute(f"DELETE FROM {table} WHERE kafka_topic = ?", [chosen.topic])
        writer.execute(_FLAGS)
        online.flag(writer, online.LogChange("undone_responses", "undone_reactions"))
        sums.remove(writer, {name: writer.execute(query).to_arrow_table() for name, query in _EXPOSED.items()})
        place = [chosen.topic, chosen.topic_id]
        writer.execute("DELETE FROM ingest_positions WHERE topic = ? AND topic_id = ?", place)
        _leave_receipt(writer, chosen, done)
        writer.execute("DROP TABLE undone_responses; DROP TABLE undone_reactions")
    return done


def _find(target: Target, name: str) -> Import:
    standing = [each for each in imports(target) if each.undone_at is None]
    chosen = [each for each in standing if name in (each.id, each.topic)]
    chosen = chosen or [each for each in standing if Path(name).name == each.file]
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        several = ", ".join(f"{each.id} of {each.started_at:%Y-%m-%d %H:%M}" for each in chosen if each.started_at)
        raise WarehouseError(f"{name!r} was imported several times ({several}): name one by its id")
    known = ", ".join(f"{each.id} ({each.file})" for each in standing[:3])
    raise WarehouseError(
        f"no import {name!r} stands{f'; there are {known}' if known else ''}: `loveloop import list` shows all"
    )


def _find_rows(writer: DuckDBPyConnection, chosen: Import, done: Undone) -> None:
    """Make the tables `undone_responses` and `undone_reactions` of what goes."""
    for table in ("responses", "reactions"):
        writer.execute(
            f"""CREATE OR REPLACE TEMP TABLE undone_{table} AS
            SELECT * {"EXCLUDE (conversation, response, extra)" if table == "responses" else ""}
            FROM {table} WHERE kafka_topic = ?""",
            [chosen.topic],
        )
    counts = {
        name: f"SELECT count(*) FROM {name} WHERE kafka_topic = ?"
        for name in ("responses", "reactions", "dead_letters", "erasures")
    }
    found = {name: int(writer.execute(query, [chosen.topic]).fetchall()[0][0]) for name, query in counts.items()}
    done.erasures = found.pop("erasures")
    done.rows = found
    done.conflicting = _one(writer, _CONFLICTING, [chosen.topic, chosen.started_at])
    copies = "SELECT CAST(coalesce(sum(duplicates), 0) AS BIGINT) FROM ingest_positions WHERE topic <> ?"
    done.copies = _one(writer, copies, [chosen.topic])


def _tell(writer: DuckDBPyConnection, done: Undone) -> None:
    """Find what rests on the rows that go."""
    done.judged_from = _one(writer, _JUDGED)
    ids = "SELECT response_id FROM undone_responses UNION SELECT response_id FROM undone_reactions"
    done.responses = {row[0] for row in writer.execute(ids).fetchall()}
    done.experiments = [row[0] for row in writer.execute(_EXPERIMENTS).fetchall()]
    done.read_out = [row[0] for row in writer.execute(_READ_OUT).fetchall()]


def _leave_receipt(writer: DuckDBPyConnection, chosen: Import, done: Undone) -> None:
    receipt = json.dumps(
        {
            "rows": done.rows,
            "read": chosen.events,
            "duplicates": chosen.duplicates,
            "requests for erasure that stand": done.erasures,
            "experiments": done.experiments,
            "read out before": done.read_out,
        }
    )
    now = datetime.now(UTC)
    if chosen.started_at is None:  # older than the list of imports
        writer.execute(
            "INSERT INTO imports VALUES (?, ?, NULL, NULL, ?, ?)", [chosen.topic, chosen.topic_id, now, receipt]
        )
        return
    writer.execute(
        "UPDATE imports SET undone_at = ?, receipt = ? WHERE topic_id = ? AND undone_at IS NULL",
        [now, receipt, chosen.topic_id],
    )


def _one(connection: DuckDBPyConnection, query: str, parameters: list[Any] | None = None) -> Any:
    found = connection.execute(query, parameters or []).fetchone()
    return found[0] if found else None


_FLAGS = """
DELETE FROM flags WHERE source = 'ingest' AND subject = 'reaction' AND (
    event_id IN (SELECT event_id FROM undone_reactions)
    OR response_id IN (SELECT response_id FROM undone_responses)
)
"""
_JUDGED = """
SELECT min(day) FROM adversary_days WHERE day IN (
    SELECT CAST(served_at AS DATE) FROM undone_responses UNION SELECT CAST(reacted_at AS DATE) FROM undone_reactions
)
"""
_EXPOSED = {
    "responses": """SELECT CAST(event_id AS VARCHAR) AS event_id, user_id, response_id, experiment
    FROM undone_responses WHERE experiment IS NOT NULL""",
    "reactions": "SELECT user_id, reaction FROM undone_reactions",
}
_EXPERIMENTS = "SELECT DISTINCT experiment FROM undone_responses WHERE experiment IS NOT NULL ORDER BY experiment"
_READ_OUT = """
SELECT DISTINCT experiment FROM (
    SELECT experiment FROM experiment_readouts UNION ALL SELECT experiment FROM lift_ledger
) SEMI JOIN undone_responses USING (experiment) ORDER BY experiment
"""
_CONFLICTING = """
SELECT count(*) FROM dead_letters
WHERE reason = 'conflicting_copy' AND redriven_at IS NULL AND kafka_topic <> ?
    AND received_at >= coalesce(?, received_at)
"""
