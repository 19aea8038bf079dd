import gzip
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from warehouse.fingerprint import fingerprints
from warehouse.storage.transaction import WarehouseError
from warehouse.transfer import files, import_check, importing, mappings
from warehouse.transfer.foreign import Columns

ROOT = Path(__file__).resolve().parents[3]
HEARTS = Columns(
    {"user_id": "uid", "response_id": "message", "reacted_at": "at", "reaction": "emoji"},
    {"action": "added", "session_id": "none"},
    "reaction_changed",
    "UTC",
)


def hearts(number: int = 3) -> list[dict[str, Any]]:
    noon = datetime(2026, 3, 1, 12)
    return [{"uid": n, "message": f"r{n}", "at": noon + timedelta(seconds=n), "emoji": "Love"} for n in range(number)]


def jsonl(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def positions(warehouse: Any) -> list[tuple[Any, ...]]:
    with warehouse.read() as reader:
        return reader.execute(
            "SELECT topic, next_offset, events, duplicates, dead_letters FROM ingest_positions ORDER BY ALL"
        ).fetchall()


def bring(warehouse: Any, *paths: Path, columns: Columns | None = None) -> importing.ImportReport:
    return importing.import_files(warehouse.target, paths, columns, progress=False)


@pytest.mark.slow
def test_a_file_is_what_the_same_lines_from_a_broker_are(feed: Any, product: Any, targets: Any, tmp_path: Path) -> None:
    old = product.reacted("r-0-0").replace(b'"love"', b'" Love"').replace(b'"schema_version":2', b'"schema_version":1')
    lines = [*product.day(), b"{broken", old]
    feed.pour(*lines)
    other = targets.migrated("other")
    done = bring(other, jsonl(tmp_path / "day.jsonl", lines))
    assert fingerprints(other.target) == fingerprints(feed.warehouse.target)
    assert (done.files, done.events, done.dead_letters) == (1, len(lines), 1)
    assert done.events == sum(done.rows.values()) + done.duplicates + done.dead_letters + done.erased


@pytest.mark.slow
def test_the_same_file_again_does_nothing_under_another_name_too(warehouse: Any, product: Any, tmp_path: Path) -> None:
    first = jsonl(tmp_path / "day.jsonl", [product.served("r1"), product.reacted("r1"), b"[]"])
    bring(warehouse, first)
    before = fingerprints(warehouse.target), positions(warehouse)
    done = bring(warehouse, first)
    assert (done.files, done.finished_before, done.events) == (0, 1, 0)
    done = bring(warehouse, first.rename(tmp_path / "renamed.ndjson"))
    assert (done.files, done.finished_before, done.events) == (0, 1, 0)
    assert (fingerprints(warehouse.target), positions(warehouse)) == before


@pytest.mark.slow
def test_other_files_with_the_same_rows_bring_duplicates_only(warehouse: Any, product: Any, tmp_path: Path) -> None:
    lines = [product.served("r1"), product.reacted("r1")]
    bring(warehouse, jsonl(tmp_path / "a.jsonl", lines))
    (tmp_path / "a.jsonl").unlink()
    done = bring(warehouse, jsonl(tmp_path / "a.jsonl", [*reversed(lines), product.served("r2")]))
    assert (done.duplicates, done.rows["responses"]) == (2, 1)
    assert [row[1:] for row in positions(warehouse)] in ([(1, 3, 2, 0), (1, 2, 0, 0)], [(1, 2, 0, 0), (1, 3, 2, 0)])


@pytest.mark.slow
def test_rows_of_another_table_become_events_once_in_whatever_file_they_come(warehouse: Any, tmp_path: Path) -> None:
    table = pa.Table.from_pylist(hearts())
    pq.write_table(table.append_column("junk", pa.array([1, 2, 3])), tmp_path / "hearts.parquet")
    done = bring(warehouse, tmp_path / "hearts.parquet", columns=HEARTS)
    assert (done.rows["reactions"], done.dead_letters) == (3, 0)
    rows = [row | {"at": row["at"].isoformat()} for row in hearts(4)]
    (tmp_path / "more.json").write_text(json.dumps(rows, indent=2))
    done = bring(warehouse, tmp_path / "more.json", columns=HEARTS)
    assert (done.rows["reactions"], done.duplicates, done.dead_letters) == (1, 3, 0)
    with warehouse.read() as reader:
        assert reader.execute("SELECT DISTINCT reaction, extra, schema_version FROM reactions").fetchall() == [
            ("love", None, 1)
        ]


@pytest.mark.slow
def test_nanoseconds_and_parts_of_row_groups_are_read(warehouse: Any, tmp_path: Path) -> None:
    table = pa.Table.from_pylist(hearts(1000))
    table = table.set_column(2, "at", table["at"].cast(pa.timestamp("ns")))
    pq.write_table(table, tmp_path / "hearts.parquet", row_group_size=300)
    assert [len(list(files.lines(tmp_path / "hearts.parquet", HEARTS, skip=n))) for n in (0, 299, 300, 650, 1000)] == [
        1000, 701, 700, 350, 0
    ]  # fmt: skip
    assert bring(warehouse, tmp_path / "hearts.parquet", columns=HEARTS).rows["reactions"] == 1000


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["jsonl", "ndjson.gz", "json.zst", "json"])
def test_lines_are_read_byte_by_byte_whatever_the_compression(product: Any, tmp_path: Path, suffix: str) -> None:
    lines = [product.served(f"r{n}", response="x" * n) for n in range(300)]
    text = b"\n\n" + b"\r\n".join(lines) + b"\n  \n\xff"
    path = tmp_path / f"lines.{suffix}"
    if path.suffix == ".zst":
        with pa.output_stream(str(path), compression="zstd") as stream:
            stream.write(text)
    else:
        path.write_bytes(gzip.compress(text[:900]) + gzip.compress(text[900:]) if path.suffix == ".gz" else text)
    assert list(files.lines(path, Columns())) == [*lines, b"\xff"]
    assert list(files.lines(path, Columns(), skip=298)) == [*lines[298:], b"\xff"]


