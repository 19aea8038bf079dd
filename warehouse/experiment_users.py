"""What each user saw and loved in an experiment: from the sums of the rollup, and no text is read.

The rollup holds for all whom nothing has happened to lately and whom nobody suspects. What is too young to
count is taken off. The others are counted from the log: who loved what is too young, whom the rollup is behind with,
who reacted after the moment that is asked about, who was told an id that somebody else was told too, and who is in
quarantine or gave a reaction that is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from warehouse import connection, maturity
from warehouse.rollup import recount, sums

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
        raw: The same without the history, with nobody left out but for the following; `users` itself, where the filter
            holds nobody and no love back.
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
    hours = maturity.age(maturity_hours)
    if not 0 <= history_days <= LONGEST_HISTORY:
        rule = f"must be from 0 (no history) to {LONGEST_HISTORY:,} days: 28 is four weeks"
        raise ValueError(f"history_days == {history_days!r}, {rule}")
    with connection.open(target).read() as reader:
        mixed = prepare(reader, name, moment, hours)
        rows = f"SELECT * EXCLUDE (experiment) FROM both_figures WHERE {COMPARED}"
        asked: dict[str, Any] = {"name": name, "arms": list(arms)}
        if history_days:
            reader.execute(f"CREATE OR REPLACE TEMP TABLE compared AS {rows}", asked)
            rows, asked = _WITH_PAST, {"days": history_days}
        found = reader.execute(f"{rows} ORDER BY user_id, arm", asked).to_arrow_table()
    clean = _clean(found)
    # where nobody is held back both are one table, and whoever compares them need not count it twice
    nobody = not history_days and all(found[_RAW + each].null_count == len(found) for each in _FIGURES)
    return UserSums(clean, clean if nobody else _raw(found), mixed, _quarantined(found))


def _clean(found: pa.Table) -> pa.Table:
    """The rows of `users`: a user without a mature exposure outside of quarantine has none."""
    import pyarrow.compute as pc

    table = found.select([name for name in found.column_names if not name.startswith(_RAW)])
    return table.filter(pc.is_valid(table["exposures"])) if table["exposures"].null_count else table


def _raw(found: pa.Table) -> pa.Table:
    """The rows of `raw`; where no raw figure stands, it is the same as the clean one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    figures = {name: pc.coalesce(found[_RAW + name], found[name]) for name in _FIGURES}
    return pa.table({"user_id": found["user_id"], "arm": found["arm"], **figures})


def _quarantined(found: pa.Table) -> int:
    """Users with fewer exposures in `users` than in `raw`."""
    import pyarrow.compute as pc

    fewer = pc.less(pc.fill_null(found["exposures"], 0), found[_RAW + "exposures"])
    return int(pc.sum(fewer).as_py() or 0)


def prepare(reader: DuckDBPyConnection, name: str, moment: datetime, hours: float) -> int:
    """Make the view `both_figures`, a row a user and arm, and the table `mixed` of users in several arms; their number.

    In the view the figures of `UserSums.users`, and with `raw_` before them those of `UserSums.raw` where these were
    counted; elsewhere they are the same.
    """
    find(reader, name, moment, hours)
    reader.execute(f"CREATE OR REPLACE TEMP VIEW both_figures AS {_both(moment, hours)}")
    return int(reader.execute("SELECT count(*) FROM mixed").fetchall()[0][0])


