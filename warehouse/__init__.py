"""The warehouse: plain SQL on one DuckDB file, filled by exactly-once ingest, read through short transactions.

`open(path)` is the way in; everything else (ingest, training sets, queries) takes the path and opens it for one
transaction.
"""

from warehouse.connection import Warehouse, open  # noqa: A004
from warehouse.transaction import WarehouseError, WarehouseInUseError

__all__ = ["Warehouse", "WarehouseError", "WarehouseInUseError", "open"]
