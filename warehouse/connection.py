"""One DuckDB file, opened for one short transaction and closed again.

DuckDB locks a file to one process, readers too, so nobody keeps it open: every access opens, works and closes, and
waits its turn for a bounded time. The tables have no primary keys and the SQL is plain, so that a second back end
(DuckLake) can run the same files.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse import migrate
from warehouse.transaction import WarehouseError, WarehouseInUseError, in_transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.migrate import Status

_HOLDER = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")


@dataclass(frozen=True)
class Warehouse:
    """A warehouse by its path; holds no connection.

    Attributes:
        path: The DuckDB file. It is made by the first `migrate()`.
        wait_seconds: How long one access waits while another process has the file.
    """

    path: Path
    wait_seconds: float = 30.0

    @contextmanager
    def transaction(self) -> Iterator[DuckDBPyConnection]:
        """A connection inside one transaction: committed when the block ends, rolled back when it raises.

        It has the tables only; whoever needs the views asks `migrate.define_views` for them (5 ms).

        Raises:
            WarehouseInUseError: The file stayed locked; names the process that holds it.
            WarehouseError: No warehouse there, or one of another version.
        """
        with self.connect() as connection:
            migrate.require_current(connection, self.path)
            with in_transaction(connection):
                yield connection

    @contextmanager
    def read(self) -> Iterator[DuckDBPyConnection]:
        """A read-only connection with the views; several processes may read at once. Raises as `transaction` does."""
        with self.connect(read_only=True) as connection:
            migrate.require_current(connection, self.path)
            migrate.define_views(connection)
            yield connection

    @contextmanager
    def connect(self, *, read_only: bool = False, create: bool = False) -> Iterator[DuckDBPyConnection]:
        """The bare connection under `transaction` and `read`: no version check, no transaction."""
        if not create and not self.path.exists():
            raise WarehouseError(
                f"no warehouse at {self.path}: `loveloop ingest` or `loveloop warehouse migrate` makes one"
            )
        connection = _wait_for(self.path, self.wait_seconds, read_only=read_only)
        try:
            connection.execute("SET TimeZone = 'UTC'")
            if not read_only:
                # a checkpoint at every close would rewrite the last row group each time: 380 ms instead of 14
                connection.execute("PRAGMA disable_checkpoint_on_shutdown")
                connection.execute("SET checkpoint_threshold = '2MB'")  # every opening reads the log: keep it short
                connection.execute("SET threads = 1")  # a batch is less than one row group: a second thread only costs
            yield connection
        finally:
            connection.close()

    def migrate(self) -> list[str]:
        """Bring the tables to this version; returns the names of the migrations applied now, in order."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.connect(create=True) as connection:
            applied = migrate.apply(connection, self.path)
            if applied:
                connection.execute("CHECKPOINT")
        return applied

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file, so that the file alone is the whole warehouse."""
        with self.connect() as connection:
            connection.execute("CHECKPOINT")

    def status(self) -> Status:
        """Which migrations the file has, and which it lacks. Raises as `read` does, but accepts an older version."""
        with self.connect(read_only=True) as connection:
            return migrate.status(connection)


def open(path: str | Path, *, wait_seconds: float = 30.0) -> Warehouse:  # noqa: A001
    """The warehouse at a path.

    Args:
        path: A DuckDB file.
        wait_seconds: How long one access waits while another process has the file.

    Raises:
        WarehouseError: A `ducklake:` URL; that back end is not built yet.
    """
    if str(path).startswith("ducklake:"):
        raise WarehouseError(
            f"path == {str(path)!r}: only a DuckDB file can be opened so far, not DuckLake; give a file's path"
        )
    return Warehouse(Path(path), wait_seconds)


def _wait_for(path: Path, seconds: float, *, read_only: bool) -> DuckDBPyConnection:
    """Open the file, trying again while another holds it; random pauses, so that two waiters do not march in step."""
    import duckdb

    deadline = time.monotonic() + seconds
    pause = 0.005
    while True:
        try:
            return duckdb.connect(path, read_only=read_only)
        except (duckdb.IOException, duckdb.ConnectionException) as error:
            if not _held_by_another(error):
                raise WarehouseError(f"{path} does not open as a DuckDB file: {error}") from error
            if time.monotonic() >= deadline:
                raise WarehouseInUseError(_in_use(path, seconds, str(error))) from error
        time.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(pause * 1.5, 0.1)


def _held_by_another(error: Exception) -> bool:
    """A lock of another process, or a connection of another mode in this one."""
    return "Could not set lock" in str(error) or "different configuration" in str(error)


def _in_use(path: Path, seconds: float, seen: str) -> str:
    holder = _HOLDER.search(seen)
    who = f"process {holder['pid']} ({holder['program']})" if holder else "another connection of this process"
    remedy = "end that process, or close its connection, and try again"
    return f"{path} is in use by {who} and stayed so for {seconds:g} s: {remedy}"
