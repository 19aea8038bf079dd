"""Lines with NaN or half a character on their way into the tables, and out of the dead letters again."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from assets.cli import group
from warehouse import queries
from warehouse.redrive import redrive


def with_nan(line: bytes, name: str) -> bytes:
    return json.dumps(json.loads(line) | {name: float("nan")}).encode()


@pytest.mark.slow
def test_events_that_lost_a_field_are_stored_counted_and_told(feed: Any, product: Any) -> None:
    pack = [
        with_nan(product.served("r1"), "score"),
        json.dumps(json.loads(product.served("r2")) | {"response": "cut \ud83d"}).encode(),
        with_nan(product.reacted("r1"), "dwell_ms"),
        product.served("r3"),
        with_nan(product.served("r4"), "turn"),
    ]
    done = feed.pour(b"\n".join(pack))
    assert [letter.reason for letter in done.dead] == ["not_a_number"]
    assert feed.ask("SELECT response_id, response[:5] FROM responses WHERE contains(response, 'cut') ") == [
        ("r2", "cut \ufffd")
    ]
    assert feed.ask("SELECT dwell_ms, extra FROM reactions") == [(None, '{"mended": {"dwell_ms": "NaN"}}')]
    assert queries.counts(feed.warehouse.target)["mended"] == 3
    told = CliRunner().invoke(group, ["warehouse", "status", "--warehouse", str(feed.warehouse.target)]).output
    assert "events that lost a field" in told


@pytest.mark.slow
def test_all_letters_of_the_reason_are_mended_at_once(feed: Any, product: Any) -> None:
    feed.pour(*(with_nan(product.served(f"r{n}"), "turn") for n in range(3)), b'{"no": "JSON"')
    asked = ["dead-letters", "redrive", "--warehouse", str(feed.warehouse.target), "--reason", "not_a_number"]
    assert "still not_a_number: 3" in CliRunner().invoke(group, asked).output
    assert "stored: 3" in CliRunner().invoke(group, [*asked, "--set", "turn=0"]).output
    assert feed.ask("SELECT count(*), max(turn) FROM responses") == [(3, 0)]
    found = queries.counts(feed.warehouse.target)
    assert (found["dead_letters"], found["redriven"], found["events"]) == (1, 3, 4)


def test_letters_of_a_version_that_took_no_nan_are_found_good_by_one_command(feed: Any, product: Any) -> None:
    line = with_nan(product.served("r1"), "score")
    feed.pour(line.replace(b"NaN", b"N_N"))
    with feed.warehouse.transaction() as writer:
        writer.execute("UPDATE dead_letters SET body = ?", [line])
    assert redrive(feed.warehouse.target, reason="not_json").outcomes == {"stored": 1}
    assert feed.ask("SELECT extra FROM responses") == [('{"mended": {"score": "NaN"}}',)]
