"""A warehouse on one machine: one DuckDB file, opened for one short transaction and closed again.

DuckDB locks a file to one process, readers too, so no process keeps it open: every access opens, works and closes, and
waits its turn for a bounded time. A writer with much to store keeps it until somebody waits (`FileSession`).
"""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warehouse.storage import migrate, plain_ids
from warehouse.storage.backend import Session, Warehouse, settings
from warehouse.storage.file_queue import anybody_waits, give_way, wait_in_line
from warehouse.storage.transaction import WarehouseError, WarehouseInUseError, enough_room, in_transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NAME = "warehouse"
"""The file's name within the DuckDB instance."""
_LONGEST_HOLD = 3.0
_REST = 0.02
"""Seconds that the file stays closed after the longest hold, for those who cannot leave a sign that they wait."""
_LONGEST_LOG = 2_000_000
"""Bytes of the write-ahead log that stay when the file is closed: every opening reads it."""
_ROW_GROUP = 30_720
"""Rows: a batch fills whole groups, which are written once; in DuckDB's 122,880 each batch rewrites an open one."""
_SLOW_COMPRESSION = "dict_fsst,zstd,dictionary"
"""Tried on every row group and rarely chosen: without them a commit costs two thirds, and the file grows by a third."""
_HOLDER = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")


@dataclass(frozen=True)
class FileWarehouse(Warehouse):
    """A DuckDB file. It is made by the first `migrate()`."""

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.target)

    @property
    def name(self) -> str:
        """The path."""
        return str(self.target)

    def turn(self) -> nullcontext[None]:
        """Nothing to do: the open file is the lock."""
        return nullcontext()

    @contextmanager
    def connect(self, *, read_only: bool = False, create: bool = False) -> Iterator[DuckDBPyConnection]:
        """The open file.

        Raises:
            WarehouseInUseError: It stayed locked; names the process that holds it.
            WarehouseFullError: Its disk is full.
            WarehouseError: It is not there, or not DuckDB's.
        """
        if create:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        elif not self.path.exists():
            raise WarehouseError(
                f"no warehouse at {self.path}: `loveloop ingest` or `loveloop warehouse migrate` makes one"
            )
        with enough_room(self.path.parent):
            connection = _wait_for(self.path, self.wait_seconds, read_only=read_only)
            try:
                connection.execute("SET TimeZone = 'UTC'")
                migrate.define_macros(connection)
                if not read_only:
                    # a checkpoint at every close would rewrite the last row group each time: 380 ms instead of 14
                    connection.execute("PRAGMA disable_checkpoint_on_shutdown")
                    connection.execute("SET checkpoint_threshold = '2MB'")  # every opening reads the log: keep it short
                    connection.execute("SET threads = 1")  # a batch is a row group or two: a second thread only costs
                    connection.execute(f"SET disabled_compression_methods = '{_SLOW_COMPRESSION}'")
                yield connection
            finally:
                connection.close()

    def session(self) -> FileSession:
        """Keeps the file open from one transaction to the next, as long as no other process waits for it."""
        return FileSession(self)

    def migrate(self) -> list[str]:
        """As `Warehouse.migrate`; what was applied is in the file itself afterwards."""
        applied = super().migrate()
        if applied:
            self.checkpoint()
        return applied

    def _arrange(self, connection: DuckDBPyConnection) -> None:
        """Keep ids plain in a new warehouse; one with rows gets that from its next compaction."""
        plain_ids.make(connection, NAME)

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file, so that the file alone is the whole warehouse."""
        with self.connect() as connection:
            connection.execute("CHECKPOINT")


class FileSession(Session):
    """A writer's open file.

    Opening and closing cost a seventh of storing a batch. So the file stays open while there is more to store, for
    three seconds at most, and is closed at the end of a transaction when another process waits for it.
    """

    def __init__(self, warehouse: FileWarehouse) -> None:
        super().__init__(warehouse)
        self._file = warehouse
        self._open: ExitStack | None = None
        self._connection: DuckDBPyConnection | None = None
        self._since = 0.0

    @contextmanager
    def transaction(self) -> Iterator[DuckDBPyConnection]:
        """As `Warehouse.transaction`."""
        connection = self._connection or self._enter()
        try:
            with in_transaction(connection):
                yield connection
        except BaseException:
            if not self._leave(*sys.exc_info()):
                raise
        if anybody_waits(self._file.path):
            self.release()
        elif time.monotonic() - self._since > _LONGEST_HOLD:
            self.release()
            time.sleep(_REST)

    def release(self) -> None:
        """Close the file, its log folded in where that is long, and let those go first who wait."""
        if self._connection is None:
            return
        log = self._file.path.with_name(self._file.path.name + ".wal")
        try:
            if log.exists() and log.stat().st_size > _LONGEST_LOG:
                self._connection.execute("CHECKPOINT")
        except BaseException:
            if not self._leave(*sys.exc_info()):
                raise
        self._leave(None, None, None)
        give_way(self._file.path)

    def _enter(self) -> DuckDBPyConnection:
        with ExitStack() as stack:
            connection = stack.enter_context(self._file.connect())
            migrate.require_current(connection, self._file.name)
            connection.execute("SET checkpoint_threshold = '16MB'")
            self._open = stack.pop_all()
        self._connection = connection
        self._since = time.monotonic()
        return connection

    def _leave(self, *error: Any) -> bool:
        """Close; whether that dealt with the error."""
        stack, self._open, self._connection = self._open, None, None
        return bool(stack is not None and stack.__exit__(*error))


def _wait_for(path: Path, seconds: float, *, read_only: bool) -> DuckDBPyConnection:
    """Open the file, trying again while another holds it; random pauses, so that two waiters do not march in step."""
    import duckdb

    deadline = time.monotonic() + seconds
    pause = 0.005
    with wait_in_line(path) as still_here:
        while True:
            try:
                if connection := _open(path, read_only=read_only):
                    return connection
            except (duckdb.IOException, duckdb.BinderException) as error:
                if not _held_by_another(error):
                    raise WarehouseError(f"{path} does not open as a DuckDB file: {error}") from error
                if time.monotonic() >= deadline:
                    raise WarehouseInUseError(_in_use(path, seconds, str(error))) from error
            still_here()
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 1.5, 0.1)


def _open(path: Path, *, read_only: bool) -> DuckDBPyConnection | None:
    """The connection; None when the file was replaced under our hands (compaction renames): what opened is the old."""
    import duckdb

    # Compaction renames a new file into place: writing to one that was replaced meanwhile would be lost.
    before = _identity(path)
    connection = duckdb.connect(config=settings(f"{path}.tmp"))
    try:
        how = "READ_ONLY" if read_only else f"ROW_GROUP_SIZE {_ROW_GROUP}"
        quoted = str(path).replace("'", "''")
        connection.execute(f"ATTACH '{quoted}' AS {NAME} ({how})")
        connection.execute(f"USE {NAME}")
        if before in (None, _identity(path)):
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode; None for no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _held_by_another(error: Exception) -> bool:
    """A lock of another process, or a connection of this one."""
    return "Could not set lock" in str(error) or "file handle conflict" in str(error)


def _in_use(path: Path, seconds: float, seen: str) -> str:
    holder = _HOLDER.search(seen)
    who = f"process {holder['pid']} ({holder['program']})" if holder else "another connection of this process"
    remedy = "end that process, or close its connection, and try again"
    return f"{path} is in use by {who} and stayed so for {seconds:g} s: {remedy}"
