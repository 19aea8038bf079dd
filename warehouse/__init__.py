"""The warehouse: plain SQL on a DuckDB file or a DuckLake, filled by exactly-once ingest, read in short transactions.

`open(target)` is the way in; everything else (ingest, training sets, queries) takes the target and opens it for one
transaction.
"""

from warehouse.connection import Warehouse, open  # noqa: A004
from warehouse.storage.transaction import WarehouseConflictError, WarehouseError, WarehouseInUseError

__all__ = ["Warehouse", "WarehouseConflictError", "WarehouseError", "WarehouseInUseError", "open"]
