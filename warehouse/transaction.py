"""What every access to the warehouse shares: its errors, and a transaction that is committed wholly or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class WarehouseError(RuntimeError):
    """Something about the warehouse that its user can put right; the text says how."""


class WarehouseInUseError(WarehouseError):
    """Another writer held the warehouse for longer than we were willing to wait."""


class WarehouseConflictError(WarehouseError):
    """Another writer committed while this transaction ran. Nothing of it was stored: read again, then work again."""


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
        connection.execute("ROLLBACK")
        raise
    try:
        connection.execute("COMMIT")
    except duckdb.TransactionException as error:
        raise WarehouseConflictError(
            "another writer committed while this transaction ran, nothing of it was stored; try again"
        ) from error
