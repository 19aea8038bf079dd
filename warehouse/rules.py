"""The online adversary rules: one SQL file each, run inside the ingest transaction over what the batch touched.

A rule's flags are a function of the log alone. For whatever a batch touches (an hour of a user's loves, the reactions
of a response) the old flags are taken away and the rule is asked anew, so that they come out the same in whatever order
and batches the log arrived. Event times bound every scan: a reaction and its response are looked for within `NEAR`,
which prunes history.
"""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FOLDER = Path(__file__).parent / "adversary"
NEAR = timedelta(days=30)
"""Rules about a reaction and its response see pairs whose event times lie no further apart than this."""
_HOUR = timedelta(hours=1)


class Rule(NamedTuple):
    """One file of `adversary/`: its name, its header (`-- subject:`, `-- version:`) and its query."""

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
    'faster_than_reading-1+not_shown_to_user-1+rate_per_user-1'
    """
    return "+".join(f"{rule.name}-{rule.version}" for rule in rules())


def flag(connection: DuckDBPyConnection) -> None:
    """Bring the flags up to date with the tables `new_responses` and `new_reactions`, which are in the log already.

    1. Take down what the batch touched: users' hours of loves, and pairs of reaction and response.
    2. Take away the flags of exactly those.
    3. Ask every rule about them and store its answers.
    """
    moments = "SELECT served_at AS moment FROM new_responses UNION ALL SELECT reacted_at FROM new_reactions"
    span = connection.execute(f"SELECT min(moment), max(moment) FROM ({moments})").fetchone()
    if span is None or span[0] is None:
        return
    connection.execute(_TOUCHED_HOURS)
    connection.execute(
        _TOUCHED_PAIRS,
        {
            "earliest": span[0] - NEAR,
            "latest": span[1] + NEAR,
            "first_served": span[0] - 2 * NEAR,  # a touched reaction may be NEAR away from us, its response once more
            "last_served": span[1] + 2 * NEAR,
        },
    )
    connection.execute(_OUTDATED)
    for rule in rules():
        window = {"earliest": span[0] - 2 * _HOUR, "latest": span[1] + 2 * _HOUR} if rule.subject == "user" else {}
        connection.execute(
            f"""INSERT INTO flags
            SELECT 'ingest', '{rule.name}', {rule.version}, '{rule.subject}', user_id, event_id, response_id, score,
                evidence, flagged_at
            FROM ({rule.sql})""",
            window,
        )


_TOUCHED_HOURS = """
CREATE OR REPLACE TEMP TABLE touched_hours AS
SELECT DISTINCT user_id, date_trunc('hour', unnest([reacted_at, reacted_at + INTERVAL 1 HOUR])) AS hour
FROM new_reactions
WHERE reaction = 'love' AND action = 'added'
"""

_OUTDATED = """
DELETE FROM flags
WHERE source = 'ingest' AND (
    (subject = 'user' AND (user_id, date_trunc('hour', flagged_at)) IN (SELECT (user_id, hour) FROM touched_hours))
    OR (subject = 'reaction' AND event_id IN (SELECT event_id FROM touched_pairs))
)
"""

_TOUCHED_PAIRS = f"""
CREATE OR REPLACE TEMP TABLE touched_pairs AS
WITH nearby AS (SELECT * FROM reactions WHERE reacted_at BETWEEN $earliest AND $latest),
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
JOIN (
    SELECT response_id, user_id, served_at, response FROM responses
    WHERE served_at BETWEEN $first_served AND $last_served
) AS s
    ON s.response_id = r.response_id
    AND abs(epoch_us(s.served_at) - epoch_us(r.reacted_at)) <= {int(NEAR.total_seconds()) * 1_000_000}
"""


def _read(path: Path) -> Rule:
    text = path.read_text()
    header = dict(re.findall(r"^-- (subject|version): (\w+)$", text, re.MULTILINE))
    return Rule(path.stem, header["subject"], int(header["version"]), text)
