"""What is the lake's own: turns of writers, snapshots of readers, and what its errors say."""

import subprocess
import sys
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from warehouse import connection
from warehouse.connection import Warehouse
from warehouse.storage.lake import INLINED, LakeWarehouse
from warehouse.storage.transaction import WarehouseConflictError, WarehouseError, WarehouseInUseError
from warehouse.storage.writers_lock import unanswered

NOT_THERE = "ducklake:postgres:dbname=lake host=127.0.0.1 port=1 user=ann password='my secret';data=/tmp/lake"


@pytest.fixture
def lake(lakes: Any) -> LakeWarehouse:
    """A migrated lake."""
    made: LakeWarehouse = lakes.migrated()
    return made


def test_a_target_without_a_folder_says_how_to_write_one() -> None:
    lake = connection.open("ducklake:postgres:dbname=lake password=secret")
    with pytest.raises(WarehouseError, match=r"password=\*\*\* names no folder .*;data=FOLDER"), lake.read():
        pass


@pytest.mark.slow
@pytest.mark.parametrize("access", ["read", "transaction"])
def test_a_catalogue_that_does_not_answer_is_named_without_its_password(access: str) -> None:
    with pytest.raises(WarehouseError, match="Connection refused") as seen:  # noqa: SIM117
        with getattr(connection.open(NOT_THERE), access)():
            pass
    assert "secret" not in str(seen.value)
    assert "port=1" in str(seen.value)
    assert seen.value.__cause__ is None


@pytest.mark.slow
@pytest.mark.parametrize("access", ["read", "transaction"])
@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ("host=nosuchhost.invalid dbname=x", r'not answer \(could not translate host name "nosuchhost.invalid" to add'),
        ("host=127.0.0.1 port=1 dbname=x", r"not answer \(connection to server at .* refused\): is PostgreSQL up"),
        ("host=127.0.0.1 port=99999 dbname=x", r'not answer \(invalid port number: "99999"\)'),
        ("host=/nowhere dbname=x", r"not answer \(.*No such file or directory\)"),
        ("lake", r"has keywords that libpq cannot read; write dbname="),
        ("host='127.0.0.1", r"has keywords that libpq cannot read; write dbname="),
    ],
)
def test_whatever_keeps_libpq_from_the_catalogue_is_one_sentence(access: str, keywords: str, said: str) -> None:
    with pytest.raises(WarehouseError, match=said) as seen:  # noqa: SIM117
        with getattr(connection.open(f"ducklake:postgres:{keywords};data=/tmp/lake"), access)():
            pass
    assert "\n" not in str(seen.value)


def test_a_failure_without_words_is_told_too() -> None:
    assert "it does not say why" in unanswered("lake", "")


def test_another_catalogue_than_postgresql_s_is_refused() -> None:
    with pytest.raises(WarehouseError, match="write ducklake:postgres:"):
        connection.open("ducklake:sqlite:lake.db")


@pytest.mark.slow
def test_a_reader_sees_the_snapshot_at_which_it_began_and_waits_for_no_writer(lake: Warehouse) -> None:
    with lake.read() as reader:
        assert reader.execute("SELECT count(*) FROM responses").fetchone() == (0,)
        with lake.transaction() as writer:
            writer.execute("INSERT INTO responses (response_id) VALUES ('ann')")
            with lake.read() as other:
                assert other.execute("SELECT count(*) FROM responses").fetchone() == (0,)
        assert reader.execute("SELECT count(*) FROM responses").fetchone() == (0,)
    with lake.read() as reader:
        assert reader.execute("SELECT count(*) FROM responses").fetchone() == (1,)


