"""What a batch touches, as temporary tables that the online rules read, and the flags that fall with it.

- `affected_pairs`: reactions to affected responses, each beside every response of its response_id served within `NEAR`
  of it. Rules are asked about those that are `judged`; the others are there for comparison.
- `user_moments`: loves of, and responses shown to, users with many loves in an affected day.
- `loved_texts`: what was said, beside each love of an affected user-day with several loves.
- `crowds`: who loved from an affected device or network within a day, where there are several.

An event at t says something about moments up to `SITTING` later, so it touches the day of t and that of t + SITTING.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NEAR = timedelta(minutes=30)
"""Rules about a reaction and its response see pairs whose event times lie no further apart than this."""
SITTING = timedelta(hours=3)
"""Loves of an hour are held against what was shown within this time."""
DAY = timedelta(days=1)
Window = tuple[datetime, datetime]


class LogChange(NamedTuple):
    """Events that came into the log, or left it, as two relations of the connection: the rules judge what they affect.

    Attributes:
        responses: Name of a table or view with response_id, user_id and served_at.
        reactions: Name of one with response_id, user_id, reacted_at, reaction, action, device_id and network_id.
    """

    responses: str
    reactions: str


_REACTION = "event_id, user_id, response_id, reacted_at, reaction, action, dwell_ms, session_id"
_RESPONSE = "response_id, user_id, served_at, response, conversation"
_LOVE = "event_id, user_id, response_id, reacted_at, device_id, network_id"


def build_affected(connection: DuckDBPyConnection, change: LogChange, windows: list[Window]) -> dict[str, int]:
    """Make the tables of what a change of the log affects; returns how many rows each has.

    Args:
        connection: Inside the transaction that changes the log.
        change: What came or went.
        windows: Few spans of event time that hold it.
    """
    connection.execute(
        _AFFECTED_PAIRS.format(
            change=change,
            # A response of the batch says of a reaction within NEAR that it was shown, and that one is held against
            # another NEAR later: so far from the batch verdicts may change.
            judged=among("r.reacted_at", spread(windows, 2 * NEAR)),
            # A verdict hangs on reactions within NEAR, and each of these on its responses within NEAR: all are read,
            # or a verdict would depend on the batches in which the log arrived.
            reactions=within("reactions", _REACTION, "reacted_at", spread(windows, 3 * NEAR)),
            responses=within("responses", _RESPONSE, "served_at", spread(windows, 4 * NEAR)),
        )
    )
    days = [(first - SITTING, last + NEAR) for first, last in whole_days(windows)]
    loves = within("reactions", _LOVE, "reacted_at", days, "reaction = 'love' AND action = 'added'")
    connection.execute(_DAY_LOVES.format(loves=loves))
    shown = within("responses", "user_id, served_at", "served_at", days)
    texts = within("responses", _RESPONSE, "served_at", days)
    connection.execute(_AFFECTED_DAYS.format(change=change))
    connection.execute(_AFFECTED_KEYS.format(change=change))
    found = {"affected_pairs": _count(connection, "affected_pairs")}
    for name, few, query in _PEOPLE:
        connection.execute(few)
        found[name] = 0
        if _count(connection, "few"):  # there seldom are any, and then the day's responses need not be read
            connection.execute(query.format(shown=shown, texts=texts))
            found[name] = _count(connection, name)
    return found


def clear(connection: DuckDBPyConnection, windows: list[Window], rules: Mapping[str, list[str]]) -> None:
    """Take away the flags that the rules are asked about anew.

    Args:
        connection: After `build_affected`.
        windows: As there.
        rules: Names of rules by their input.
    """
    days = whole_days(windows)
    connection.execute(
        _OUTDATED,
        {
            "first": days[0][0] - 2 * NEAR,
            "last": days[-1][1] + 2 * NEAR,
            "affected_pairs": rules["affected_pairs"],
            "affected_days": rules["user_moments"] + rules["loved_texts"],
            "affected_keys": rules["crowds"],
        },
    )


def _count(connection: DuckDBPyConnection, table: str) -> int:
    """Rows of a table."""
    found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(found[0]) if found else 0


def spread(windows: list[Window], margin: timedelta) -> list[Window]:
    """The windows with a margin around them; those that then meet are one.

    >>> [noon] = [datetime(2026, 3, 1, 12)]
    >>> [(a.hour, b.hour) for a, b in spread([(noon, noon), (noon + 2 * SITTING, noon + 2 * SITTING)], SITTING)]
    [(9, 21)]
    """
    merged: list[Window] = []
    for first, last in ((first - margin, last + margin) for first, last in windows):
        if merged and first <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return merged


def whole_days(windows: list[Window]) -> list[Window]:
    """The UTC days that events in the windows say something about, neighbours as one span (the end excluded)."""
    days = [(_midnight(first), _midnight(last + SITTING) + DAY) for first, last in windows]
    return spread(days, timedelta())


def within(table: str, columns: str, moment: str, spans: list[Window], also: str = "true") -> str:
    """A query for the rows of a table in spans of event time that do not overlap."""
    return " UNION ALL ".join(
        f"""SELECT {columns} FROM {table}
        WHERE {moment} >= TIMESTAMPTZ '{a.isoformat()}' AND {moment} <= TIMESTAMPTZ '{b.isoformat()}' AND {also}"""
        for a, b in spans
    )


def among(moment: str, spans: list[Window]) -> str:
    """A condition: the moment lies in one of the spans of event time."""
    return " OR ".join(
        f"{moment} BETWEEN TIMESTAMPTZ '{a.isoformat()}' AND TIMESTAMPTZ '{b.isoformat()}'" for a, b in spans
    )


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


_AFFECTED_PAIRS = f"""
CREATE OR REPLACE TEMP TABLE affected_pairs AS
WITH nearby AS ({{reactions}}),
affected AS (
    SELECT response_id FROM {{change.reactions}}
    UNION
    SELECT response_id FROM {{change.responses}} SEMI JOIN nearby USING (response_id)
)
SELECT
    r.event_id, r.user_id, r.response_id, r.reacted_at, r.reaction, r.action, r.dwell_ms, r.session_id,
    s.user_id AS shown_to, s.served_at, s.response, s.conversation, {{judged}} AS judged
