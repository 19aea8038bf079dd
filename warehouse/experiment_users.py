"""What each user saw and loved in an experiment: from the sums of the rollup, and no text is read.

The rollup holds for all whom nothing has happened to lately and whom nobody suspects. The others are counted from the
log: who saw something too young to count, whom the rollup is behind with, who reacted after the moment that is asked
about, and who is in quarantine or gave a reaction that is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from warehouse import connection, maturity
from warehouse.ingest import recount, rollup

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from warehouse.connection import Target

LONGEST_HISTORY = 3_650
"""Days of a user's past that can be asked for: ten years."""


@dataclass(frozen=True, slots=True)
class UserSums:
    """An experiment by user.

    Attributes:
        users: One row a user, sorted by user_id: user_id, arm; first_exposure, first_love (UTC; null for no love);
            exposures, loves, closings; returned (1: exposed again on a later UTC day than the first, else 0); with a
            history also past_exposures and past_loves. What is in quarantine is left out.
        raw: The same without the history, with nobody left out but for the following.
        in_several_arms: Users who saw more than one arm of the experiment; they are in neither table.
        quarantined: Users of `raw` of whom exposures are left out in `users`, or who are not there at all.
    """

    users: pa.Table
    raw: pa.Table
    in_several_arms: int
    quarantined: int


def experiment_users(
    target: Target,
    name: str,
    *,
    arms: Iterable[str],
    as_of: datetime | None = None,
    maturity_hours: float = 24.0,
    history_days: int = 0,
) -> UserSums:
    """What each user saw and loved in two or more arms of an experiment, from one state of the log.

    An exposure is the first telling of a response_id under an experiment. A love counts for the user who was shown the
    response, and stands where `clean_feedback_at` says so; `first_love` is the earliest love that the user added to one
    of their exposures, whether it was taken back or not. The past is what the user was shown, under whatever experiment
    or none, in the days before their first exposure, and how many of these responses they loved before it.

    The cost is that of the rollup's rows and of what the log holds of those users who must be counted from it. A moment
    far in the past makes them all.

    Args:
        target: The warehouse.
        name: The experiment.
        arms: Arms to read; other arms only tell who was in several.
        as_of: Judge states and maturity at this moment; now if left out.
        maturity_hours: Younger responses are not counted yet.
        history_days: Days before a user's first exposure of which the past is counted; 0 for none.

    Raises:
        ValueError: A maturity or a history that is none.
        WarehouseError: As `Warehouse.read`.
    """
    moment = as_of or datetime.now(UTC)
    values = {"name": name, "moment": moment, "hours": maturity.age(maturity_hours)}
    if not 0 <= history_days <= LONGEST_HISTORY:
        rule = f"must be from 0 (no history) to {LONGEST_HISTORY:,} days: 28 is four weeks"
        raise ValueError(f"history_days == {history_days!r}, {rule}")
    with connection.open(target).read() as reader:
        find(reader, name, moment, values["hours"])
        reader.execute(_MIXED, {"name": name})
        (mixed,) = reader.execute("SELECT count(*) FROM mixed").fetchall()[0]
        asked = {"name": name, "arms": list(arms)}
        raw = reader.execute(_rows("raw_recounted", _ROW), asked).to_arrow_table()
        reader.execute(f"CREATE TEMP TABLE counted AS {_rows('clean_recounted', _ROW)}", asked)
        users = reader.execute(_PAST if history_days else _COUNTED, _days(history_days)).to_arrow_table()
        (whole,) = reader.execute(_WHOLE, asked).fetchall()[0]
    return UserSums(users, raw, mixed, raw.num_rows - whole)


def find(reader: DuckDBPyConnection, name: str, moment: datetime, hours: float) -> None:
    """Count from the log whom the rollup cannot speak for.

    Makes the temporary tables `recounted` (users), `recounted_exposures` and `recounted_reactions` (theirs, up to the
    moment), and `raw_recounted` and `clean_recounted` (their sums of what is mature, with and without quarantine).
    """
    reader.execute(_DOUBTFUL, {"name": name, "moment": moment, "hours": hours})
    recount.find_exposures(reader, name)
    reader.execute(_UP_TO, {"moment": moment})
    reader.execute(_UP_TO_REACTIONS, {"moment": moment})
    mature = {"moment": moment, "hours": hours}
    raw = recount.sums(f"({_RAW_EXPOSURES})", "recounted_reactions")
    reader.execute(f"CREATE TEMP TABLE raw_recounted AS {raw}", mature)
    clean = recount.sums(f"({_CLEAN_EXPOSURES})", f"({_CLEAN_REACTIONS})")
    reader.execute(f"CREATE TEMP TABLE clean_recounted AS {clean}", mature)


