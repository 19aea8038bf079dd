"""What follows from the log, kept in the transaction that changes it: the online flags, and the sums of experiments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

from warehouse.adversary import online
from warehouse.ingest import erased_rows
from warehouse.rollup import sums

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.ingest.erased_rows import Removed


def update(connection: DuckDBPyConnection, fresh: Mapping[str, pa.Table], removed: Removed) -> None:
    """Bring flags and sums up to date with a change that the log holds already.

    Args:
        connection: Inside the transaction of the change.
        fresh: New rows of `responses` and `reactions`, as they came; empty where rows only went.
        removed: What an erasure took out.
    """
    with _changed(connection, fresh, removed.rows) as change:
        online.flag(connection, change)
    gone = sums.update(connection, fresh, removed.rows)
    erased_rows.note(connection, erased_rows.by_user("table", "experiment_users", gone))


@contextmanager
def _changed(
    connection: DuckDBPyConnection, fresh: Mapping[str, pa.Table], removed: Mapping[str, pa.Table]
) -> Iterator[online.LogChange]:
    """What came into the tables and what went out of them, as two relations, while the block lasts.

    Of rows that went, conversations are left out: no rule reads them there, and a batch has them in another shape than
    the table.
    """
    change = online.LogChange("changed_responses", "changed_reactions")
    for name, relation in (("responses", change.responses), ("reactions", change.reactions)):
        rows, gone = fresh.get(name), removed.get(name)
        if rows is not None and gone is not None and gone.num_rows:
            rows = rows.select([each for each in rows.column_names if each != "conversation"])
            rows = pa.concat_tables([rows, gone.select(rows.column_names).cast(rows.schema)])
        connection.register(relation, gone if rows is None else rows)
    try:
        yield change
    finally:
        for relation in change:
            connection.unregister(relation)
