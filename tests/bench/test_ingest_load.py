"""The benchmark's load says the truth about itself, and its summary the truth about what was measured."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streams.events import ContractError, ErasureRequested, ReactionChanged, ResponseServed, decode

BENCH = Path(__file__).resolve().parents[2] / "bench"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _bench_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def test_the_truth_of_a_load_is_what_the_contract_reads_in_it(tmp_path: Path) -> None:
    from ingest_parts import load

    truth = load.write(tmp_path / "load.ndjson", 5_000, seed=3, end=NOW)
    seen: dict[str, ResponseServed | ReactionChanged | ErasureRequested] = {}
    duplicates = dead_letters = 0
    lines = (tmp_path / "load.ndjson").read_bytes().splitlines()
    for line in lines:
        try:
            event = decode(line, received_at=NOW).event
        except ContractError:
            dead_letters += 1
            continue
        duplicates += event.event_id in seen
        assert seen.setdefault(event.event_id, event) == event
    kinds = [type(event) for event in seen.values()]
    found = {
        "events": len(lines),
        "responses": kinds.count(ResponseServed),
        "reactions": kinds.count(ReactionChanged),
        "duplicates": duplicates,
        "dead_letters": dead_letters,
        "bytes": sum(map(len, lines)),
    }
    assert truth.of(found) == ""
    assert duplicates > 0
    assert dead_letters > 0


def test_every_reaction_of_a_load_is_by_the_user_who_was_shown_its_response() -> None:
    from ingest_parts import load

    shown: dict[str, str] = {}
    reactions = 0
    for event in load.clean(5_000, seed=1, start=NOW - timedelta(days=1)):
        if isinstance(event, ResponseServed):
            shown[event.response_id] = event.user_id
        else:
            reactions += 1
            assert shown[event.response_id] == event.user_id
    assert reactions == pytest.approx(250, abs=5)


def test_a_wrong_table_is_named_with_both_figures() -> None:
    from ingest_parts import load

    truth = load.Truth(events=10, responses=9, duplicates=1)
    assert truth.of({"events": 10, "responses": 9}) == ""
    assert truth.of({"events": 10, "responses": 1_000}) == "responses 1,000 not 9"


def test_the_summary_says_which_aim_was_missed() -> None:
    from ingest_parts import tables

    said = tables.aims({"ours_packed": 150, "bytewax": 100, "append_limit": 300, "latency_p99_s": 1.5}).splitlines()
    assert said == [
        "ours_packed / bytewax = 1.50, aim: at least 2: MISSED",
        "ours_packed / append_limit = 0.50, aim: at least 0.35: kept",
        "latency_p99_s = 1.5, aim: under 2: kept",
    ]
