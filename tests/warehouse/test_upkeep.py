"""Compaction and purging: the same content in fewer bytes, nothing left of what was deleted, no commit lost."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from warehouse import upkeep
from warehouse.connection import Warehouse
from warehouse.fingerprint import fingerprints
from warehouse.storage.transaction import WarehouseConflictError, WarehouseError

SECRET = "Quetzalcoatl"

WRITER = """
import itertools, select, sys
from warehouse import connection
for number in itertools.count():
    with connection.open(sys.argv[1]).transaction() as writer:
        writer.execute("INSERT INTO responses (response_id) VALUES (?)", [f"w{number}"])
    print(number + 1, flush=True)
    if select.select([sys.stdin], [], [], 0)[0]:
        break
"""


def fill(feed: Any, product: Any, batches: int = 6) -> None:
    """Small batches, one of them of a user who is deleted afterwards."""
    for batch in range(batches):
        at = product.noon + timedelta(minutes=batch)
        lines = [product.served(f"r{batch}-{n}", f"user-{n}", at, response=f"{n} {product.text}") for n in range(20)]
        feed.pour(*lines, product.reacted(f"r{batch}-1", "user-1", at + timedelta(seconds=30)))
    feed.pour(product.served("gone", "leaver", response=f"{SECRET} " * 9))
    feed.pour(product.served("gone too", "leaver", response=f"zzz {SECRET} " * 9))
    with feed.warehouse.transaction() as writer:
        writer.execute("DELETE FROM responses WHERE user_id = 'leaver'")


@pytest.mark.slow
def test_compaction_changes_no_content_and_leaves_fewer_files_or_bytes(feed: Any, product: Any) -> None:
    fill(feed, product, batches=3)
    content = fingerprints(feed.warehouse.target)
    upkeep.compact(feed.warehouse.target, keep_days=0)
    done = upkeep.purge(feed.warehouse.target)
    assert fingerprints(feed.warehouse.target) == content
    assert (done.after.files, done.after.bytes) <= (done.before.files, done.before.bytes)
    feed.pour(product.served("after", "user-1"))
    assert feed.ask("SELECT count(*) FROM responses") == [(61,)]
    assert feed.ask("SELECT kind FROM upkeep ORDER BY finished_at") == [("compact",), ("purge",)]


@pytest.mark.slow
def test_a_dry_run_changes_nothing(feed: Any, product: Any) -> None:
    fill(feed, product, batches=1)
    before = _bytes(feed.warehouse)
    planned = upkeep.compact(feed.warehouse.target, dry_run=True)
    assert _bytes(feed.warehouse) == before
    assert planned.before == planned.after
    assert feed.ask("FROM upkeep") == []
    assert planned.steps


@pytest.mark.slow
def test_after_a_purge_no_byte_of_a_deleted_row_is_left(feed: Any, product: Any, targets: Any) -> None:
    feed.pour(*(product.served(f"r{n}", f"user-{n}") for n in range(3)))
    fill(feed, product, batches=1)
    assert SECRET.encode() in b"".join(_bytes(feed.warehouse).values())
    upkeep.purge(feed.warehouse.target)
    assert SECRET.encode() not in b"".join(_bytes(feed.warehouse).values())
    if hasattr(targets, "server"):
        (database,) = targets.made
        assert _in_catalogue(targets.server, database) == {}


@pytest.mark.slow
def test_after_a_purge_another_writers_old_statistics_do_not_bring_a_text_back(lakes: Any, product: Any) -> None:
    warehouse = lakes.migrated()
    (database,) = lakes.made
    with warehouse.transaction() as writer:  # this process has the statistics now
        writer.execute("INSERT INTO responses (response) VALUES (?), ('m')", [f"zzz {SECRET}"])
    with warehouse.transaction() as writer:
        writer.execute("INSERT INTO responses (response) VALUES ('n')")
        writer.execute("DELETE FROM responses WHERE response LIKE 'zzz%'")
    assert _in_catalogue(lakes.server, database) != {}
    script = "import sys; from warehouse import upkeep; upkeep.purge(sys.argv[1])"
    subprocess.run([sys.executable, "-c", script, str(warehouse.target)], check=True)
    with warehouse.transaction() as writer:
        writer.execute("INSERT INTO responses (response) VALUES ('o')")
    assert _in_catalogue(lakes.server, database) == {}
    with warehouse.read() as reader:
        found = reader.execute("SELECT response FROM responses WHERE response > 'a' ORDER BY ALL").fetchall()
    assert found == [("m",), ("n",), ("o",)]


@pytest.mark.slow
def test_a_lake_is_merged_into_few_files_and_forgets_old_snapshots(lakes: Any, product: Any, feed_on: Any) -> None:
    feed = feed_on(lakes.migrated())
    fill(feed, product)
    folder = lakes.directory / "warehouse" / "main" / "responses"
    assert len(list(folder.glob("*.parquet"))) > 6
    upkeep.purge(feed.warehouse.target)
    assert len(list(folder.glob("*.parquet"))) == 1
    with feed.warehouse.read() as reader:
        assert len(reader.execute("SELECT * FROM ducklake_snapshots('lake')").fetchall()) <= 2


@pytest.mark.slow
def test_files_that_a_reader_may_still_need_stay_for_an_hour(lakes: Any, product: Any, feed_on: Any) -> None:
    feed = feed_on(lakes.migrated())
    fill(feed, product, batches=2)
    with feed.warehouse.read() as reader:
        before = reader.execute("SELECT count(*), max(response) FROM responses").fetchone()
        upkeep.compact(feed.warehouse.target, keep_days=0)
        assert reader.execute("SELECT count(*), max(response) FROM responses").fetchone() == before


@pytest.mark.slow
def test_a_transaction_that_began_before_upkeep_cannot_commit_after_it(lakes: Any) -> None:
    warehouse = lakes.migrated()

    def overtaken() -> None:
        from warehouse.storage.transaction import in_transaction

        with warehouse.connect() as late, in_transaction(late):  # as a writer who was stopped and lost its turn
            late.execute("INSERT INTO responses (response_id) SELECT 'late' FROM range(1000)")
            upkeep.compact(warehouse.target)

    with pytest.raises(WarehouseConflictError):
        overtaken()
    with warehouse.read() as reader:
        assert reader.execute("SELECT count(*) FROM responses").fetchone() == (0,)


@pytest.mark.slow
def test_no_commit_is_lost_while_a_warehouse_is_compacted_again_and_again(targets: Any) -> None:
    warehouse = targets.migrated()
    command = [sys.executable, "-c", WRITER, str(warehouse.target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdout.readline()
        for _ in range(3):
            upkeep.compact(warehouse.target, keep_days=0)
            committed = int(writer.stdout.readline())
        writer.stdin.close()  # the writer sees the end after its next commit
        committed = [committed, *map(int, writer.stdout)][-1]
    assert writer.returncode == 0
    assert committed > 1
    with warehouse.read() as reader:
        assert reader.execute("SELECT count(DISTINCT response_id) FROM responses").fetchone() == (committed,)


def test_a_compaction_that_was_killed_leaves_the_old_file_and_the_next_one_cleans_up(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1"))
    if not isinstance(feed.warehouse.target, Path):
        pytest.skip("a lake is not copied")
    leftover = feed.warehouse.target.with_name(feed.warehouse.target.name + ".compacting")
    leftover.write_bytes(b"half a copy")
    upkeep.compact(feed.warehouse.target)
    assert not leftover.exists()
    assert feed.ask("SELECT response_id FROM responses") == [("r1",)]


def test_a_warehouse_of_another_version_is_left_alone(warehouse: Warehouse) -> None:
    with warehouse.transaction() as writer:
        writer.execute("INSERT INTO schema_migrations VALUES (999, '999_future', now())")
    with pytest.raises(WarehouseError, match="schema version 999"):
        upkeep.compact(warehouse.target)


def _bytes(warehouse: Warehouse) -> dict[str, bytes]:
    """Every file of a warehouse."""
    target = str(warehouse.target)
    folder = Path(target.rpartition(";data=")[2])
    paths = folder.rglob("*") if ";data=" in target else folder.parent.glob(folder.name + "*")
    return {str(path): path.read_bytes() for path in paths if path.is_file()}


def _in_catalogue(server: Any, database: str) -> dict[str, int]:
    """In which of the catalogue's tables the secret still is, PostgreSQL's own samples included."""
    tables = [row[0] for row in server.run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", database)]
    asked = {table: f"SELECT count(*) FROM {table} AS row WHERE row::text LIKE '%{SECRET}%'" for table in tables}
    asked["pg_stats"] = (
        f"SELECT count(*) FROM pg_stats WHERE (most_common_vals::text || histogram_bounds::text) LIKE '%{SECRET}%'"
    )
    return {table: rows for table, query in asked.items() if (rows := server.run(query, database)[0][0])}