def _days(days: int) -> dict[str, int]:
    return {"days": days} if days else {}


_MATURE = "CAST($moment AS TIMESTAMPTZ) - to_microseconds(CAST($hours * 3600000000 AS BIGINT))"
_DOUBTFUL = f"""
CREATE TEMP TABLE recounted AS
SELECT user_id FROM responses WHERE experiment = $name AND served_at > {_MATURE}
UNION SELECT user_id FROM reactions WHERE reacted_at > CAST($moment AS TIMESTAMPTZ)
UNION SELECT user_id FROM quarantined_users
UNION SELECT user_id FROM quarantined_reactions
UNION {rollup.behind()}
"""

_UP_TO = "DELETE FROM recounted_exposures WHERE served_at > CAST($moment AS TIMESTAMPTZ)"
_UP_TO_REACTIONS = "DELETE FROM recounted_reactions WHERE reacted_at > CAST($moment AS TIMESTAMPTZ)"
_RAW_EXPOSURES = f"FROM recounted_exposures WHERE served_at <= {_MATURE}"
_CLEAN_EXPOSURES = f"""
SELECT exposures.* FROM recounted_exposures AS exposures LEFT JOIN quarantined_users AS aside USING (user_id)
WHERE served_at <= {_MATURE} AND (aside.user_id IS NULL OR served_at < aside.since)
"""
_CLEAN_REACTIONS = """
SELECT reactions.* FROM recounted_reactions AS reactions LEFT JOIN quarantined_users AS aside USING (user_id)
ANTI JOIN quarantined_reactions AS single ON single.event_id = reactions.event_id
WHERE aside.user_id IS NULL OR reacted_at < aside.since
"""

# The rollup has one row a user and arm: who was in several is sought among numbers, and texts are compared for those
# few alone. Maturity and quarantine do not matter here: whoever saw two arms compares with neither.
_MIXED = """
CREATE TEMP TABLE mixed AS
WITH seen AS (
    SELECT user_id, arm FROM experiment_users ANTI JOIN recounted USING (user_id) WHERE experiment = $name
    UNION ALL
    SELECT DISTINCT user_id, arm FROM recounted_exposures
),
suspects AS (SELECT hash(user_id) AS user_hash FROM seen GROUP BY user_hash HAVING count(*) > 1)
SELECT user_id FROM seen WHERE hash(user_id) IN (FROM suspects) GROUP BY user_id HAVING count(DISTINCT arm) > 1
"""

_ROW = """user_id, arm, first_exposure_at AS first_exposure, first_love_at AS first_love, exposures, loves, closings,
    CAST(epoch_us(last_exposure_at) // 86_400_000_000 > epoch_us(first_exposure_at) // 86_400_000_000 AS BIGINT)
        AS returned"""


def _rows(counted: str, columns: str) -> str:
    """The query for the rows of one table of `UserSums`: the rollup's, and those that were counted from the log."""
    return f"""
    SELECT {columns} FROM (
        FROM experiment_users ANTI JOIN recounted USING (user_id)
        UNION ALL BY NAME FROM {counted}
    )
    WHERE experiment = $name AND list_contains(CAST($arms AS VARCHAR[]), arm) AND user_id NOT IN (FROM mixed)
    ORDER BY user_id, arm
    """


_COUNTED = "FROM counted ORDER BY user_id, arm"

_WHOLE = """
SELECT (SELECT count(*) FROM counted) - count(*)
FROM clean_recounted INNER JOIN raw_recounted USING (experiment, arm, user_id)
WHERE clean_recounted.exposures < raw_recounted.exposures
    AND experiment = $name AND list_contains(CAST($arms AS VARCHAR[]), arm) AND user_id NOT IN (FROM mixed)
"""

_PAST = """
WITH shown AS (
    SELECT user_id, response_id, min(responses.served_at) AS served_at, any_value(first_exposure) AS first_exposure
    FROM responses INNER JOIN counted USING (user_id)
    WHERE served_at < first_exposure AND served_at >= first_exposure - to_days(CAST($days AS INTEGER))
    GROUP BY user_id, response_id
),
loved AS (
    SELECT DISTINCT shown.user_id, shown.response_id
    FROM shown INNER JOIN reactions USING (user_id, response_id)
    WHERE reaction = 'love' AND action = 'added' AND reacted_at < first_exposure
),
past AS (
    SELECT user_id, count(*) AS past_exposures, count(loved.response_id) AS past_loves
    FROM shown LEFT JOIN loved USING (user_id, response_id) GROUP BY user_id
)
SELECT counted.*, coalesce(past_exposures, 0) AS past_exposures, coalesce(past_loves, 0) AS past_loves
FROM counted LEFT JOIN past USING (user_id) ORDER BY user_id, arm
"""
