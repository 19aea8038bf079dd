import csv
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from streams.events import decode, moment_of
from warehouse.fingerprint import fingerprints
from warehouse.storage.transaction import WarehouseError
from warehouse.transfer import exporting, importing


def odd(product: Any) -> list[bytes]:
    """Events with unknown fields, big numbers, an old version, a newer one, text of all kinds."""
    user, talk = 'b\N{LATIN SMALL LETTER O WITH DIAERESIS}"b\\', [{"role": "user", "content": "q", "name": "x"}]
    plain = json.loads(product.served("odd", user=user, response="\n\t\u2028 \x00"))
    del plain["schema_version"]
    unknown = {"mood": {"deep": [1, None, 2**70, 1e-7]}, "conversation": talk}
    newer = json.loads(product.reacted("odd", reaction="wow")) | {"schema_version": 9, "colour": "red"}
    return [json.dumps(plain | unknown).encode(), json.dumps(newer).encode(), product.served("empty", response="")]


def log(product: Any) -> list[bytes]:
    return [line for line in product.day() if b"erasure_requested" not in line] + odd(product)


@pytest.fixture(autouse=True)
def several_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small spans of time, so that every export reads several."""
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 100)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["events.jsonl", pytest.param("events.parquet", marks=pytest.mark.slow)])
def test_what_was_exported_and_imported_again_is_the_same_log(
    feed: Any, product: Any, targets: Any, tmp_path: Path, name: str
) -> None:
    lines = [*log(product), product.served("late", at=product.noon + timedelta(days=3))]
    feed.pour(*lines)
    done = exporting.export_events(feed.warehouse.target, tmp_path / name, progress=False)
    assert done == (len(lines), 0)
    other = targets.migrated("other")
    read = importing.import_files(other.target, [tmp_path / name], progress=False)
    assert (read.dead_letters, read.duplicates) == (0, 0)
    assert fingerprints(other.target) == fingerprints(feed.warehouse.target)
    assert [path.name for path in tmp_path.glob("*part*")] == []


@pytest.mark.slow
def test_events_come_in_the_order_of_time_and_are_copies_of_what_was_read(
    feed: Any, product: Any, tmp_path: Path
) -> None:
    feed.pour(*log(product))
    exporting.export_events(feed.warehouse.target, tmp_path / "events.ndjson", progress=False)
    lines = (tmp_path / "events.ndjson").read_bytes().splitlines()
    moments = [moment_of(decode(line, received_at=product.noon + timedelta(days=9)).event) for line in lines]
    assert moments == sorted(moments)
    again = feed.pour(*lines)
    assert (again.duplicates, again.dead) == (len(lines), [])


@pytest.mark.slow
def test_erased_users_are_gone_and_the_requests_are_told(feed: Any, product: Any, tmp_path: Path) -> None:
    feed.pour(product.served("r1"), product.served("r2", "bea"), product.erasure("ann"))
    assert exporting.export_events(feed.warehouse.target, tmp_path / "events.jsonl", progress=False) == (1, 1)
    assert b"ann" not in (tmp_path / "events.jsonl").read_bytes()


@pytest.mark.slow
@pytest.mark.slow
def test_an_empty_log_is_an_empty_file(warehouse: Any, tmp_path: Path) -> None:
    for name in ("events.jsonl", "events.parquet"):
        assert exporting.export_events(warehouse.target, tmp_path / name, progress=False) == (0, 0)
        assert importing.import_files(warehouse.target, [tmp_path / name], progress=False).events == 0


@pytest.mark.slow
def test_every_table_is_written_as_parquet_and_as_csv(feed: Any, product: Any, tmp_path: Path) -> None:
    feed.pour(*log(product), b"\xff{broken")
    for table in exporting.TABLES:
        rows = exporting.export_table(feed.warehouse.target, table, tmp_path / "it's.parquet").rows
        assert pq.ParquetFile(tmp_path / "it's.parquet").metadata.num_rows == rows
        assert exporting.export_table(feed.warehouse.target, table, tmp_path / "t.csv").rows == rows
        with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as stream:
            assert len(list(csv.reader(line.replace("\x00", "") for line in stream))) == rows + 1
        asked = feed.ask(f"SELECT count(*) FROM {table}")
        assert asked == [(rows,)]
    assert rows_of(feed, "clean_feedback") > 0


def rows_of(feed: Any, table: str) -> int:
    return int(feed.ask(f"SELECT count(*) FROM {table}")[0][0])


@pytest.mark.slow
def test_states_are_those_of_the_moment(feed: Any, product: Any, tmp_path: Path) -> None:
    feed.pour(product.served("r1"), product.reacted("r1", at=product.noon + timedelta(hours=1), dwell_ms=20_000))
    target, out = feed.warehouse.target, tmp_path / "t.parquet"
    early, late = product.noon + timedelta(minutes=30), product.noon + timedelta(hours=2)
    assert exporting.export_table(target, "reaction_state", out, as_of=early).rows == 0
    assert exporting.export_table(target, "reaction_state", out, as_of=late).rows == 1
    assert exporting.export_table(target, "clean_feedback", out, as_of=late).rows == 0
    assert exporting.export_table(target, "clean_feedback", out, as_of=late, maturity_hours=1).rows == 1
    assert pq.read_table(out)["love"].to_pylist() == [True]


def test_what_cannot_be_exported_is_refused_and_leaves_no_file(warehouse: Any, product: Any, tmp_path: Path) -> None:
    target = warehouse.target
    with pytest.raises(WarehouseError, match=r"events\.csv: events are written as"):
        exporting.export_events(target, tmp_path / "events.csv")
    with pytest.raises(WarehouseError, match="no table 'users'"):
        exporting.export_table(target, "users", tmp_path / "t.csv")
    with pytest.raises(WarehouseError, match=r"tables are written as \.parquet, \.csv"):
        exporting.export_table(target, "flags", tmp_path / "t.jsonl")
    with pytest.raises(WarehouseError, match="flags has no state at a moment"):
        exporting.export_table(target, "flags", tmp_path / "t.csv", as_of=product.noon)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(("events", "t."))] == []
