"""Opening, transactions, migrations and versions, on both back ends; then what is the file's own."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import warehouse as package
from warehouse.connection import Warehouse
from warehouse.storage import migrate
from warehouse.storage.transaction import WarehouseError, WarehouseInUseError

HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def test_a_transaction_that_raises_leaves_nothing(warehouse: Warehouse) -> None:
    def stop_half_way() -> None:
        with warehouse.transaction() as writer:
            writer.execute("INSERT INTO responses (response_id) VALUES ('ann')")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        stop_half_way()
    with warehouse.read() as reader:
        assert reader.execute("SELECT count(*) FROM responses").fetchone() == (0,)


def test_duckdb_has_no_more_threads_than_the_process_is_meant_to_have(
    targets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with targets.migrated().read() as reader:
        assert reader.execute("SELECT current_setting('threads')").fetchone() == (1,)


def test_two_readers_share_the_warehouse(warehouse: Warehouse) -> None:
    with warehouse.read() as one, warehouse.read() as other:
        assert one.execute("SELECT 1").fetchone() == other.execute("SELECT 1").fetchone()


def test_a_reader_cannot_write(warehouse: Warehouse) -> None:
    import duckdb

    with warehouse.read() as reader, pytest.raises(duckdb.Error, match="read-only"):
        reader.execute("DELETE FROM responses")


def test_a_warehouse_that_is_not_there_says_how_to_make_one(targets: Any) -> None:
    with pytest.raises(WarehouseError, match=r"no warehouse at .*migrate"), package.open(targets.new()).read():
        pass


def test_migrations_are_applied_once_and_in_order(targets: Any) -> None:
    fresh = package.open(targets.new("fresh"))
    names = fresh.migrate()
    assert names == sorted(names)
    assert names[0] == "018_tables"
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


def test_a_warehouse_of_an_older_version_asks_to_be_migrated_and_keeps_its_rows(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warehouse.transaction() as writer:
        writer.execute("INSERT INTO responses (response_id) VALUES ('r1')")
    note = migrate.Migration(20, "020_mood", "ALTER TABLE responses ADD COLUMN mood VARCHAR")
    newer = (*migrate.migrations(), note)
    monkeypatch.setattr(migrate, "migrations", lambda: newer)
    with pytest.raises(WarehouseError, match=r"at schema version 19, .* 20: run `loveloop warehouse migrate`"):
        warehouse.read().__enter__()
    assert warehouse.migrate() == ["020_mood"]
    assert warehouse.migrate() == []
    with warehouse.read() as reader:
        assert reader.execute("SELECT response_id, mood FROM responses").fetchall() == [("r1", None)]


def test_a_warehouse_of_a_preview_is_refused_with_the_way_out(warehouse: Warehouse) -> None:
    with warehouse.transaction() as writer:
        writer.execute("UPDATE schema_migrations SET version = 12")
    for access in (warehouse.migrate, lambda: warehouse.read().__enter__()):
        with pytest.raises(WarehouseError, match=r"version 12, of a preview; .* from 18 on: export its events"):
            access()


def test_a_warehouse_stores_tables_alone(warehouse: Warehouse) -> None:
    with warehouse.read() as reader:
        found = "SELECT view_name, temporary FROM duckdb_views() WHERE NOT internal"
        stored = [row for row in reader.execute(found).fetchall() if not row[1]]
        found = "SELECT function_name FROM duckdb_functions() WHERE NOT internal AND database_name != 'temp'"
        assert (stored, reader.execute(found).fetchall()) == ([], [])
        assert reader.execute("SELECT count(*) FROM clean_feedback").fetchone() == (0,)


@pytest.mark.slow
def test_a_file_held_by_another_process_is_waited_for_and_then_refused_with_its_holder(empty: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(empty)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        impatient = package.open(empty, wait_seconds=0.3)
        with (
            pytest.raises(WarehouseInUseError, match=rf"in use by process {holder.pid} .* end that process"),
            impatient.read(),
        ):
            pass
        assert holder.stdin is not None
        holder.stdin.close()
    with package.open(empty).read() as reader:
        assert reader.execute("SELECT count(*) FROM responses").fetchone() == (0,)


def test_a_file_that_was_replaced_while_it_was_being_opened_is_opened_anew(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    import duckdb

    path, other = Path(shutil.copy(empty, tmp_path / "w.duckdb")), Path(shutil.copy(empty, tmp_path / "new.duckdb"))
    with package.open(other).transaction() as writer:
        writer.execute("INSERT INTO responses (response_id) VALUES ('of the new file')")
    package.open(other).checkpoint()
    plain = duckdb.connect

    def connect_too_late(*arguments: Any, **options: Any) -> Any:
        opened = plain(*arguments, **options)
        if other.exists():
            other.replace(path)
        return opened

    monkeypatch.setattr(duckdb, "connect", connect_too_late)
    with package.open(path).read() as reader:
        assert reader.execute("SELECT response_id FROM responses").fetchall() == [("of the new file",)]


def test_a_file_of_another_kind_is_not_opened(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("not a database" * 1000)
    with pytest.raises(WarehouseError, match="does not open as a DuckDB file"), package.open(other).read():
        pass
    assert other.read_text().startswith("not a database")
