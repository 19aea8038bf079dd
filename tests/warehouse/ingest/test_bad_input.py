import json
from typing import Any

import pytest

from streams.events import LONGEST_LINE


def changed(line: bytes, **fields: Any) -> bytes:
    return json.dumps(json.loads(line) | fields).encode()


BAD = {
    "malformed bytes": (lambda _: b"\xff\xfe\x00", "not_json"),
    "half a line": (lambda line: line[: len(line) // 2], "not_json"),
    "a list": (lambda _: b"[1, 2]", "not_an_object"),
    "no type": (lambda _: b"{}", "unknown_type"),
    "an unknown type": (lambda line: changed(line, type="response_eaten"), "unknown_type"),
    "a number for text": (lambda line: changed(line, response=7), "invalid_field"),
    "a missing field": (lambda line: changed(line, conversation=None), "invalid_field"),
    "an unknown version that breaks a field": (
        lambda line: changed(line, schema_version=9, turn="x"),
        "unknown_version",
    ),
    "a user id of 10 kB": (lambda line: changed(line, user_id="u" * 10_000), "invalid_field"),
    "the year 3000": (lambda line: changed(line, served_at="3000-01-01T00:00:00Z"), "timestamp_out_of_range"),
    "the year 1970": (lambda line: changed(line, served_at="1970-01-01T00:00:00Z"), "timestamp_out_of_range"),
    "no time zone": (lambda line: changed(line, served_at="2026-03-01T00:00:00"), "invalid_field"),
    "a turn beyond 64 bits": (lambda line: changed(line, turn=10**19), "invalid_field"),
    "an arm without experiment": (lambda line: changed(line, arm="treatment"), "invalid_field"),
    "a line of 2 MiB": (lambda line: changed(line, response="x" * (2 * LONGEST_LINE)), "line_too_long"),
    "nested too deep": (lambda _: b"[" * 100_000, "not_json"),
}


@pytest.mark.parametrize("targets", ["file"], indirect=True)
@pytest.mark.parametrize("name", BAD)
def test_bad_input_becomes_a_dead_letter_with_its_reason_and_loses_nothing(name: str, feed: Any, product: Any) -> None:
    spoil, reason = BAD[name]
    bad = spoil(product.served("bad"))
    done = feed.pour(product.served("before"), bad, product.served("after"))
    assert feed.ask("SELECT reason, body FROM dead_letters") == [(reason, bad)]
    assert feed.ask("SELECT detail FROM dead_letters")[0][0]
    assert done.rows["responses"] == 2
    assert feed.ask("SELECT events, dead_letters FROM ingest_positions") == [(3, 1)]


def test_bad_input_of_every_kind_in_one_batch_is_told_apart(feed: Any, product: Any) -> None:
    bad = [(reason, spoil(product.served(f"bad {n}"))) for n, (spoil, reason) in enumerate(BAD.values())]
    done = feed.pour(product.served("before"), *(line for _, line in bad), product.served("after"))
    assert feed.ask("SELECT reason, body FROM dead_letters ORDER BY kafka_offset") == bad
    assert feed.ask("SELECT count(*) FROM dead_letters WHERE detail = ''") == [(0,)]
    assert done.rows["responses"] == 2
    assert feed.ask("SELECT events, dead_letters FROM ingest_positions") == [(len(bad) + 2, len(bad))]


def test_a_reaction_to_an_unknown_response_waits_and_is_not_lost(feed: Any, product: Any) -> None:
    feed.pour(product.reacted("never served"))
    assert feed.ask("SELECT response_id FROM waiting_reactions") == [("never served",)]
    assert feed.ask("SELECT count(*) FROM dead_letters") == [(0,)]


def test_odd_but_lawful_text_survives(feed: Any, product: Any) -> None:
    text = "zero \x00 byte, snow \N{SNOWMAN}, \U0001f9e1, \u2028 and 'quotes' \"twice\""
    feed.pour(product.served("r1", user="\N{SNOWMAN}", response=text))
    assert feed.ask("SELECT user_id, response FROM responses") == [("\N{SNOWMAN}", text)]
