"""Counting the exposures of some users anew from the log: for the rollup by user, and for readings of a moment.

The users stand in the temporary table `recounted`. No text is read: which responses close is in `experiment_closings`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    connection.execute(_EXPOSURES)
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
    return f"""
    WITH days AS (
        SELECT experiment, arm, user_id,
            min(served_at) AS first_at,
            max(served_at) AS last_at,
            sum(exposures) AS exposures,
            sum(closings) AS closings,
            sum(loves) AS loves,
            min(first_love_at) AS first_love_at
        FROM ({parts})
        GROUP BY experiment, arm, user_id, day_number(served_at)
    )
    SELECT experiment, arm, user_id,
        min(first_at) AS first_exposure_at,
        max(last_at) AS last_exposure_at,
        min(first_at, 2)[2] AS returned_at,
        CAST(sum(exposures) AS BIGINT) AS exposures,
        CAST(sum(closings) AS BIGINT) AS closings,
        CAST(sum(loves) AS BIGINT) AS loves,
        min(first_love_at) AS first_love_at
    FROM days GROUP BY experiment, arm, user_id
    """


def loved(exposures: str, reactions: str) -> str:
    """The query for responses with two columns more: love, and first_love_at; both NULL where nobody loved.

    A change that is told again under a fresh event_id (same session, same dwell_ms) happened when it was first told; a
    love stands when its latest change added it and no dislike was added after that: as in `clean_feedback_at`.

    Args:
        exposures: A relation with response_id and user_id, one row a response.
        reactions: One like `recounted_reactions`.
    """
    return f"""
    WITH moved AS (
        SELECT response_id, user_id, reaction, action, event_id,
            CASE WHEN dwell_ms IS NULL THEN reacted_at ELSE min(reacted_at) OVER (
                PARTITION BY response_id, user_id, reaction, action, session_id, dwell_ms
            ) END AS reacted_at
        FROM {reactions}
    ),
    by_side AS (
        SELECT response_id, user_id,
            max({{'at': reacted_at, 'id': event_id, 'action': action}}) FILTER (reaction = 'love') AS last_love,
            max(row(reacted_at, event_id)) FILTER (reaction = 'dislike' AND action = 'added') AS last_against,
            min(reacted_at) FILTER (is_love(reaction, action)) AS first_love_at
        FROM moved GROUP BY response_id, user_id
    ),
    states AS (
        SELECT response_id, user_id, first_love_at,
            last_love.action = 'added'
                AND NOT coalesce(last_against > row(last_love.at, last_love.id), false) AS love
        FROM by_side WHERE last_love IS NOT NULL
    )
    SELECT shown.*, love, first_love_at FROM {exposures} AS shown LEFT JOIN states USING (response_id, user_id)
    """


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

# Hashes first: who was told twice is sought among numbers, and texts are compared for those few alone.
_EXPOSURES = """
CREATE OR REPLACE TEMP TABLE recounted_exposures AS
WITH told_twice AS (
    SELECT hash(response_id) AS response_hash FROM responses
    WHERE experiment IS NOT NULL AND hash(response_id) IN (SELECT hash(response_id) FROM recounted_tellings)
    GROUP BY response_hash HAVING count(*) > 1
),
first_tellings AS (
    SELECT response_id, min(row(served_at, event_id)) AS first_telling FROM responses
    WHERE experiment IS NOT NULL AND hash(response_id) IN (FROM told_twice) GROUP BY response_id
)
SELECT tellings.*, closings.event_id IS NOT NULL AS closing
FROM recounted_tellings AS tellings
LEFT JOIN first_tellings USING (response_id)
LEFT JOIN experiment_closings AS closings ON closings.event_id = tellings.event_id
WHERE first_telling IS NULL OR first_telling = row(tellings.served_at, tellings.event_id)
"""

_REACTIONS = f"""
CREATE OR REPLACE TEMP TABLE recounted_reactions AS
SELECT response_id, user_id, reaction, action, event_id, reacted_at, session_id, dwell_ms
FROM reactions SEMI JOIN recounted_exposures USING (response_id, user_id)
WHERE reaction IN {STANCES}
"""
