import subprocess
import sys
from pathlib import Path

import pytest

import warehouse as package
from warehouse.connection import Warehouse
from warehouse.transaction import WarehouseError, WarehouseInUseError

HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def test_a_file_held_by_another_process_is_waited_for_and_then_refused_with_its_holder(warehouse: Warehouse) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(warehouse.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        impatient = Warehouse(warehouse.path, wait_seconds=0.3)
        with (
            pytest.raises(WarehouseInUseError, match=rf"in use by process {holder.pid} .* end that process"),
            impatient.read(),
        ):
            pass
        assert holder.stdin is not None
        holder.stdin.close()
    with warehouse.read() as reader:
        assert reader.execute("SELECT count(*) FROM responses").fetchone() == (0,)


def test_a_transaction_that_raises_leaves_nothing(warehouse: Warehouse) -> None:
    def stop_half_way() -> None:
        with warehouse.transaction() as writer:
            writer.execute("INSERT INTO erasures (user_id) VALUES ('ann')")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        stop_half_way()
    with warehouse.read() as reader:
        assert reader.execute("SELECT count(*) FROM erasures").fetchone() == (0,)


def test_two_readers_share_the_file(warehouse: Warehouse) -> None:
    with warehouse.read() as one, warehouse.read() as other:
        assert one.execute("SELECT 1").fetchone() == other.execute("SELECT 1").fetchone()


def test_a_warehouse_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match=r"no warehouse at .*migrate"), Warehouse(tmp_path / "none.duckdb").read():
        pass


def test_a_file_of_another_kind_is_not_opened(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("not a database" * 1000)
    with pytest.raises(WarehouseError, match="does not open as a DuckDB file"), Warehouse(other).read():
        pass
    assert other.read_text().startswith("not a database")


def test_a_ducklake_url_is_refused() -> None:
    with pytest.raises(WarehouseError, match="not DuckLake"):
        package.open("ducklake:postgres:dbname=love")


def test_migrations_are_applied_once_and_in_order(tmp_path: Path) -> None:
    fresh = package.open(tmp_path / "sub" / "new.duckdb")
    names = fresh.migrate()
    assert names == sorted(names)
    assert names[0] == "001_tables"
    assert fresh.migrate() == []
    assert fresh.status().pending == []
    with fresh.read() as reader:
        assert reader.execute("SELECT name FROM schema_migrations ORDER BY version").fetchall() == [(n,) for n in names]


def test_a_warehouse_of_a_newer_version_is_refused_and_left_alone(warehouse: Warehouse) -> None:
    with warehouse.transaction() as writer:
        writer.execute("INSERT INTO schema_migrations VALUES (999, '999_future', now())")
    for access in (
        warehouse.migrate,
        lambda: warehouse.read().__enter__(),
        lambda: warehouse.transaction().__enter__(),
    ):
        with pytest.raises(
            WarehouseError, match=r"schema version 999, this program knows up to .* nothing was changed"
        ):
            access()


def test_a_warehouse_of_an_older_version_asks_to_be_migrated(warehouse: Warehouse) -> None:
    with warehouse.transaction() as writer:
        writer.execute("DELETE FROM schema_migrations WHERE version > 1")
    with pytest.raises(WarehouseError, match="run `loveloop warehouse migrate`"), warehouse.read():
        pass
