"""An import is taken back: its rows go, nothing else does, and its events can come again."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from warehouse import redrive
from warehouse.fingerprint import fingerprints
from warehouse.storage.transaction import WarehouseError
from warehouse.transfer import importing, past_imports, undo
from warehouse.transfer.foreign import Columns


def bring(target: Any, path: Path, columns: Columns | None = None) -> importing.ImportReport:
    return importing.import_files(target, [path], columns, progress=False)


def written(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"\n".join(lines))
    return path


def hearts(path: Path) -> Path:
    rows = [{"uid": f"u{n}", "rid": f"m{n}", "at": "2026-03-01T12:01:00Z"} for n in range(3)]
    return written(path, [json.dumps(row).encode() for row in rows])


def mapped(reaction: str, **fields: str) -> Columns:
    return Columns(
        {"user_id": "uid", "response_id": "rid", "reacted_at": "at", **fields},
        {"action": "added", "session_id": "s", "reaction": reaction},
        "reaction_changed",
    )


def reactions(warehouse: Any) -> list[tuple[str, int]]:
    with warehouse.read() as reader:
        return reader.execute("SELECT reaction, count(*) FROM reactions GROUP BY ALL ORDER BY ALL").fetchall()


@pytest.mark.slow
def test_a_wrong_mapping_is_taken_back_and_the_right_one_comes_with_the_same_ids(
    warehouse: Any, tmp_path: Path
) -> None:
    path = hearts(tmp_path / "hearts.jsonl")
    bring(warehouse.target, path, mapped("dislike", event_id="rid"))
    (wrong,) = past_imports.imports(warehouse.target)
    done = undo.undo(warehouse.target, str(path))
    assert (wrong.file, wrong.stored) == ("hearts.jsonl", 3)
    assert (done.file, done.rows["reactions"], reactions(warehouse)) == ("hearts.jsonl", 3, [])
    right = bring(warehouse.target, path, mapped("love", event_id="rid"))
    assert (right.rows["reactions"], right.dead_letters, reactions(warehouse)) == (3, 0, [("love", 3)])
    again = bring(warehouse.target, path, mapped("dislike", event_id="rid"))
    assert again.dead_letters == 3, "taken back, the wrong one is like a file that was never seen"


@pytest.mark.slow
def test_what_was_refused_because_of_it_is_found_good_after_it(warehouse: Any, tmp_path: Path) -> None:
    path = hearts(tmp_path / "hearts.jsonl")
    bring(warehouse.target, path, mapped("dislike", event_id="rid"))
    assert bring(warehouse.target, path, mapped("love", event_id="rid")).dead_letters == 3
    wrong = next(each for each in past_imports.imports(warehouse.target) if not each.dead_letters)
    assert undo.undo(warehouse.target, wrong.topic).conflicting == 3
    assert redrive.redrive(warehouse.target, reason="conflicting_copy").outcomes == {"stored": 3}
    assert reactions(warehouse) == [("love", 3)]


@pytest.mark.slow
def test_nothing_else_goes_and_the_flags_are_as_if_the_file_had_never_come(
    feed: Any, product: Any, targets: Any, tmp_path: Path
) -> None:
    lines = product.day()
    feed.pour(*lines)
    before = fingerprints(feed.warehouse.target)
    hasty = [
        product.reacted(f"r-{n}-1", f"user-{n}", product.noon + timedelta(minutes=7, seconds=n), dwell_ms=5)
        for n in range(4)
    ]
    more = [product.served(f"x{n}", at=product.noon + timedelta(minutes=n), experiment="e", arm="a") for n in range(9)]
    path = written(tmp_path / "more.jsonl", [*more, *hasty, lines[0], b"{broken", product.erasure("nobody")])
    assert bring(feed.warehouse.target, path).duplicates == 1
    assert fingerprints(feed.warehouse.target) != before
    done = undo.undo(feed.warehouse.target, past_imports.imports(feed.warehouse.target)[0].id)
    assert done.rows == {"responses": 9, "reactions": 4, "dead_letters": 1}
    assert (done.erasures, done.experiments, done.read_out) == (1, ["e"], [])
    assert done.responses >= {"x0", "r-0-1"}
    after = fingerprints(feed.warehouse.target)
    assert {name for name in before if after[name] != before[name]} <= {"erasures"}


@pytest.mark.slow
def test_the_list_says_what_stands_and_what_was_taken_back(warehouse: Any, tmp_path: Path) -> None:
    assert past_imports.imports(warehouse.target) == []
    path = hearts(tmp_path / "hearts.jsonl")
    bring(warehouse.target, path, mapped("dislike"))
    bring(warehouse.target, path, mapped("love"))
    wrong = past_imports.imports(warehouse.target)[1]
    with pytest.raises(WarehouseError, match=f"several times .*{wrong.id}"):
        undo.undo(warehouse.target, str(path))
    undo.undo(warehouse.target, wrong.id)
    bring(warehouse.target, path, mapped("dislike"))
    told = [(each.file, each.stored, each.undone_at is None) for each in past_imports.imports(warehouse.target)]
    assert told == [("hearts.jsonl", 3, True), ("hearts.jsonl", 3, True), ("hearts.jsonl", 0, False)]
    with warehouse.read() as reader:
        (receipt,) = reader.execute("SELECT receipt FROM imports WHERE receipt IS NOT NULL").fetchone()
    assert json.loads(receipt)["rows"] == {"responses": 0, "reactions": 3, "dead_letters": 0}


@pytest.mark.slow
def test_no_user_s_name_is_kept_with_a_mapping(warehouse: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [b'{"at": "2026-03-01T12:01:00Z"}'])
    bring(warehouse.target, path, Columns({"requested_at": "at"}, {"user_id": "ann"}, "erasure_requested"))
    bring(warehouse.target, path, Columns({"requested_at": "at", "user_id": "who|=ann"}, {}, "erasure_requested"))
    with warehouse.read() as reader:
        assert "ann" not in str(reader.execute("SELECT * FROM imports").fetchall())


def test_what_is_no_import_that_stands_is_refused(warehouse: Any, tmp_path: Path) -> None:
    bring(warehouse.target, hearts(tmp_path / "hearts.jsonl"), mapped("love"))
    for name in ("4711", "loveloop.events", ""):
        with pytest.raises(WarehouseError, match=r"hearts.jsonl.*loveloop import list"):
            undo.undo(warehouse.target, name)
    assert reactions(warehouse) == [("love", 3)]


@pytest.mark.slow
def test_an_import_that_is_taken_back_while_it_runs_ends_and_leaves_no_gap(
    warehouse: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, product: Any
) -> None:
    monkeypatch.setattr(importing, "ROWS_AT_ONCE", 400)
    path = written(tmp_path / "day.jsonl", product.day(users=40))
    commit, calls = importing.commit, []

    def overtaken(*arguments: Any) -> Any:
        calls.append(True)
        if len(calls) == 2:
            undo.undo(warehouse.target, past_imports.imports(warehouse.target)[0].id)
        return commit(*arguments)

    monkeypatch.setattr(importing, "commit", overtaken)
    with pytest.raises(WarehouseError, match="taken back while it was imported"):
        bring(warehouse.target, path)
    monkeypatch.setattr(importing, "commit", commit)
    assert bring(warehouse.target, path).duplicates == 0