def find(reader: DuckDBPyConnection, name: str, moment: datetime, hours: float, *, everybody: bool = False) -> None:
    """Find whom the rollup cannot speak for, and count them from the log.

    Makes the temporary view `current_sums` (the rollup with its backlog, without whom it cannot speak for), and the
    tables `young` (what is to be taken off from it), `recounted` (the other users), `recounted_exposures` and
    `recounted_reactions` (theirs, up to the moment), `raw_recounted` and `clean_recounted` (their sums of what is
    mature, with and without quarantine), and `mixed` (users who saw several arms).

    Args:
        reader: With the views.
        name: The experiment.
        moment: At which states are judged.
        hours: Younger responses are not mature.
        everybody: Count all users of the experiment, and make no sums.
    """
    asked = {"name": name, "moment": moment, "hours": hours}
    reader.execute(_YOUNG_TELLINGS, asked)
    reader.execute(_SUSPECTS)
    reader.execute(_EVERYBODY if everybody else _DOUBTFUL, {"name": name} if everybody else {"moment": moment})
    reader.execute(f"CREATE OR REPLACE TEMP TABLE grown AS {sums.grown()}")
    reader.execute(_CURRENT_SUMS)
    reader.execute(_YOUNG, {"moment": moment})
    recount.find_exposures(reader, name)
    reader.execute(_UP_TO, {"moment": moment})
    reader.execute(_UP_TO_REACTIONS, {"moment": moment})
    reader.execute(_MIXED, {"name": name})
    if everybody:
        return
    mature = {"moment": moment, "hours": hours}
    raw = recount.sums(f"({_RAW_EXPOSURES})", "recounted_reactions")
    reader.execute(f"CREATE OR REPLACE TEMP TABLE raw_recounted AS {raw}", mature)
    theirs = f"(FROM ({CLEAN_EXPOSURES}) SEMI JOIN suspects USING (user_id))"
    clean = recount.sums(theirs, f"({CLEAN_REACTIONS})")
    reader.execute(
        f"""CREATE OR REPLACE TEMP TABLE clean_recounted AS
        FROM raw_recounted ANTI JOIN suspects USING (user_id) UNION ALL BY NAME FROM ({clean})""",
        mature,
    )


MATURE = "mature_until($moment, $hours)"
_YOUNG_TELLINGS = f"""
CREATE OR REPLACE TEMP TABLE young_tellings AS
SELECT event_id, response_id, user_id, arm, served_at FROM responses WHERE experiment = $name AND served_at > {MATURE}
"""

_SUSPECTS = """
CREATE OR REPLACE TEMP TABLE suspects AS
SELECT user_id FROM quarantined_users UNION SELECT user_id FROM quarantined_reactions
"""

# Young exposures can be taken off from a user's sums where nothing else hangs on them: no love, and no other telling of
# the same id, which may make them no exposures at all.
_DOUBTFUL = f"""
CREATE OR REPLACE TEMP TABLE recounted AS
WITH told_elsewhere AS (
    SELECT response_id
    FROM responses SEMI JOIN young_tellings USING (response_id) ANTI JOIN young_tellings USING (event_id)
    WHERE experiment IS NOT NULL
),
told_twice AS (SELECT hash(response_id) AS response_hash FROM young_tellings GROUP BY response_hash HAVING count(*) > 1)
FROM suspects
UNION SELECT user_id FROM reactions WHERE reacted_at > CAST($moment AS TIMESTAMPTZ)
UNION SELECT user_id FROM reactions SEMI JOIN young_tellings USING (response_id, user_id)
WHERE is_love(reaction, action)
UNION SELECT user_id FROM young_tellings
WHERE response_id IN (FROM told_elsewhere) OR hash(response_id) IN (FROM told_twice)
UNION FROM ({sums.behind()})
"""

_CURRENT_SUMS = """
CREATE OR REPLACE TEMP VIEW current_sums AS
FROM experiment_users ANTI JOIN recounted USING (user_id) ANTI JOIN grown USING (user_id)
UNION ALL BY NAME FROM grown
"""

_YOUNG = """
CREATE OR REPLACE TEMP TABLE young AS
SELECT user_id, arm, count(*) AS exposures, count(closings.event_id) AS closings,
    count(*) FILTER (served_at > CAST($moment AS TIMESTAMPTZ)) AS future
FROM young_tellings ANTI JOIN recounted USING (user_id)
LEFT JOIN experiment_closings AS closings ON closings.event_id = young_tellings.event_id
GROUP BY user_id, arm
"""
_EVERYBODY = "CREATE OR REPLACE TEMP TABLE recounted AS SELECT DISTINCT user_id FROM responses WHERE experiment = $name"

