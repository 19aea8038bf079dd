"""`loveloop quarantine`, from the command line's side."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from assets.cli import group
from streams.events import Message, ReactionChanged, ResponseServed, encode, new_event_id
from streams.topics import TOPICS
from warehouse import connection
from warehouse.ingest.commit import commit
from warehouse.ingest.decoding import decode_batch
from warehouse.ingest.records import Record, TopicPartition

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def spree(user: str, loves: int, shown: int, noon: datetime = NOON) -> list[bytes]:
    lines = []
    for n in range(shown):
        at = noon + n * timedelta(minutes=10)
        lines.append(encode(ResponseServed(
            event_id=new_event_id(at), user_id=user, served_at=at, response_id=f"{user}-{n}", conversation_id="c",
            turn=n, session_id="s", policy="p", conversation=[Message("user", f"And {n}?")], response=f"It is {n}.",
        )))  # fmt: skip
        if n < loves:
            moment = at + timedelta(seconds=8)
            lines.append(encode(ReactionChanged(
                event_id=new_event_id(moment), user_id=user, reacted_at=moment, response_id=f"{user}-{n}",
                reaction="love", action="added", session_id="s", dwell_ms=8_000 + n,
            )))  # fmt: skip
    return lines


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A warehouse in which `bot` loves everything and `ann` one in ten."""
    path = tmp_path / "w.duckdb"
    connection.open(path).migrate()
    received = int((NOON + timedelta(days=1)).timestamp() * 1000)
    record = Record(TOPICS.events, 0, 0, received, b"\n".join([*spree("bot", 12, 12), *spree("ann", 1, 10)]))
    commit(connection.open(path), decode_batch([record]), {TopicPartition(TOPICS.events, "t", 0): 0})
    return path


def run(target: Path, *arguments: str) -> str:
    done = CliRunner().invoke(group, ["quarantine", *arguments, "--warehouse", str(target)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.slow
def test_a_user_is_listed_explained_released_and_confirmed(target: Path) -> None:
    assert "bot (love_streak)" in run(target, "list")
    assert [json.loads(line)["user_id"] for line in run(target, "list", "--json").splitlines()] == ["bot"]
    assert run(target, "list", "--rule", "dictated") == "nobody is in quarantine\n"
    page = run(target, "explain", "bot")
    assert "bot: in quarantine, trust 1.00" in page
    assert "loved 12 of 12 responses shown on that day" in page
    assert "share loved                           1" in page

    assert run(target, "release", "bot", "--reason", "a fan", "--by", "olga").startswith(
        "released bot; against it: love"
    )
    assert run(target, "list") == "nobody is in quarantine\n"
    assert "bot (love_streak)" in run(target, "list", "--released")
    assert "released by olga: a fan" in run(target, "explain", "bot")

    run(target, "confirm", "bot", "ann", "--reason", "one person", "--by", "olga")
    listed = run(target, "list")
    assert "ann (confirmed)" in listed
    assert "bot (love_streak, confirmed)" in listed
    explained = json.loads(run(target, "explain", "ann", "--json"))
    assert explained["decisions"][0]["reason"] == "one person"
    assert explained["figures"]["responses loved"]["user"] == 1


def test_a_name_that_is_not_known_is_an_error_with_a_next_step(target: Path) -> None:
    with pytest.raises(ValueError, match="no user and no reaction 'zoe'; `loveloop quarantine list`"):
        run(target, "release", "zoe", "--reason", "?")


@pytest.mark.slow
def test_imported_history_is_judged_and_what_came_for_judged_days_is_told(target: Path, tmp_path: Path) -> None:
    assert "2026-01-05: users judged" in run(target, "update", "--until", "2026-01-05")
    lines = [*spree("eve", 1, 12, NOON - timedelta(days=20)), *spree("bob", 0, 12)]
    (tmp_path / "history.jsonl").write_bytes(b"\n".join(lines))
    imported = CliRunner().invoke(group, ["import", str(tmp_path / "history.jsonl"), "--warehouse", str(target)])
    assert "days before 2026-01-05 that wait to be judged: 1;" in imported.output
    told = run(target, "update", "--until", "2026-01-05")
    assert "2025-12-16: users judged: 1" in told
    assert "12 responses and 0 loves of 1 day (2026-01-05 to 2026-01-05) came after these were judged" in told
    again = run(target, "update", "--from", "2026-01-05", "--until", "2026-01-05")
    assert "that are judged again: 1\n2026-01-05: users judged" in again
    assert run(target, "update", "--until", "2026-01-05") == "no day is pending\n"
