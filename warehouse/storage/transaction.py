"""What every access to the warehouse shares: its errors, and a transaction that is committed wholly or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class WarehouseError(RuntimeError):
    """Something about the warehouse that its user can put right; the text says how."""


class WarehouseInUseError(WarehouseError):
    """Another writer held the warehouse for longer than we were willing to wait."""


class WarehouseConflictError(WarehouseError):
    """Another writer committed while this transaction ran. Nothing of it was stored: read again, then work again."""


class WarehouseFullError(WarehouseError):
    """No room is left on the disk. What was committed before is safe, and the failed transaction left nothing."""


@contextmanager
def enough_room(folder: str | Path) -> Iterator[None]:
    """Name the disk and the next step when the block fails because the disk under a folder is full.

    Raises:
        WarehouseFullError: It is full.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, WarehouseFullError) or not _full(error):
            raise
        free = shutil.disk_usage(folder).free
        raise WarehouseFullError(
            f"the disk of {folder} is full, {free:,} bytes are free ({error}). What was committed is safe: make room "
            "and run the same command again, it goes on where it was"
        ) from error


def _full(error: Exception) -> bool:
    return any(words in str(error) for words in ("No space left on device", "Disk quota exceeded"))


@contextmanager
def in_transaction(connection: DuckDBPyConnection) -> Iterator[None]:
    """Commit when the block ends, roll back when it raises.

    Raises:
        WarehouseConflictError: Another transaction changed the same; this one is rolled back.
    """
    import duckdb

    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # a fatal error (a full disk) has ended the transaction already
            connection.execute("ROLLBACK")
        raise
    try:
        connection.execute("COMMIT")
    except duckdb.TransactionException as error:
        if _full(error):
            raise
        raise WarehouseConflictError(
            "another writer committed while this transaction ran, nothing of it was stored; try again"
        ) from error