def test_a_file_whose_first_rows_are_all_broken_is_refused_and_nothing_is_stored(
    warehouse: Any, tmp_path: Path
) -> None:
    path = tmp_path / "hearts.jsonl"
    path.write_text("\n".join(json.dumps(row, default=str) for row in hearts()))
    with pytest.raises(WarehouseError, match=r"all of the first 3 rows .* uid, message, at, emoji"):
        bring(warehouse, path)
    table = tmp_path / "hearts.csv"
    table.write_text("uid,message,at,emoji\nJosé,r1,2026-03-01T12:00:00Z,love\n", encoding="latin-1")
    with pytest.raises(WarehouseError, match=r"Noticed: 1 x rows of a CSV file that are not in UTF-8: .* as UTF-8"):
        bring(warehouse, table, columns=HEARTS)
    assert positions(warehouse) == []


def test_a_preview_shows_events_errors_and_what_is_left_out(tmp_path: Path) -> None:
    rows = [*hearts(7), {"uid": 1, "message": "r", "emoji": "Love", "at": None}]
    path = tmp_path / "hearts.parquet"
    pq.write_table(pa.Table.from_pylist([row | {"junk": 1} for row in rows]), path)
    seen = import_check.check_file(path, HEARTS)
    assert (seen.judged, len(seen.lines), dict(seen.reasons), seen.left_out) == (8, 5, {"invalid_field": 1}, ["junk"])
    assert json.loads(seen.lines[0])["reacted_at"] == "2026-03-01T12:00:00Z"
    assert "row 8" in seen.examples["invalid_field"]
    assert "reacted_at" in seen.examples["invalid_field"]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (Columns(kind="heart"), "must be one of response_served"),
        (Columns({"turn": "n"}, {"turn": "0"}), "turn cannot be both"),
        (Columns(constants={"polcy": "v7"}), "no such field"),
        (Columns(zone="Mars/Base"), "UTC or Europe/Berlin"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused(columns: Columns, told: str) -> None:
    with pytest.raises(WarehouseError, match=told):
        mappings.check(columns)


@pytest.mark.parametrize("name", ["a.xlsx", "a.parquet.gz", "a", "a.gz"])
def test_a_file_of_another_kind_is_refused(name: str) -> None:
    with pytest.raises(WarehouseError, match="none of the files that can be read"):
        files.kind_of(Path(name))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content"),
    [("a.parquet", b"PAR1 no"), ("a.jsonl.gz", b"no gzip"), ("a.json", b"[{]"), ("a.jsonl.zst", b"no zstandard")],
)
def test_a_file_that_is_not_what_its_name_says_is_one_clear_error(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WarehouseError, match=r"cannot be read as .*"):
        list(files.lines(tmp_path / name, Columns()))


