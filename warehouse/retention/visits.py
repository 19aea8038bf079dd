"""The days on which people came, what they did on each, and on which later days they came again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse import connection, signals
from warehouse.signals import with_sentiment
from warehouse.storage.sql_files import query

if TYPE_CHECKING:
    import pyarrow as pa

HORIZON = 20
"""Later days that are looked at: the week that begins 14 days after a day ends with the 20th."""


def visits(path: str | Path, *, as_of: datetime | None = None, horizon: int = HORIZON) -> pa.Table:
    """One row per person and UTC day on which they were shown a response.

    People in quarantine are left out, as they are from the clean feedback; whoever was erased has no row at all. The
    day that `as_of` lies in is not over and left out, too.

    Args:
        path: A DuckDB file, or a `ducklake:` target.
        as_of: Judge the log at this moment (time zone required); now if left out.
        horizon: Later days that are looked at, at least 1.

    Returns:
        Sorted by user and day:
        `user_id`; `day`; `arm`: `EXPERIMENT: ARM`, null for none or several;
        `responses`, `conversations`: of that day; `love`, `liked`, `disliked` (bool), `continues`, `sentiment`
        (double, null where nothing is known): as `warehouse.signals.user_days` has them;
        `earlier_responses`, `earlier_days`, `earlier_love_days`: of the 7 days before it; `days_since_last`: since the
        person's last day, null on their first; `tenure_days`: since their first day in the log;
        `past_known` (bool): the log reaches back over these 7 days;
        `followed` (int): how many of the later days lie within the log, at most `horizon`;
        `later_days` (list of int): after how many days they were shown a response again, within `followed`.

    Raises:
        ValueError: `horizon` is below 1.
        WarehouseError: The warehouse cannot be read.
    """
    if horizon < 1:
        raise ValueError(f"horizon == {horizon}, must be at least 1: how many later days are looked at")
    return with_sentiment(_read("visits", path, as_of, horizon=horizon))


def responses(path: str | Path, *, as_of: datetime | None = None) -> pa.Table:
    """Every response that was shown to the same people.

    Args:
        path: As in `visits`.
        as_of: As in `visits`.

    Returns:
        In the order in which each person saw them: `user_id`, `day`, `served_at`, `conversation` (JSON text, up to the
        user's last message), `response`.

    Raises:
        WarehouseError: The warehouse cannot be read.
    """
    return _read("responses", path, as_of)


def _read(name: str, path: str | Path, as_of: datetime | None, **settings: int) -> pa.Table:
    asked = query(signals.__file__, "daily") + query(__file__, name)
    with connection.open(path).read() as reader:
        return reader.execute(asked, {"moment": as_of or datetime.now(UTC), **settings}).to_arrow_table()
