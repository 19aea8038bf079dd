"""The limit: the rows of a finished warehouse, as Arrow tables in memory, appended to a fresh DuckDB file by batches.

As a script: `append_limit.py '{"source": ..., "file": ..., "batch_rows": 20000}'`. No broker, no decoding, no
deduplication, no flags, one connection, DuckDB as it comes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset  # DuckDB imports it at the first table: part of the start, not of the rate

TABLES = ("responses", "reactions")


def load(source: str) -> tuple[dict[str, str], dict[str, pa.Table]]:
    """The statements that make the tables, and the rows, from a warehouse's file."""
    with duckdb.connect(source, read_only=True) as connection:
        made = dict(connection.execute("SELECT table_name, sql FROM duckdb_tables() WHERE NOT temporary").fetchall())
        read = {name: connection.execute(f"SELECT * FROM {name}").to_arrow_table() for name in TABLES}
    return {name: made[name] for name in TABLES}, read


def run(source: str, file: str, batch_rows: int) -> dict[str, Any]:
    """Append in batches that hold both tables' rows in proportion, one transaction each."""
    made, read = load(source)
    connection = duckdb.connect(file)
    for statement in made.values():
        connection.execute(statement)
    started = time.perf_counter()
    for batch in batches(read, batch_rows):
        connection.execute("BEGIN")
        append(connection, batch)
        connection.execute("COMMIT")
    return _figures(time.perf_counter() - started, read, connection)


def run_as_ours(source: str, file: str, batch_rows: int) -> dict[str, Any]:
    """The same through our warehouse's transactions: its storage options, and the file opened and closed every time."""
    from warehouse import connection

    store = connection.open(file)
    store.migrate()
    _, read = load(source)
    started = time.perf_counter()
    for batch in batches(read, batch_rows):
        with store.transaction() as opened:
            append(opened, batch)
    seconds = time.perf_counter() - started
    with store.read() as opened:
        return _figures(seconds, read, opened)


def batches(read: dict[str, pa.Table], batch_rows: int) -> Iterator[dict[str, pa.Table]]:
    """Slices of the tables that hold `batch_rows` rows together, each table in its proportion."""
    count = -(-sum(table.num_rows for table in read.values()) // batch_rows)
    for number in range(count):
        ends = {name: [table.num_rows * at // count for at in (number, number + 1)] for name, table in read.items()}
        yield {name: table.slice(ends[name][0], ends[name][1] - ends[name][0]) for name, table in read.items()}


def append(connection: duckdb.DuckDBPyConnection, batch: dict[str, pa.Table]) -> None:
    """Insert a batch's tables."""
    for name, table in batch.items():
        connection.register("arrived", table)
        connection.execute(f"INSERT INTO {name} SELECT * FROM arrived")


def _figures(seconds: float, read: dict[str, pa.Table], connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    total = sum(table.num_rows for table in read.values())
    stored = sum(connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in TABLES)
    if stored != total:
        raise SystemExit(f"append limit: {stored:,} rows are stored, not {total:,}")
    return {"seconds": seconds, "events": total, "rate": total / seconds}


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    print(json.dumps((run_as_ours if wanted.pop("as_ours") else run)(**wanted)))
