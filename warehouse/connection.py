"""Open a warehouse by its target: one function for both back ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.storage.backend import Target, Warehouse
from warehouse.storage.file import FileWarehouse
from warehouse.storage.lake import PREFIX, LakeWarehouse
from warehouse.storage.transaction import WarehouseError, in_transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Target", "Warehouse", "WarehouseError", "open"]


def open(target: Target, *, wait_seconds: float = 30.0) -> Warehouse:  # noqa: A001
    """The warehouse at a target. Nothing is opened yet, and nothing made: `migrate()` does that.

    Args:
        target: The path of a DuckDB file (one machine), or `ducklake:postgres:KEYWORDS;data=FOLDER` (several writers):
            libpq's keywords for the catalogue, and the folder of the Parquet files, which all writers share.
        wait_seconds: How long one access waits for another writer.

    Raises:
        WarehouseError: A lake's target that cannot be read.

    Example:
        >>> open("data/warehouse.duckdb").name
        'data/warehouse.duckdb'
        >>> open("ducklake:postgres:dbname=lake host=db password=secret;data=/data/lake").name
        'ducklake:postgres:dbname=lake host=db password=***;data=/data/lake'
    """
    if str(target).startswith(PREFIX):
        return LakeWarehouse(str(target), wait_seconds, _rejudge)
    if str(target).startswith("ducklake:"):
        raise WarehouseError(f"the catalogue of a lake lies in PostgreSQL: write {PREFIX}KEYWORDS;data=FOLDER")
    return FileWarehouse(target, wait_seconds, _rejudge)


def _rejudge(connection: DuckDBPyConnection) -> None:
    from warehouse.adversary import online
    from warehouse.rollup import sums

    if online.outdated(connection):
        with in_transaction(connection):
            online.flag_all(connection)
    if sums.outdated(connection):
        with in_transaction(connection):
            sums.rebuild(connection)
