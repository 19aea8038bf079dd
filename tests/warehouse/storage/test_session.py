"""A writer that keeps the file open between its transactions, and those who wait for it."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from warehouse import connection
from warehouse.storage.file_queue import anybody_waits, wait_in_line

INSERT = "INSERT INTO flags (rule) VALUES ('r')"
READ = """
import sys
from warehouse import connection
with connection.open(sys.argv[1]).read() as reader:
    print(reader.execute("SELECT count(*) > 0 FROM flags").fetchone()[0])
"""


def test_every_transaction_of_a_session_is_stored_by_itself(warehouse: Any, feed: Any) -> None:
    session = warehouse.session()
    with session.transaction() as writer:
        writer.execute(INSERT)
    with pytest.raises(duckdb.ConversionException), session.transaction() as writer:
        writer.execute(f"{INSERT}; SELECT 'x'::INTEGER")
    with session.transaction() as writer:
        writer.execute(INSERT)
    session.release()
    session.release()  # once more does no harm
    assert feed.ask("SELECT count(*) FROM flags") == [(2,)]


def test_a_long_log_is_folded_in_when_the_session_lets_go(empty: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(empty, tmp_path))
    session = connection.open(path).session()
    with session.transaction() as writer:
        writer.execute("INSERT INTO flags (evidence) SELECT repeat(md5(i::VARCHAR), 10) FROM range(20_000) AS t(i)")
    log = path.with_name(path.name + ".wal")
    assert log.stat().st_size > 2_000_000
    session.release()
    assert not log.exists() or log.stat().st_size < 2_000_000


@pytest.mark.slow
def test_a_reader_gets_in_between_the_transactions_of_a_writer_that_never_rests(empty: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(empty, tmp_path))
    session = connection.open(path).session()
    with session.transaction() as writer:
        writer.execute(INSERT)
    reader = subprocess.Popen([sys.executable, "-c", READ, str(path)], stdout=subprocess.PIPE, text=True)
    while reader.poll() is None:
        with session.transaction() as writer:
            writer.execute(INSERT)
    session.release()
    assert reader.communicate()[0] == "True\n"
    assert not list(path.parent.glob("*.waiting-*"))


def test_who_waits_is_seen_until_it_stops_waiting(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with wait_in_line(path) as still_here:
        assert not anybody_waits(path)
        still_here()
        assert anybody_waits(path)
    assert not anybody_waits(path)