FROM nearby AS r
SEMI JOIN affected ON affected.response_id = r.response_id
JOIN ({{responses}}) AS s
    ON s.response_id = r.response_id
    AND abs(epoch_us(s.served_at) - epoch_us(r.reacted_at)) <= {int(NEAR.total_seconds()) * 1_000_000}
"""

_DAY = "epoch_us({moment}) // 86_400_000_000"

_DAY_LOVES = f"""
CREATE OR REPLACE TEMP TABLE day_loves AS
SELECT *, {_DAY.format(moment="reacted_at")} AS day FROM ({{loves}})
"""

_AFFECTED_DAYS = f"""
CREATE OR REPLACE TEMP TABLE affected_days AS
WITH moments AS (
    SELECT user_id, reacted_at AS moment FROM {{change.reactions}} WHERE reaction = 'love' AND action = 'added'
    UNION ALL
    SELECT user_id, served_at FROM {{change.responses}} SEMI JOIN day_loves USING (user_id)
)
SELECT DISTINCT
    user_id,
    unnest([{_DAY.format(moment="moment")}, {_DAY.format(moment=f"moment + INTERVAL {SITTING.seconds} SECOND")}]) AS day
FROM moments
"""

_AFFECTED_KEYS = f"""
CREATE OR REPLACE TEMP TABLE affected_keys AS
WITH loves AS (
    SELECT device_id, network_id, day FROM day_loves SEMI JOIN affected_days USING (user_id, day)
    UNION ALL
    SELECT device_id, network_id, {_DAY.format(moment="reacted_at")} FROM {{change.reactions}}
    WHERE reaction = 'love' AND action = 'added'
)
SELECT DISTINCT 'device' AS kind, device_id AS key, day FROM loves WHERE device_id IS NOT NULL
UNION ALL
SELECT DISTINCT 'network', network_id, day FROM loves WHERE network_id IS NOT NULL
"""

_BUSY = """
CREATE OR REPLACE TEMP TABLE few AS
SELECT affected_days.user_id, affected_days.day
FROM affected_days
INNER JOIN day_loves ON day_loves.user_id = affected_days.user_id
WHERE epoch_us(reacted_at) // 3_600_000_000 BETWEEN affected_days.day * 24 - 1 AND affected_days.day * 24 + 23
GROUP BY ALL
HAVING count(*) >= 10
"""

_USER_MOMENTS = """
CREATE OR REPLACE TEMP TABLE user_moments AS
WITH moments AS (
    SELECT user_id, reacted_at AS moment, true AS loved FROM day_loves SEMI JOIN few USING (user_id)
    UNION ALL
    SELECT user_id, served_at, false FROM ({shown}) SEMI JOIN few USING (user_id)
)
SELECT few.user_id, few.day, moment, loved, epoch_us(moment) >= few.day * 86_400_000_000 AS today
FROM few
INNER JOIN moments ON moments.user_id = few.user_id
WHERE epoch_us(moment) // 3_600_000_000 BETWEEN few.day * 24 - 3 AND few.day * 24 + 23
"""

_FOND = """
CREATE OR REPLACE TEMP TABLE few AS
SELECT user_id, day FROM day_loves SEMI JOIN affected_days USING (user_id, day)
GROUP BY user_id, day
HAVING count(DISTINCT response_id) >= 3
"""

_LOVED_TEXTS = f"""
CREATE OR REPLACE TEMP TABLE loved_texts AS
WITH loves AS (FROM day_loves SEMI JOIN few USING (user_id, day))
SELECT
    loves.user_id, loves.day, loves.event_id, loves.response_id, loves.reacted_at, texts.response,
    json_extract_string(texts.conversation, '$[#-1].content') AS prompt
