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
    """Another process held the file for longer than we were willing to wait."""


@contextmanager
def in_transaction(connection: DuckDBPyConnection) -> Iterator[None]:
    """Commit when the block ends, roll back when it raises."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
