"""Rows of a training set: labelled feedback, what the log knew at the moment of serving, and how ripe a label is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from warehouse import maturity
from warehouse.storage.sql_files import query

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

COLUMNS = (
    "response_id", "event_id", "user_id", "served_at", "conversation", "response", "policy", "love", "like", "dislike",
    "trust", "credit", "credit_rule", "since_last", "earlier_responses", "earlier_loves",
    "earlier_dislikes",
)  # fmt: skip
"""event_id as text, served_at in UTC, conversation as JSON; credit in [0, 1], love is credit > 0; sorted by served_at,
response_id. Of the same user's conversation up to the moment of serving: seconds since the response before (NaN for the
first), how many there were, and how many of them had a love, and a dislike, by then. `MATURED` stands behind them in
sets with young rows."""
MATURED = "matured"
"""The chance that a love which comes at all has come by now; 1 in rows that are mature. See `maturity.arrived`."""


class NoDelaysError(ValueError):
    """Nothing is known of how long a love takes; the text says what was seen and what to do."""


def read(reader: DuckDBPyConnection, asked: dict[str, Any], hours: float, *, young: bool) -> pa.Table:
    """The rows of a window, columns as in `COLUMNS`, with `MATURED` behind them where young rows are kept.

    Args:
        reader: Of the warehouse.
        asked: moment, earliest, credit, decay, positive: as `training_set.build` takes them.
        hours: The maturity.
        young: Keep rows that are not mature yet.

    Raises:
        NoDelaysError: Young rows are wanted, and no mature row has a love to learn from how long one takes.
    """
    import pyarrow as pa

    found = reader.execute(
        query(__file__, "training_rows"), asked | {"hours": 0.0 if young else hours}
    ).to_arrow_table()
    found = found.set_column(found.column_names.index("event_id"), "event_id", found["event_id"].cast(pa.string()))
    schema = [
        field.with_type(pa.timestamp("us", "UTC")) if field.name == "served_at" else field for field in found.schema
    ]
    rows = found.cast(pa.schema(schema))
    rows = _with_young(rows, hours) if young else rows
    return rows.select([*COLUMNS, *([MATURED] if young else [])])


def _with_young(examples: pa.Table, hours: float) -> pa.Table:
    """The rows with `MATURED`, from how long the loves of mature rows took.

    Raises:
        NoDelaysError: No mature row has a love, so that nothing is known of how long one takes.
    """
    import numpy as np
    import pyarrow as pa

    ages, delays = (examples[name].to_numpy() for name in ("age_hours", "delay_hours"))
    known = delays[(ages >= hours) & examples["love"].to_numpy()]
    if not len(known):
        raise NoDelaysError(
            f"no response older than {hours:g} h has a love, so nothing is known of how long one takes: leave young "
            "rows out, or give a shorter maturity"
        )
    matured = np.where(ages >= hours, 1.0, maturity.arrived(known, ages, hours))
    return examples.append_column(MATURED, pa.array(matured))
