"""The online adversary rules: one SQL file each, run inside the ingest transaction over what the batch touched.

A rule's flags are a function of the log alone. For whatever a batch touches (an hour of a user's loves, the reactions
of a response) the old flags are taken away and the rule is asked anew, so that they come out the same in whatever order
and batches the log arrived.

The cost of a batch does not grow with history: event times bound every scan. A rule about a reaction and its response
sees pairs within `NEAR` of each other; what happens later is for rules that run from time to time, and a love by a user
to whom a response was not shown never counts in the clean feedback, however late it comes.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from warehouse.ingest.ranges import cover

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FOLDER = Path(__file__).parent / "rules"
NEAR = timedelta(minutes=30)
"""Rules about a reaction and its response see pairs whose event times lie no further apart than this."""
_HOUR = timedelta(hours=1)
_WINDOWS = 12
_REACTION = "event_id, user_id, response_id, reacted_at, action, dwell_ms"
_RESPONSE = "response_id, user_id, served_at, response"
Window = tuple[datetime, datetime]


class Rule(NamedTuple):
    """One file of `rules/`: its name, its header (`-- subject:`, `-- version:`) and its query."""

    name: str
    subject: str
    version: int
    sql: str


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, by name."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.sql")))


def filter_version() -> str:
    """Names and versions of the rules that decide what is quarantined, for manifests and cards.

    >>> filter_version()
    'faster_than_reading-2+not_shown_to_user-2+rate_per_user-1'
    """
    return "+".join(f"{rule.name}-{rule.version}" for rule in rules())


def flag(connection: DuckDBPyConnection) -> None:
    """Bring the flags up to date with the tables `new_responses` and `new_reactions`, which are in the log already.

    1. Take down what the batch touched: users' hours of loves, and pairs of reaction and response.
    2. Take away the flags of exactly those.
    3. Ask every rule about them and store its answers.
    """
    windows = _windows(connection)
    if not windows:
        return
    connection.execute(_TOUCHED_HOURS)
    connection.execute(
        _TOUCHED_PAIRS.format(
            reactions=_within("reactions", _REACTION, "reacted_at", windows, NEAR),
            # a touched reaction may be NEAR away from the batch, and its response once more
            responses=_within("responses", _RESPONSE, "served_at", windows, 2 * NEAR),
        )
    )
    hours = _within("reactions", "*", "reacted_at", windows, 2 * _HOUR)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW reactions_around AS {hours}")
    connection.execute(_OUTDATED, [windows[0][0] - 2 * _HOUR, windows[-1][1] + 2 * _HOUR])
    for rule in rules():
        connection.execute(
            f"""INSERT INTO flags BY NAME
            SELECT 'ingest' AS source, '{rule.name}' AS rule, {rule.version} AS rule_version,
                '{rule.subject}' AS subject, found.*
            FROM ({rule.sql}) AS found"""
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
                f"""CREATE OR REPLACE TEMP VIEW new_{table} AS
                SELECT * FROM {table} WHERE date_trunc('month', {moment}) = TIMESTAMPTZ '{month.isoformat()}'"""
            )
        flag(connection)
    connection.execute("DROP VIEW IF EXISTS new_responses; DROP VIEW IF EXISTS new_reactions")


def outdated(connection: DuckDBPyConnection) -> bool:
    """Whether flags are stored of which the rule has another version by now, or is gone."""
    stored = connection.execute("SELECT DISTINCT rule, rule_version FROM flags WHERE source = 'ingest'").fetchall()
    return not set(stored) <= {(rule.name, rule.version) for rule in rules()}


def _windows(connection: DuckDBPyConnection) -> list[Window]:
    """Few spans of event time that hold the batch."""
    moments = "SELECT served_at AS moment FROM new_responses UNION ALL SELECT reacted_at FROM new_reactions"
    found = connection.execute(
        f"""SELECT min(epoch_us(moment)), max(epoch_us(moment)) FROM ({moments})
        GROUP BY epoch_us(moment) // 3_600_000_000 ORDER BY 1"""
    ).fetchall()
    starts = np.array([first for first, _ in found], np.int64)
    hours = cover(starts, apart=2 * 3_600_000_000, most=_WINDOWS)
    return [(_moment(found[first][0]), _moment(found[last][1])) for first, last in hours]


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us)


def _within(table: str, columns: str, moment: str, windows: list[Window], margin: timedelta) -> str:
    """The rows of a table in the windows and a margin around them; windows that then meet are one."""
    merged: list[Window] = []
    for first, last in ((first - margin, last + margin) for first, last in windows):
        if merged and first <= merged[-1][1]:
            merged[-1] = merged[-1][0], last
        else:
            merged.append((first, last))
    return " UNION ALL ".join(
        f"""SELECT {columns} FROM {table}
        WHERE {moment} BETWEEN TIMESTAMPTZ '{a.isoformat()}' AND TIMESTAMPTZ '{b.isoformat()}'"""
        for a, b in merged
    )


_TOUCHED_HOURS = """
CREATE OR REPLACE TEMP TABLE touched_hours AS
SELECT DISTINCT user_id, date_trunc('hour', unnest([reacted_at, reacted_at + INTERVAL 1 HOUR])) AS hour
FROM new_reactions
WHERE reaction = 'love' AND action = 'added'
"""

_OUTDATED = """
DELETE FROM flags
WHERE source = 'ingest' AND flagged_at BETWEEN $1 AND $2 AND (
    (subject = 'user' AND (user_id, date_trunc('hour', flagged_at)) IN (SELECT (user_id, hour) FROM touched_hours))
    OR (subject = 'reaction' AND event_id IN (SELECT event_id FROM touched_pairs))
)
"""

_TOUCHED_PAIRS = f"""
CREATE OR REPLACE TEMP TABLE touched_pairs AS
WITH nearby AS ({{reactions}}),
touched AS (
    SELECT response_id FROM new_reactions
    UNION
    SELECT response_id FROM new_responses SEMI JOIN nearby USING (response_id)
)
SELECT
    r.event_id, r.user_id, r.response_id, r.reacted_at, r.action, r.dwell_ms,
    s.user_id AS shown_to, s.served_at, s.response
FROM nearby AS r
SEMI JOIN touched ON touched.response_id = r.response_id
JOIN ({{responses}}) AS s
    ON s.response_id = r.response_id
    AND abs(epoch_us(s.served_at) - epoch_us(r.reacted_at)) <= {int(NEAR.total_seconds()) * 1_000_000}
"""


def _read(path: Path) -> Rule:
    text = path.read_text()
    header = dict(re.findall(r"^-- (subject|version): (\w+)$", text, re.MULTILINE))
    return Rule(path.stem, header["subject"], int(header["version"]), text)
