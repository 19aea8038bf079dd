"""Ids in a file's tables lie there as they are, without bit-packing: looking for copies reads many of them.

DuckDB packs ids that are ordered by time, which saves a fifth of their bytes and costs most of the time to read them. A
column's method is told when its table is made, and stays with the table: rows that come later and copies of the file
have it too. DuckLake takes no method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TABLES = ("responses", "reactions")
"""Those in which copies are looked for, but for the few requests for erasure."""
_PACKED = "event_id UUID,"
_PLAIN = "event_id UUID USING COMPRESSION uncompressed,"


def make(connection: DuckDBPyConnection, database: str) -> None:
    """Make the log's tables anew where they are empty, so that they keep their ids plain.

    Args:
        connection: To a DuckDB instance; outside of a transaction.
        database: Name of an attached file that has the tables.
    """
    for table in TABLES:
        name = f"{database}.main.{table}"
        if connection.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone():
            continue
        columns = _columns(connection, database, table).replace(_PACKED, _PLAIN, 1)
        connection.execute(f"CREATE OR REPLACE TABLE {name}{columns}")


def _columns(connection: DuckDBPyConnection, database: str, table: str) -> str:
    """What stands behind a table's name in the statement that made it."""
    found = connection.execute(
        "SELECT sql FROM duckdb_tables() WHERE database_name = $1 AND schema_name = 'main' AND table_name = $2",
        [database, table],
    ).fetchall()
    statement = str(found[0][0])
    return statement[statement.index("(") :]