@pytest.mark.slow
def test_writers_take_turns(lake: Warehouse) -> None:
    def count_up() -> None:
        for _ in range(5):
            with lake.transaction() as writer:
                (number,) = writer.execute("SELECT count(*) FROM lift_ledger").fetchone() or (0,)
                writer.execute("INSERT INTO lift_ledger (candidate) VALUES (?)", [str(number)])

    threads = [threading.Thread(target=count_up) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with lake.read() as reader:
        found = reader.execute("SELECT candidate FROM lift_ledger ORDER BY candidate::INTEGER").fetchall()
    assert found == [(str(number),) for number in range(15)]


@pytest.mark.slow
def test_a_writer_waits_its_turn_and_then_names_who_has_it(lake: LakeWarehouse, postgres: Any) -> None:
    from warehouse.storage.writers_lock import WritersLock

    elsewhere = WritersLock(lake.keywords, lake.name)  # as another process has it
    with elsewhere.hold(5, 60):
        impatient = replace(lake, wait_seconds=0.2)
        with pytest.raises(WarehouseInUseError, match=r"PostgreSQL's process \d+ \(loveloop \d+"), impatient.turn():
            pass
    elsewhere.close()
    with lake.transaction() as writer:
        writer.execute("INSERT INTO responses (response_id) VALUES ('ann')")


@pytest.mark.slow
def test_a_writer_that_was_stopped_loses_its_turn_and_its_late_commit_is_refused(lake: LakeWarehouse) -> None:
    import duckdb

    zombie = lake.turn(idle_seconds=0.2)
    zombie.__enter__()
    with lake.connect() as connected:
        connected.execute("BEGIN")
        connected.execute("INSERT INTO responses (response_id) VALUES ('of the zombie')")
        time.sleep(0.6)  # PostgreSQL has cut off its session meanwhile
        other = connection.open(str(lake.target).replace(" port=", "  port="))  # a key of its own, as another process
        with other.transaction() as writer:
            writer.execute("INSERT INTO responses (response_id) VALUES ('of the other')")
        other.close()
        with pytest.raises(duckdb.TransactionException):
            connected.execute("COMMIT")
    zombie.__exit__(None, None, None)
    with lake.read() as reader:
        assert reader.execute("SELECT response_id FROM responses").fetchall() == [("of the other",)]


@pytest.mark.slow
def test_a_commit_that_another_writer_overtook_is_told_apart(lake: Warehouse) -> None:
    def overtaken() -> None:
        with lake.transaction() as writer:
            writer.execute("INSERT INTO responses (response_id) VALUES ('first')")
            with lake.connect() as overtaking:  # without a turn
                overtaking.execute("INSERT INTO responses (response_id) VALUES ('second')")

    with pytest.raises(WarehouseConflictError, match="nothing of it was stored"):
        overtaken()
    with lake.read() as reader:
        assert reader.execute("SELECT response_id FROM responses").fetchall() == [("second",)]


@pytest.mark.slow
def test_postgresql_may_be_restarted_between_two_transactions(lake: Warehouse, postgres: Any) -> None:
    with lake.transaction() as writer:
        writer.execute("INSERT INTO responses (response_id) VALUES ('before')")
    postgres.stop()
    postgres.start()
    with lake.transaction() as writer:
        writer.execute("INSERT INTO responses (response_id) VALUES ('after')")
    with lake.read() as reader:
        assert reader.execute("SELECT count(*) FROM responses").fetchone() == (2,)


@pytest.mark.slow
def test_rows_about_users_lie_in_files_and_never_in_the_catalogue(lake: Warehouse, lakes: Any) -> None:
    with lake.transaction() as writer:
        writer.execute("INSERT INTO responses (response_id) VALUES ('r1')")
        writer.execute("INSERT INTO ingest_positions (topic) VALUES ('events')")
    (database,) = lakes.made
    inlined = lakes.server.run("SELECT table_name, table_id FROM ducklake_inlined_data_tables", database)
    names = dict(lakes.server.run("SELECT table_id, table_name FROM ducklake_table", database))
    rows = {names[each]: lakes.server.run(f"SELECT count(*) FROM {table}", database)[0][0] for table, each in inlined}
    assert {name for name, held in rows.items() if held} <= set(INLINED)
    assert rows["ingest_positions"] == 1
    assert len(list(lakes.directory.glob("warehouse/main/responses/*.parquet"))) == 1


@pytest.mark.slow
def test_of_two_processes_that_make_a_lake_at_once_both_keep_positions_in_the_catalogue(lakes: Any) -> None:
    target = lakes.new()
    script = "import sys; from warehouse import open as o; w = o(sys.argv[1]); w.migrate()\n"
    script += "with w.transaction() as t: t.execute('INSERT INTO ingest_positions (topic) VALUES (?)', [sys.argv[2]])"
    commands = [[sys.executable, "-c", script, target, topic] for topic in ("one", "other")]
    started = [subprocess.Popen(command) for command in commands]
    assert [each.wait(60) for each in started] == [0, 0]
    with connection.open(target).read() as reader:
        assert reader.execute("SELECT topic FROM ingest_positions ORDER BY ALL").fetchall() == [("one",), ("other",)]
        files = "SELECT sum(file_count) FROM ducklake_table_info('lake') WHERE table_name = 'ingest_positions'"
        assert reader.execute(files).fetchone() == (0,)
