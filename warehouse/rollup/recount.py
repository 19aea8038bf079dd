"""Counting the exposures of some users anew from the log: for the rollup by user, and for readings of a moment.

The users stand in the temporary table `recounted`. No text is read: which responses close is in `experiment_closings`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.storage.sql_files import query

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

STANCES = ("love", "dislike")
"""Reactions that decide whether a response is loved."""


def find_exposures(connection: DuckDBPyConnection, experiment: str | None = None) -> None:
    """Make the tables `recounted_exposures` and `recounted_reactions`.

    1. Take what the users were told under an experiment.
    2. Where an id was told more than once, under whatever experiment and to whomever, only the first telling is an
       exposure.
    3. Take the users' own loves and dislikes of them.

    Args:
        connection: With the table `recounted`.
        experiment: Only this one; all if left out.
    """
    connection.execute(_TELLINGS, {"experiment": experiment})
    connection.execute(query(__file__, "exposures"))
    connection.execute(_REACTIONS)


def sums(exposures: str, reactions: str) -> str:
    """The query for one row an experiment, arm and user: these three, then what `experiment_users` counts.

    Args:
        exposures: A relation like `recounted_exposures`.
        reactions: One like `recounted_reactions`: those that are to count.
    """
    return by_user(
        f"""SELECT experiment, arm, user_id, served_at, 1 AS exposures, CAST(closing AS INTEGER) AS closings,
            CAST(coalesce(love, false) AS INTEGER) AS loves, first_love_at
        FROM ({loved(exposures, reactions)})"""
    )


def by_user(parts: str) -> str:
    """The query that sums up parts of users' sums: first by UTC day, so that the second day is found.

    Args:
        parts: A query for experiment, arm, user_id, served_at, exposures, closings, loves and first_love_at.
    """
    return query(__file__, "by_user", parts=parts)


def loved(exposures: str, reactions: str) -> str:
    """The query for responses with two columns more: love, and first_love_at; both NULL where nobody loved.

    A change that is told again under a fresh event_id (same session, same dwell_ms) happened when it was first told; a
    love stands when its latest change added it and no dislike was added after that: as in `clean_feedback_at`.

    Args:
        exposures: A relation with response_id and user_id, one row a response.
        reactions: One like `recounted_reactions`.
    """
    return query(__file__, "loved", exposures=exposures, reactions=reactions)


def clear(connection: DuckDBPyConnection) -> None:
    """Drop the tables: they name users."""
    for table in ("recounted_tellings", "recounted_exposures", "recounted_reactions", "recounted"):
        connection.execute(f"DROP TABLE IF EXISTS {table}")


_TELLINGS = """
CREATE OR REPLACE TEMP TABLE recounted_tellings AS
SELECT event_id, response_id, user_id, served_at, experiment, arm
FROM responses SEMI JOIN recounted USING (user_id)
WHERE experiment IS NOT NULL AND ($experiment IS NULL OR experiment = $experiment)
"""


_REACTIONS = f"""
CREATE OR REPLACE TEMP TABLE recounted_reactions AS
SELECT response_id, user_id, reaction, action, event_id, reacted_at, session_id, dwell_ms
FROM reactions SEMI JOIN recounted_exposures USING (response_id, user_id)
WHERE reaction IN {STANCES}
"""
