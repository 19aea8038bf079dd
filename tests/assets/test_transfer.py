"""Commands about dead letters and files, as they are called."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assets.cli import group
from streams.events import ReactionChanged, encode, new_event_id

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def loveloop(*words: object) -> Result:
    return CliRunner().invoke(group, [str(word) for word in words])


def reaction(number: int = 0, name: str = "love") -> bytes:
    return encode(
        ReactionChanged(
            event_id=new_event_id(NOON, number), user_id=f"u{number}", reacted_at=NOON, response_id="r", reaction=name,
            action="added", session_id="s",
        )
    )  # fmt: skip


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A warehouse with a reaction and two dead letters."""
    lines = [reaction(), reaction(1, "Love"), b'{"user_id": "\x1b[31m']
    (tmp_path / "day.jsonl").write_bytes(b"\n".join(lines))
    done = loveloop("import", tmp_path / "day.jsonl", "--warehouse", tmp_path / "w.duckdb")
    assert "3 rows: 0 responses, 1 reactions" in done.output, done.output
    assert "2 dead letters" in done.output
    return tmp_path / "w.duckdb"


@pytest.mark.slow
def letters(target: Path) -> list[str]:
    rows = loveloop("dead-letters", "list", "--warehouse", target).output.split("\n\n")[1]
    return [row.split()[0] for row in rows.splitlines()]


@pytest.mark.slow
def test_letters_are_listed_shown_put_right_and_redriven(target: Path, tmp_path: Path) -> None:
    listed = loveloop("dead-letters", "list", "--warehouse", target).output
    assert listed.splitlines()[:2] == ["invalid_field          1", "not_json               1"]
    wrong, broken = sorted(letters(target))
    shown = loveloop("dead-letters", "show", wrong, "--warehouse", target).output
    assert 'reaction == "Love", version 2 writes it "love"' in shown
    assert '  "reaction": "Love",' in shown
    (tmp_path / "right.json").write_bytes(reaction(1))
    again = ["dead-letters", "redrive", wrong, "--with", tmp_path / "right.json", "--warehouse", target]
    assert "stored: 1" in loveloop(*again).output
    assert loveloop(*again).output.startswith("0 open letters judged")
    assert letters(target) == [broken]
    assert "stored, re-driven" in loveloop("dead-letters", "show", wrong, "--warehouse", target).output
    assert "still not_json: 1" in loveloop("dead-letters", "redrive", "--all", "--warehouse", target).output


@pytest.mark.slow
def test_bytes_of_a_letter_do_not_steer_the_terminal(target: Path) -> None:
    broken = sorted(letters(target))[1]
    assert "\x1b" not in loveloop("dead-letters", "show", broken, "--warehouse", target).output
    raw = loveloop("dead-letters", "show", broken, "--raw", "--warehouse", target)
    assert raw.stdout_bytes == b'{"user_id": "\x1b[31m\n'


@pytest.mark.slow
def test_redrive_wants_to_know_which_letters(target: Path) -> None:
    for words in ([], ["--all", "--reason", "not_json"], ["x/0/0/0", "--all"]):
        done = loveloop("dead-letters", "redrive", *words, "--warehouse", target)
        assert (done.exit_code, "say which" in done.output) == (2, True)


@pytest.mark.slow
def test_a_dry_run_shows_what_a_mapping_makes_of_a_table(tmp_path: Path) -> None:
    rows = [{"uid": n, "message": "r", "at": "2026-03-01T12:00:00", "emoji": "\u2764", "junk": 1} for n in range(3)]
    (tmp_path / "hearts.json").write_text(json.dumps(rows))
    words = ["import", tmp_path / "hearts.json", "--warehouse", tmp_path / "w.duckdb", "--kind", "reaction_changed"]
    for pair in ("user_id=uid", "response_id=message", "reacted_at=at", "reaction=emoji"):
        words += ["--map", pair]
    words += ["--set", "action=added", "--set", "session_id=none"]
    without = loveloop(*words, "--dry-run")
    assert "3 x invalid_field, as in row 1: " in without.output
    assert "left out: junk" in without.output
    assert "would be refused: " in without.output
    assert without.exit_code == 1
    done = loveloop(*words, "--zone", "UTC", "--check")
    assert "all of them keep the contract" in done.output, done.output
    assert not (tmp_path / "w.duckdb").exists()
    assert "3 reactions" in loveloop(*words, "--zone", "UTC").output


@pytest.mark.slow
def test_an_export_comes_in_again_and_twice_is_nothing(target: Path, tmp_path: Path) -> None:
    assert "1 events" in loveloop("export", tmp_path / "out.parquet", "--warehouse", target).output
    words = ["import", tmp_path / "out.parquet", "--warehouse", tmp_path / "other.duckdb"]
    assert "1 rows: 0 responses, 1 reactions" in loveloop(*words).output
    assert "1 of 1 files had been imported before" in loveloop(*words).output
    table = loveloop("export", tmp_path / "r.csv", "--table", "reactions", "--warehouse", target)
    assert f"1 rows: {tmp_path}/r.csv" in table.output
    assert loveloop("export", tmp_path / "r.csv", "--as-of", "2026-03-01", "--warehouse", target).exit_code == 2


def test_a_pair_without_two_sides_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}")
    done = loveloop("import", tmp_path / "a.jsonl", "--map", "user_id")
    assert done.exit_code == 2
    assert "write FIELD=COLUMN" in done.output
