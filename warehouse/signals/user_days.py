"""The signals that people gave on each day, what may confound them, and whether the people stayed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse import connection
from warehouse.signals.sentiment import sentiment
from warehouse.storage.sql_files import query

if TYPE_CHECKING:
    import pyarrow as pa

DAYS = 14
"""A person is retained who is served again in the last of the weeks that make up these days."""


def user_days(path: str | Path, *, as_of: datetime | None = None, days: int = DAYS) -> pa.Table:
    """One row per person and UTC day on which they were shown a response.

    Left out are people in quarantine, the log's first week (what came before it is unknown, and so is a person's
    activity), and the days whose outcome is not known yet at `as_of` or lies beyond the log's end.

    Args:
        path: A DuckDB file, or a `ducklake:` target.
        as_of: Judge the log at this moment (time zone required); now if left out.
        days: Last day of the outcome's week, at least 9, so that the next day is not part of it.

    Returns:
        Sorted by user and day:
        `user_id`; `day`;
        `love`, `liked`, `disliked` (bool): on any response of the day, as it stood 24 h after the response;
        `continues` (double): share of the day's responses after which the person wrote again in the same conversation
        and session, within 30 minutes;
        `sentiment` (double, -1 to 1): mean of those next messages, null where there is none;
        `returned` (bool): a response was shown on the following day;
        `retained` (bool), the outcome: one was shown on days `days - 6` to `days` after it;
        `responses`, `conversations`: of that day; `earlier_responses`: of the 7 days before it;
        `tenure_days`: since the person's first day in the log; `arm`: `EXPERIMENT: ARM`, empty for none.

    Raises:
        ValueError: `days` is below 9.
        WarehouseError: The warehouse cannot be read.
    """
    if days < 9:
        raise ValueError(f"days == {days}, must be at least 9: the outcome's week must not reach the next day")
    days_of_signals = query(__file__, "daily") + query(__file__, "user_days")
    moment = as_of or datetime.now(UTC)
    with connection.open(path).read() as reader:
        found = reader.execute(days_of_signals, {"moment": moment, "first": days - 6, "last": days}).to_arrow_table()
    return with_sentiment(found)


def with_sentiment(found: pa.Table) -> pa.Table:
    """Replace `next_messages` (lists of texts) by `sentiment`, their mean; null for an empty or missing list."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = found["next_messages"].combine_chunks()
    scores = sentiment(lists.flatten())
    rows = pc.list_parent_indices(lists)
    means = pa.table({"row": rows, "score": scores}).group_by("row").aggregate([("score", "mean")])
    place = pc.index_in(pa.array(range(len(found)), rows.type), means["row"].combine_chunks())
    sentiments = means["score_mean"].combine_chunks().take(place)
    return found.drop_columns("next_messages").append_column("sentiment", sentiments)
