"""The limit: the rows of a finished warehouse, as Arrow tables in memory, appended to a fresh DuckDB file by batches.

As a script: `append_limit.py '{"source": ..., "file": ..., "batch_rows": 20000}'`. No broker, no decoding, no
deduplication, no flags, one connection, DuckDB as it comes.
"""

from __future__ import annotations

import json
import sys
import time
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
    total = sum(table.num_rows for table in read.values())
    batches = -(-total // batch_rows)
    connection = duckdb.connect(file)
    for statement in made.values():
        connection.execute(statement)
    started = time.perf_counter()
    for number in range(batches):
        connection.execute("BEGIN")
        for name, table in read.items():
            first, last = (table.num_rows * at // batches for at in (number, number + 1))
            connection.register("arrived", table.slice(first, last - first))
            connection.execute(f"INSERT INTO {name} SELECT * FROM arrived")
        connection.execute("COMMIT")
    seconds = time.perf_counter() - started
    stored = sum(connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in TABLES)
    assert stored == total, (stored, total)
    connection.close()
    return {"seconds": seconds, "events": total, "rate": total / seconds}


if __name__ == "__main__":
    print(json.dumps(run(**json.loads(sys.argv[1]))))
