"""Commands about imports, as they are called."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assets.cli import group
from warehouse import training_set

SERVED = {
    "type": "response_served", "schema_version": 2, "event_id": "019ca945-0a00-7000-8000-000000000001", "user_id": "u",
    "served_at": "2026-03-01T12:00:00Z", "response_id": "r", "conversation_id": "c", "turn": 0, "session_id": "s",
    "policy": "p", "conversation": [{"role": "developer", "content": "x"}, {"role": "user", "content": "hi"}],
    "response": "hello",
}  # fmt: skip
LOVED = {
    "type": "reaction_changed", "schema_version": 2, "event_id": "019ca945-0a00-7000-8000-000000000002", "user_id": "u",
    "reacted_at": "2026-03-01T12:01:00Z", "response_id": "r", "reaction": "love", "action": "added", "session_id": "s",
}  # fmt: skip


def loveloop(*words: object) -> Result:
    return CliRunner().invoke(group, [str(word) for word in words])


@pytest.mark.slow
def test_an_import_is_listed_and_taken_back_and_what_rests_on_it_is_told(tmp_path: Path) -> None:
    file, target, sets = tmp_path / "day.jsonl", tmp_path / "w.duckdb", tmp_path / "sets"
    file.write_text("\n".join(map(json.dumps, (SERVED, LOVED))))
    there = ["--warehouse", target]
    assert (
        "nothing was imported"
        in loveloop("warehouse", "migrate", *there).output + loveloop("import", "list", *there).output
    )
    done = loveloop("import", file, *there)
    assert "2 rows: 1 responses, 1 reactions" in done.output
    assert "changed: 1 x roles of other names" in done.output
    key, name, *_, stored, copies, dead = loveloop("import", "list", *there).output.splitlines()[1].split()
    assert (name, stored, copies, dead) == ("day.jsonl", "2", "0", "0")
    again = loveloop("import", file, *there).output
    assert ("nothing to do" in again, "changed:" in again) == (True, False)
    training_set.build(target, sets)
    undone = loveloop("import", "undo", key, *there, "--home", tmp_path / "runs", "--training-sets", sets)
    assert "taken back day.jsonl: 1 responses, 1 reactions, 0 dead letters" in undone.output
    assert "holds 1 of its responses: freeze a new one" in undone.output
    assert "taken back 2026" in loveloop("import", "list", *there).output
    again = loveloop("import", "undo", key, *there)
    assert (again.exit_code, "no import" in str(again.exception)) == (1, True)
    assert "1 responses, 1 reactions" in loveloop("import", file, *there).output


@pytest.mark.slow
def test_two_imports_of_one_file_are_told_apart(tmp_path: Path) -> None:
    file, there = tmp_path / "hearts.jsonl", ["--warehouse", tmp_path / "w.duckdb"]
    file.write_text(json.dumps({"user_id": "u", "response_id": "r", "reacted_at": "2026-03-01T12:00:00Z"}))
    words = ["--kind", "reaction_changed", "--set", "action=added", "--set", "session_id=s"]
    for name in ("dislike", "love"):
        assert loveloop("import", file, *there, *words, "--set", f"reaction={name}").exit_code == 0
    listed = loveloop("import", "list", *there).output
    assert "reaction_changed, reaction=love, action=added" in listed
    assert "reaction_changed, reaction=dislike, action=added" in listed


@pytest.mark.slow
def test_a_product_s_export_needs_no_mapping(tmp_path: Path) -> None:
    table = "user_id,message_id,created_at,stars\nu1,m1,1772366400,5\nu2,m2,1772366400,1\nu3,m3,1772366400,\n"
    (tmp_path / "thumbs.csv").write_text(table)
    words = ["import", tmp_path / "thumbs.csv", "--warehouse", tmp_path / "w.duckdb", "--from", "thumbs-csv"]
    words += ["--map", "reaction=stars", "--only", "stars=*"]
    seen = loveloop(*words, "--check")
    assert (seen.exit_code, "would be refused" in seen.output, "--map-reaction 5=love" in seen.output) == (
        1,
        True,
        True,
    )
    words += ["--map-reaction", "5=love", "--map-reaction", "1=dislike"]
    assert "reactions: 1 love, 1 dislike" in loveloop(*words, "--check").output
    for told in (loveloop(*words, "--check").output, loveloop(*words).output):
        assert "0 responses, 2 reactions" in told, told
        assert "changed: 1 x rows that are none of the mapping's events" in told
    with_other = loveloop(*words[:4], "--from", "chatbase")
    assert "there are langfuse" in str(with_other.exception)


@pytest.mark.parametrize("words", [[], ["--help"], ["list", "--help"], ["undo", "--help"]])
def test_help_names_what_can_be_done(words: list[str]) -> None:
    told = loveloop("import", *words).output
    assert "Usage:" in told
    assert " files" not in told
