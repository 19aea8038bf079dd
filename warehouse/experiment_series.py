"""An experiment over time, and the traffic before one: what sample ratios, novelty and plans are read from."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from warehouse import connection, maturity
from warehouse.experiment_users import (
    CLEAN_EXPOSURES,
    CLEAN_REACTIONS,
    COMPARED,
    LONGEST_HISTORY,
    find,
    prepare,
)
from warehouse.rollup import recount
from warehouse.storage.sql_files import query

if TYPE_CHECKING:
    import pyarrow as pa

    from warehouse.connection import Target


def user_days(
    target: Target, name: str, arms: Iterable[str], as_of: datetime | None = None, *, maturity_hours: float = 24.0
) -> pa.Table:
    """What users saw and loved by the day since their first exposure, without what is in quarantine.

    Every exposure is read from the log (no text): the longer the experiment, the longer it takes.

    Args:
        target: The warehouse.
        name: The experiment.
        arms: Arms to read; who saw several is left out.
        as_of: Judge states and maturity at this moment; now if left out.
        maturity_hours: Younger responses are not counted yet.

    Returns:
        Sorted: user (a number from 0 on, in the order of the ids), arm, day (0 for the first 24 hours), exposures,
        loves.

    Raises:
        ValueError: A maturity that is none.
        WarehouseError: As `Warehouse.read`.
    """
    moment = as_of or datetime.now(UTC)
    hours = maturity.age(maturity_hours)
    with connection.open(target).read() as reader:
        find(reader, name, moment, hours, everybody=True)
        loved = recount.loved(f"({CLEAN_EXPOSURES})", f"({CLEAN_REACTIONS})")
        reader.execute(f"CREATE TEMP TABLE loved AS {loved}", {"moment": moment, "hours": hours})
        return reader.execute(
            query(__file__, "experiment_days", compared=COMPARED), {"name": name, "arms": list(arms)}
        ).to_arrow_table()


def segments(target: Target, name: str, arms: Iterable[str], as_of: datetime | None = None) -> pa.Table:
    """Users of each arm by the day of their first exposure, and by whether the log knew them before.

    The contract carries nothing else of a user that an experiment could not have changed.

    Args:
        target: The warehouse.
        name: The experiment.
        arms: Arms to read; users who saw several are left out, and no others.
        as_of: The moment up to which is read; now if left out.

    Returns:
        Sorted: dimension (`first day` or `known before`), segment (`2026-03-01`; `new` or `returning`), arm, users.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    moment = as_of or datetime.now(UTC)
    with connection.open(target).read() as reader:
        prepare(reader, name, moment, 0.0)
        return reader.execute(
            query(__file__, "segments", compared=COMPARED), {"name": name, "arms": list(arms)}
        ).to_arrow_table()


def history(target: Target, *, days: int, before: datetime | None = None) -> pa.Table:
    """What each user was shown and loved in the last days of all traffic, without what is in quarantine.

    Args:
        target: The warehouse.
        days: How many spans of 24 hours, counted back from `before`.
        before: The end of the last one, and the moment whose states count; now if left out.

    Returns:
        Sorted: user_id, exposures, loves, first_day (0 to days - 1: in which of these spans the user was shown the
        first of the responses counted here). `daily_arrivals` counts its users by that day.

    Raises:
        ValueError: A history that is none.
        WarehouseError: As `Warehouse.read`.
    """
    if not 1 <= days <= LONGEST_HISTORY:
        raise ValueError(f"days == {days!r}, must be from 1 to {LONGEST_HISTORY:,}: 28 is four weeks")
    values = {"moment": before or datetime.now(UTC), "days": days}
    with connection.open(target).read() as reader:
        reader.execute(_SHOWN, values)
        reader.execute(_SHOWN_REACTIONS, {"moment": values["moment"]})
        counted = recount.loved("shown", f"({CLEAN_REACTIONS.replace('recounted_reactions', 'shown_reactions')})")
        return reader.execute(_HISTORY.format(counted), values).to_arrow_table()


def daily_arrivals(users: pa.Table, days: int) -> pa.Table:
    """How many users each day of a history brought.

    Args:
        users: As `history` gives it.
        days: As it was asked for.

    Returns:
        day (0 to days - 1), users.

    >>> import pyarrow as pa
    >>> daily_arrivals(pa.table({"first_day": [0, 2, 2]}), 3)["users"].to_pylist()
    [1, 0, 2]
    """
    import numpy as np
    import pyarrow as pa

    counts = np.bincount(users["first_day"].to_numpy(), minlength=days)
    return pa.table({"day": np.arange(days), "users": counts})


_SHOWN = """
CREATE TEMP TABLE shown AS
SELECT event_id, response_id, user_id, served_at
FROM responses LEFT JOIN quarantined_users AS aside USING (user_id)
WHERE served_at < CAST($moment AS TIMESTAMPTZ)
    AND served_at >= CAST($moment AS TIMESTAMPTZ) - to_hours(CAST(24 * $days AS INTEGER))
    AND (aside.user_id IS NULL OR served_at < aside.since)
QUALIFY row_number() OVER (PARTITION BY response_id ORDER BY served_at, event_id) = 1
"""

_SHOWN_REACTIONS = """
CREATE TEMP TABLE shown_reactions AS
SELECT reactions.* FROM reactions SEMI JOIN shown USING (response_id, user_id)
WHERE reaction IN ('love', 'dislike') AND reacted_at <= CAST($moment AS TIMESTAMPTZ)
"""

_HISTORY = """
SELECT user_id, count(*) AS exposures, count(*) FILTER (love) AS loves,
    CAST($days - 1 - max((ends_us - epoch_us(served_at) - 1) // 86_400_000_000) AS BIGINT) AS first_day
FROM ({}) CROSS JOIN (SELECT epoch_us(CAST($moment AS TIMESTAMPTZ)) AS ends_us) GROUP BY user_id ORDER BY user_id
"""
