"""A check says what an import then does."""

import json
from pathlib import Path
from typing import Any

import pytest

from assets.cli import import_words
from streams.conversations import PARTS, ROLE
from warehouse.transfer import import_check, importing, undo
from warehouse.transfer.foreign import COUNTED, Columns
from warehouse.transfer.past_imports import imports

SERVED: dict[str, Any] = {
    "type": "response_served", "schema_version": 2, "event_id": "019ca945-0a00-7000-8000-000000000001", "user_id": "u",
    "served_at": "2026-03-01T12:00:00Z", "response_id": "m1", "conversation_id": "c1", "turn": 0, "session_id": "s",
    "policy": "p", "conversation": [{"role": "user", "content": "hi"}], "response": "hello",
}  # fmt: skip


def line(number: int, **changes: Any) -> bytes:
    own = {"event_id": f"019ca945-0a00-7000-8000-{number:012x}", "response_id": f"m{number}"}
    return json.dumps(SERVED | own | changes).encode()


@pytest.mark.slow
def test_a_check_counts_what_an_import_then_stores_and_stores_nothing(
    warehouse: Any, product: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "ROWS_AT_ONCE", 400)
    lines = [*product.day(users=30), b"{broken", line(1, turn=-1), line(2), line(2)]
    lines += [line(3, conversation=[{"role": "developer", "content": [{"type": "text", "text": "x"}]}])]
    path = tmp_path / "day.jsonl"
    path.write_bytes(b"\n".join(lines))
    before = tmp_path / "before.jsonl"
    before.write_bytes(lines[0])
    importing.import_files(warehouse.target, [before], progress=False)
    seen = import_check.check_file(path, target=warehouse.target)
    assert (seen.twice, seen.stored, dict(seen.reasons)) == (1, 1, {"not_json": 1, "invalid_field": 1})
    assert f"row {len(lines) - 3:,}: turn == -1" in seen.examples["invalid_field"]
    assert (seen.told[ROLE], seen.told[PARTS], seen.imported, seen.refused) == (1, 1, False, None)
    assert seen.judged == len(lines) == sum(seen.kinds.values()) + seen.reasons.total() + seen.twice + seen.stored
    done = importing.import_files(warehouse.target, [path], progress=False)
    assert (
        done.rows["responses"] + done.rows["reactions"] + done.erased
        == seen.kinds["responses"] + seen.kinds["reactions"]
    )
    assert (done.dead_letters, done.duplicates, done.told) == (2, 2, seen.told)
    assert import_check.check_file(path, target=warehouse.target).imported


def test_a_warehouse_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(line(1))
    assert import_check.check_file(path, target=tmp_path / "w.duckdb").kinds["responses"] == 1
    assert not (tmp_path / "w.duckdb").exists()


@pytest.mark.slow
def test_ids_that_stand_for_several_responses_are_told_with_the_way_out(warehouse: Any, tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    path.write_bytes(b"\n".join(line(n, response_id=f"m{n % 2}", conversation_id=f"c{n // 2}") for n in range(6)))
    (seen,) = import_check.check_file(path).ambiguous
    (told,) = importing.import_files(warehouse.target, [path], progress=False).ambiguous
    assert seen == told
    assert (told.ids, told.example) == (2, ("m0", "c0", "c2"))
    assert "--map response_id=CONVERSATION_COLUMN+MESSAGE_COLUMN" in told.sentence(stored=True)
    assert "import undo" in told.sentence(stored=True)
    assert not any("import undo" in each for each in import_words.seen(import_check.check_file(path)))
    undo.undo(warehouse.target, imports(warehouse.target)[0].id)
    composed = Columns({"response_id": "conversation_id+response_id"})
    assert importing.import_files(warehouse.target, [path], composed, progress=False).ambiguous == []


def test_turns_are_counted_where_a_mapping_says_so(tmp_path: Path) -> None:
    talk = [{"role": role, "content": "x"} for role in ("user", "assistant", "user", "assistant", "user")]
    path = tmp_path / "a.jsonl"
    path.write_text(
        json.dumps({name: value for name, value in SERVED.items() if name != "turn"} | {"conversation": talk})
    )
    seen = import_check.check_file(path, Columns(kind="response_served", count_turns=True))
    assert (json.loads(seen.lines[0])["turn"], seen.told[COUNTED]) == (2, 1)
