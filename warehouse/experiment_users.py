"""What each user saw and loved in an experiment: from the sums of the rollup, and no text is read.

The rollup is right for users without recent events and without flags. What is too young to count is subtracted.
The others are counted from the log: who loved what is too young, whom the rollup is behind with,
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
from warehouse.storage.sql_files import query

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from warehouse.connection import Target

_HISTORY = ("past_exposures", "past_loves")
LONGEST_HISTORY = 3_650
"""Days of a user's past that can be asked for: ten years."""


@dataclass(frozen=True, slots=True)
class UserSums:
    """An experiment by user.

    Attributes:
        users: One row a user, sorted by user_id: user_id, arm; first_exposure, first_love (UTC; null for no love);
            exposures, loves, closings; returned (1: exposed again on a later UTC day than the first, else 0); with a
            history also past_exposures and past_loves. What is in quarantine is left out.
        raw: The same with nobody left out but for the following; `users` itself, where the filter holds nobody and no
            love back. Its history is what lay before the test, of whoever is in quarantine, too.
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
            rows, asked = query(__file__, "with_past"), {"days": history_days}
        found = reader.execute(f"{rows} ORDER BY user_id, arm", asked).to_arrow_table()
    clean = _clean(found)
    # without quarantined users both are one table, and a comparison need not count it twice
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
    history = {name: found[name] for name in _HISTORY if name in found.column_names}
    return pa.table({"user_id": found["user_id"], "arm": found["arm"], **figures, **history})


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
    """Find the users for whom the rollup is not right, and count them from the log.

    Makes the temporary view `current_sums` (the rollup with its backlog, without those users), and the
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
    if everybody:
        reader.execute(_EVERYBODY, {"name": name})
    else:
        reader.execute(query(__file__, "doubtful", behind=sums.behind()), {"moment": moment})
    reader.execute(f"CREATE OR REPLACE TEMP TABLE grown AS {sums.grown()}")
    reader.execute(_CURRENT_SUMS)
    reader.execute(_YOUNG, {"moment": moment})
    recount.find_exposures(reader, name)
    reader.execute(_UP_TO, {"moment": moment})
    reader.execute(_UP_TO_REACTIONS, {"moment": moment})
    reader.execute(query(__file__, "mixed"), {"name": name})
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


_RAW = "raw_"
_FIGURES = ("first_exposure", "first_love", "exposures", "loves", "closings", "returned")


def _figures(counted: str, prefix: str = "") -> str:
    """Columns of a relation of sums of what is mature, as `UserSums` has them."""
    names = ("first_exposure_at", "first_love_at", "exposures", "loves", "closings")
    values = [*(f"{counted}.{name}" for name in names), f"CAST({counted}.returned_at IS NOT NULL AS BIGINT)"]
    return ", ".join(f"{value} AS {prefix}{name}" for value, name in zip(values, _FIGURES, strict=True))


def _both(moment: datetime, hours: float) -> str:
    """The query of `both_figures`."""
    cutoff = f"mature_until('{moment.isoformat()}', {hours}::DOUBLE)"
    return query(
        __file__,
        "both_figures",
        cutoff=cutoff,
        settled=_figures("settled"),
        clean=_figures("clean"),
        raw=_figures("raw", _RAW),
    )


COMPARED = """experiment = $name AND list_contains(CAST($arms AS VARCHAR[]), arm) AND user_id NOT IN (FROM mixed)"""