FROM loves
INNER JOIN ({{texts}}) AS texts
    ON texts.response_id = loves.response_id
    AND texts.user_id = loves.user_id
    AND epoch_us(loves.reacted_at) - epoch_us(texts.served_at) BETWEEN 0 AND {int(NEAR.total_seconds()) * 1_000_000}
"""

_TOGETHER = """
CREATE OR REPLACE TEMP TABLE few AS
WITH places AS (
    SELECT user_id, day, reacted_at, 'device' AS kind, device_id AS key FROM day_loves
    UNION ALL
    SELECT user_id, day, reacted_at, 'network', network_id FROM day_loves
)
SELECT kind, key, day, user_id, count(*) AS loves, min(reacted_at) AS first_at
FROM places
SEMI JOIN affected_keys USING (kind, key, day)
GROUP BY kind, key, day, user_id
QUALIFY count(*) OVER (PARTITION BY kind, key, day) >= 5
"""

_CROWDS = """
CREATE OR REPLACE TEMP TABLE crowds AS
WITH seen AS (
    SELECT user_id, epoch_us(served_at) // 86_400_000_000 AS day, count(*) AS shown
    FROM ({shown}) SEMI JOIN few USING (user_id)
    GROUP BY ALL
)
SELECT few.*, coalesce(seen.shown, 0) AS shown
FROM few
LEFT JOIN seen ON seen.user_id = few.user_id AND seen.day = few.day
"""

_PEOPLE = (
    ("user_moments", _BUSY, _USER_MOMENTS),
    ("loved_texts", _FOND, _LOVED_TEXTS),
    ("crowds", _TOGETHER, _CROWDS),
)
"""Input of rules about people, the few whom it is about, and what is known of them."""

_OUTDATED = """
DELETE FROM flags
WHERE source = 'ingest' AND flagged_at BETWEEN $first AND $last AND (
    (rule IN $affected_pairs AND event_id IN (SELECT event_id FROM affected_pairs WHERE judged))
    OR (rule IN $affected_days
        AND (user_id, epoch_us(flagged_at) // 86_400_000_000) IN (SELECT (user_id, day) FROM affected_days))
    OR (rule IN $affected_keys
        AND (key, epoch_us(flagged_at) // 86_400_000_000) IN (SELECT (key, day) FROM affected_keys))
)
"""
