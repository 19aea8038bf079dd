"""The past that the benchmark makes in the database is one that the sink could have written."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.events import ResponseServed, decode, moment_of
from warehouse import connection

BENCH = Path(__file__).resolve().parents[2] / "bench"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(BENCH))
    from ingest_parts.past import Past

    Past(20_000, NOW).preload(tmp_path / "past.duckdb")
    return tmp_path / "past.duckdb"


@pytest.mark.slow
def test_an_event_told_again_is_the_one_that_is_stored(past: Path) -> None:
    from ingest_parts.past import Past

    told = Past(20_000, NOW).events([7, 19, 19_999])
    with connection.open(past).read() as opened:
        stored = {
            str(row[0]): row[1:]
            for row in opened.execute(
                """SELECT event_id, user_id, response_id, served_at, response FROM responses
                UNION ALL SELECT event_id, user_id, response_id, reacted_at, reaction FROM reactions"""
            ).fetchall()
        }
    assert [type(event).__name__ for event in told] == ["ResponseServed", "ReactionChanged", "ReactionChanged"]
    for event in told:
        said = event.response if isinstance(event, ResponseServed) else event.reaction  # type: ignore[union-attr]
        where = (event.user_id, event.response_id, moment_of(event), said)  # type: ignore[union-attr]
        assert stored[event.event_id] == where


@pytest.mark.slow
def test_ids_and_moments_of_the_past_run_together_and_every_reaction_has_its_response(past: Path) -> None:
    with connection.open(past).read() as opened:
        rows, ids, in_order = opened.execute(
            """SELECT count(*), count(DISTINCT event_id), bool_and(
                CAST('0x' || replace(event_id::VARCHAR, '-', '')[1:12] AS BIGINT) = epoch_ms(served_at))
            FROM responses"""
        ).fetchall()[0]
        reactions, shown = opened.execute(
            """SELECT count(*), count(*) FILTER (EXISTS (
                FROM responses AS r WHERE r.response_id = reactions.response_id AND r.user_id = reactions.user_id)
            ) FROM reactions"""
        ).fetchall()[0]
    assert (rows, ids, in_order, reactions, shown) == (19_000, 19_000, True, 1_000, 1_000)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "copied"), [("new_events", False), ("copies_of_old", True), ("retractions", False)])
def test_a_load_after_the_past_keeps_the_contract_and_counts_its_copies(
    kind: str, copied: bool, past: Path, tmp_path: Path
) -> None:
    from ingest_parts import after
    from ingest_parts.past import Past

    truths = after.write(tmp_path / "new.ndjson", 2_000, kind, Past(20_000, NOW))
    lines = (tmp_path / "new.ndjson").read_bytes().splitlines()
    ids = {decode(line, received_at=NOW).event.event_id for line in lines}
    with connection.open(past).read() as opened:
        known = {
            str(row[0])
            for row in opened.execute(
                "SELECT event_id FROM responses UNION FROM (SELECT event_id FROM reactions)"
            ).fetchall()
        }
    assert len(ids) == 2_000
    assert len(ids & known) == truths["loaded"].duplicates
    assert (truths["loaded"].duplicates > 0) is copied
    assert truths["empty"].duplicates == 0
