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
from typing import TYPE_CHECKING, Any, NamedTuple

from warehouse.storage.sql_files import query

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
        _query(
            "affected_pairs",
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
    loves = within("reactions", _LOVE, "reacted_at", days, "is_love(reaction, action)")
    connection.execute(_query("day_loves", loves=loves))
    shown = within("responses", "user_id, served_at", "served_at", days)
    texts = within("responses", _RESPONSE, "served_at", days)
    connection.execute(_query("affected_days", change=change))
    connection.execute(_query("affected_keys", change=change))
    found = {"affected_pairs": _count(connection, "affected_pairs")}
    for name, few in _PEOPLE:
        connection.execute(_query(few))
        found[name] = 0
        if _count(connection, "few"):  # mostly there are none, and then the day's responses need not be read
            connection.execute(_query(name, shown=shown, texts=texts))
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
        _query("outdated_flags"),
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


_PEOPLE = (("user_moments", "busy_users"), ("loved_texts", "fond_users"), ("crowds", "users_together"))
"""Input of rules about people, and the query for the few users whom it is about."""


def _query(name: str, **filled: Any) -> str:
    """A query of the folder `sql`, with what it asks to be filled in."""
    near, sitting = NEAR // timedelta(microseconds=1), SITTING // timedelta(seconds=1)
    return query(__file__, name, near_us=near, sitting_s=sitting, **filled)