_UP_TO = "DELETE FROM recounted_exposures WHERE served_at > CAST($moment AS TIMESTAMPTZ)"
_UP_TO_REACTIONS = "DELETE FROM recounted_reactions WHERE reacted_at > CAST($moment AS TIMESTAMPTZ)"
_RAW_EXPOSURES = f"FROM recounted_exposures WHERE served_at <= {MATURE}"
CLEAN_EXPOSURES = f"""
SELECT exposures.* FROM recounted_exposures AS exposures LEFT JOIN quarantined_users AS aside USING (user_id)
WHERE served_at <= {MATURE} AND (aside.user_id IS NULL OR served_at < aside.since)
"""
CLEAN_REACTIONS = """
SELECT reactions.* FROM recounted_reactions AS reactions LEFT JOIN quarantined_users AS aside USING (user_id)
ANTI JOIN quarantined_reactions AS single ON single.event_id = reactions.event_id
WHERE aside.user_id IS NULL OR reacted_at < aside.since
"""

# The rollup has one row a user and arm: who was in several is sought among numbers, and texts are compared for those
# few alone. Maturity and quarantine do not matter here: whoever saw two arms compares with neither.
_MIXED = """
CREATE OR REPLACE TEMP TABLE mixed AS
WITH seen AS (
    SELECT user_id, arm FROM current_sums AS sums
    LEFT JOIN young USING (user_id, arm)
    WHERE experiment = $name AND sums.exposures > coalesce(young.future, 0)
    UNION ALL
    SELECT DISTINCT user_id, arm FROM recounted_exposures
),
several_rows AS (SELECT hash(user_id) AS user_hash FROM seen GROUP BY user_hash HAVING count(*) > 1)
SELECT user_id FROM seen WHERE hash(user_id) IN (FROM several_rows) GROUP BY user_id HAVING count(DISTINCT arm) > 1
"""

_RAW = "raw_"
_FIGURES = ("first_exposure", "first_love", "exposures", "loves", "closings", "returned")


def _figures(counted: str, prefix: str = "") -> str:
    """Columns of a relation of sums of what is mature, as `UserSums` has them."""
    names = ("first_exposure_at", "first_love_at", "exposures", "loves", "closings")
    values = [*(f"{counted}.{name}" for name in names), f"CAST({counted}.returned_at IS NOT NULL AS BIGINT)"]
    return ", ".join(f"{value} AS {prefix}{name}" for value, name in zip(values, _FIGURES, strict=True))


def _both(moment: datetime, hours: float) -> str:
    """The query of `both_figures`. Raw figures stand where they may differ: NULL in most rows, which costs nothing.

    What is mature is older than what is young, so that the first exposure and the first return are what they were.
    """
    cutoff = f"mature_until('{moment.isoformat()}', {hours}::DOUBLE)"
    return f"""
    WITH settled AS (
        SELECT experiment, user_id, arm, first_exposure_at, first_love_at, loves,
            CASE WHEN returned_at <= {cutoff} THEN returned_at END AS returned_at,
            sums.exposures - coalesce(young.exposures, 0) AS exposures,
            sums.closings - coalesce(young.closings, 0) AS closings
        FROM current_sums AS sums LEFT JOIN young USING (user_id, arm)
    )
    SELECT experiment, user_id, arm, {_figures("settled")} FROM settled WHERE exposures > 0
    UNION ALL BY NAME
    SELECT experiment, user_id, arm, {_figures("clean")}, {_figures("raw", _RAW)}
    FROM raw_recounted AS raw LEFT JOIN clean_recounted AS clean USING (experiment, user_id, arm)
    """


COMPARED = """experiment = $name AND list_contains(CAST($arms AS VARCHAR[]), arm) AND user_id NOT IN (FROM mixed)"""

_WITH_PAST = """
WITH shown AS (
    SELECT user_id, response_id, any_value(first_exposure) AS first_exposure
    FROM responses INNER JOIN compared USING (user_id)
    WHERE served_at < first_exposure AND served_at >= first_exposure - to_days(CAST($days AS INTEGER))
    GROUP BY user_id, response_id
),
loved AS (
    SELECT DISTINCT shown.user_id, shown.response_id
    FROM shown INNER JOIN reactions USING (user_id, response_id)
    WHERE is_love(reaction, action) AND reacted_at < first_exposure
),
past AS (
    SELECT user_id, count(*) AS past_exposures, count(loved.response_id) AS past_loves
    FROM shown LEFT JOIN loved USING (user_id, response_id) GROUP BY user_id
)
SELECT compared.*, coalesce(past_exposures, 0) AS past_exposures, coalesce(past_loves, 0) AS past_loves
FROM compared LEFT JOIN past USING (user_id)
"""
