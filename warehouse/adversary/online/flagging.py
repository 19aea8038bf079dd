"""The online adversary rules: one SQL file each, run inside the ingest transaction over what the batch touched.

A rule's flags are a function of the log alone. For whatever a batch touches (a day of a user's loves, a day of a
device's or network's, the reactions of a response) the old flags are taken away and the rule is asked anew, so that
they come out the same in whatever order and batches the log arrived.

The cost of a batch does not grow with history: event times bound every scan. A rule about a reaction and its response
sees pairs within `NEAR` of each other, and one about people sees a UTC day and what lies just before it; what takes
longer is for the daily job. A love by a user to whom a response was not shown never counts in the clean feedback,
however late it comes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from warehouse.adversary.online import affected
from warehouse.adversary.online.affected import LogChange, Window
from warehouse.storage.ranges import cover

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FOLDER = Path(__file__).parent / "rules"
_WINDOWS = 12
_JUDGED = {"affected_pairs": "WHERE event_id IN (SELECT event_id FROM affected_pairs WHERE judged)"}
"""Of an input that also holds rows for comparison, whom a rule may flag."""
_EVIDENCE = """
CREATE OR REPLACE TEMP MACRO evidence_of_excess(k, n, rate) AS
    k * ln(k / (rate * n)) + (n - k) * ln(greatest(n - k, 1) / ((1 - rate) * n))
"""
"""n KL(k/n || rate), for k above rate n: minus the logarithm of what bounds the chance of k of n or more (Chernoff)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One file of `rules/`: its name, its header (`-- subject:`, `-- input:`, `-- version:`) and its query.

    The query gives user_id, score, evidence (JSON) and flagged_at; for a reaction event_id and response_id, too, and
    for a user optionally `since` and `key`. Its input is a table of `affected`; where that is empty it is not run.
    """

    name: str
    subject: str
    input: str
    version: int
    sql: str


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, by name."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.sql")))


def flag(connection: DuckDBPyConnection, change: LogChange) -> None:
    """Bring the flags up to date with a change that the log holds already.

    1. Find what it affects: days of users' loves, of devices and networks, pairs of reaction and response.
    2. Take away the flags of exactly those.
    3. Ask every rule about them and store its answers.
    """
    windows = _windows(connection, change)
    if not windows:
        return
    rows = affected.build_affected(connection, change, windows)
    affected.clear(connection, windows, {name: [rule.name for rule in rules() if rule.input == name] for name in rows})
    connection.execute(_EVIDENCE)
    for rule in rules():
        if rows[rule.input]:
            connection.execute(
                f"""INSERT INTO flags BY NAME
                SELECT 'ingest' AS source, '{rule.name}' AS rule, {rule.version} AS rule_version,
                    '{rule.subject}' AS subject, found.*
                FROM ({rule.sql}) AS found {_JUDGED.get(rule.input, "")}"""
            )


def flag_all(connection: DuckDBPyConnection) -> None:
    """Judge the whole log anew, a month of event time after the other: after an upgrade that changed rows or rules."""
    connection.execute("DELETE FROM flags WHERE source = 'ingest'")
    months = connection.execute(
        """SELECT DISTINCT date_trunc('month', moment) AS month
        FROM (SELECT served_at AS moment FROM responses UNION ALL SELECT reacted_at FROM reactions) ORDER BY month"""
    ).fetchall()
    for (month,) in months:
        for table, moment in (("responses", "served_at"), ("reactions", "reacted_at")):
            connection.execute(
                f"""CREATE OR REPLACE TEMP VIEW month_{table} AS
                SELECT * FROM {table} WHERE date_trunc('month', {moment}) = TIMESTAMPTZ '{month.isoformat()}'"""
            )
        flag(connection, LogChange("month_responses", "month_reactions"))
    connection.execute("DROP VIEW IF EXISTS month_responses; DROP VIEW IF EXISTS month_reactions")


def outdated(connection: DuckDBPyConnection) -> bool:
    """Whether flags are stored of which the rule has another version by now, or is gone."""
    stored = connection.execute("SELECT DISTINCT rule, rule_version FROM flags WHERE source = 'ingest'").fetchall()
    return not set(stored) <= {(rule.name, rule.version) for rule in rules()}


def _windows(connection: DuckDBPyConnection, change: LogChange) -> list[Window]:
    """Few spans of event time that hold the change."""
    moments = f"SELECT served_at AS moment FROM {change.responses} UNION ALL SELECT reacted_at FROM {change.reactions}"
    found = connection.execute(
        f"""SELECT min(epoch_us(moment)), max(epoch_us(moment)) FROM ({moments})
        GROUP BY epoch_us(moment) // 3_600_000_000 ORDER BY 1"""
    ).fetchall()
    starts = np.array([first for first, _ in found], np.int64)
    hours = cover(starts, apart=2 * 3_600_000_000, most=_WINDOWS)
    return [(_moment(found[first][0]), _moment(found[last][1])) for first, last in hours]


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us)


def _read(path: Path) -> Rule:
    text = path.read_text()
    header = dict(re.findall(r"^-- (subject|input|version): (\w+)$", text, re.MULTILINE))
    return Rule(path.stem, header["subject"], header["input"], int(header["version"]), text)