def test_an_empty_file_holds_nothing(warehouse: Any, tmp_path: Path) -> None:
    done = bring(warehouse, jsonl(tmp_path / "empty.jsonl", []))
    assert (done.files, done.finished_before, done.events) == (0, 0, 0)


@pytest.mark.slow
def test_a_row_from_the_future_is_a_dead_letter_and_an_old_one_is_not(
    warehouse: Any, product: Any, tmp_path: Path
) -> None:
    ahead = datetime.now(UTC) + timedelta(days=3)
    lines = [product.served("old", at=datetime(2001, 1, 1, tzinfo=UTC)), product.served("soon", at=ahead)]
    done = bring(warehouse, jsonl(tmp_path / "a.jsonl", lines))
    assert (done.rows["responses"], done.dead_letters) == (1, 1)


@pytest.mark.slow
def test_two_imports_of_one_file_at_once_store_it_once(
    feed: Any, product: Any, targets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "ROWS_AT_ONCE", 400)
    path = jsonl(tmp_path / "day.jsonl", product.day(users=40))
    other, commit, others = targets.migrated("other"), importing.commit, []

    def overtaken(*arguments: Any) -> Any:
        if not others:  # between reading the position and the commit, somebody else stores it all
            others.append(True)
            bring(other, path)
        return commit(*arguments)

    monkeypatch.setattr(importing, "commit", overtaken)
    bring(other, path)
    monkeypatch.setattr(importing, "commit", commit)
    bring(feed.warehouse, path)
    assert fingerprints(other.target) == fingerprints(feed.warehouse.target)
    assert positions(other) == positions(feed.warehouse)


KILLED = """
import os, signal, sys
from pathlib import Path
from warehouse.ingest import positions
from warehouse.transfer import importing

def count(*arguments, counted=positions.count, calls=[]):
    counted(*arguments)
    calls.append(True)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)  # the second transaction has written everything but its end

positions.count = count
importing.ROWS_AT_ONCE = 400
importing.import_files(sys.argv[1], [Path(sys.argv[2])], progress=False)
"""


@pytest.mark.slow
def test_an_import_that_is_killed_again_and_again_ends_as_one_that_is_not(
    targets: Any, product: Any, tmp_path: Path
) -> None:
    lines = product.day(users=60, turns=16)
    path = jsonl(tmp_path / "day.jsonl", [*lines[:1000], b"{broken", *lines[1000:], *lines[:50]])
    whole, killed = targets.migrated("whole"), targets.migrated("killed")
    bring(whole, path)
    for kills in range(1, 3):
        child = subprocess.run(
            [sys.executable, "-c", KILLED, str(killed.target), str(path)],
            cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False,
        )  # fmt: skip
        assert child.returncode == -signal.SIGKILL
        assert positions(killed)[0][1] == kills, "what was committed is there, what was not is not"
    done = bring(killed, path)
    assert done.events == len(lines) + 51 - kills * 400
    assert fingerprints(killed.target) == fingerprints(whole.target)
    assert positions(killed) == positions(whole)
