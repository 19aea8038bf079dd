"""Ids lie in a file as they are: in new warehouses from the start, in older ones from their next compaction."""

import shutil
from pathlib import Path

from warehouse import connection, upkeep
from warehouse.connection import Warehouse
from warehouse.fingerprint import fingerprints
from warehouse.storage import plain_ids

FILL = """
INSERT INTO {table} BY NAME
SELECT CAST(format('01999999-{{:04x}}-7000-8000-{{}}', i // 9, md5(i::VARCHAR)[1:12]) AS UUID) AS event_id
FROM range({count}) AS t(i)
"""
METHODS = """
SELECT DISTINCT compression FROM pragma_storage_info('{table}')
WHERE column_name = 'event_id' AND segment_type <> 'VALIDITY'
"""


def _fill(warehouse: Warehouse, count: int) -> None:
    with warehouse.transaction() as writer:
        for table in plain_ids.TABLES:
            writer.execute(FILL.format(table=table, count=count))
    warehouse.checkpoint()


def _methods(warehouse: Warehouse) -> list[str]:
    with warehouse.read() as reader:
        return [
            method for table in plain_ids.TABLES for (method,) in reader.execute(METHODS.format(table=table)).fetchall()
        ]


def test_a_new_warehouse_keeps_its_ids_plain_and_so_does_its_compacted_copy(empty: Path, tmp_path: Path) -> None:
    warehouse = connection.open(shutil.copy(empty, tmp_path))
    _fill(warehouse, 40_000)
    assert _methods(warehouse) == ["Uncompressed", "Uncompressed"]
    upkeep.compact(warehouse.target)
    _fill(warehouse, 40_000)
    assert _methods(warehouse) == ["Uncompressed", "Uncompressed"]


def test_an_older_warehouse_keeps_its_rows_and_gets_plain_ids_by_compaction(empty: Path, tmp_path: Path) -> None:
    warehouse = connection.open(shutil.copy(empty, tmp_path))
    with warehouse.transaction() as writer:  # as it was made before
        for table in plain_ids.TABLES:
            writer.execute(f"CREATE OR REPLACE TABLE {table} AS FROM {table}")
    _fill(warehouse, 40_000)
    before = fingerprints(warehouse.target)
    with warehouse.connect() as connected:
        plain_ids.make(connected, "warehouse")  # as a migration would: there are rows, they stay
    assert _methods(warehouse) == ["BitPacking", "BitPacking"]
    upkeep.compact(warehouse.target)
    assert _methods(warehouse) == ["Uncompressed", "Uncompressed"]
    assert fingerprints(warehouse.target) == before
