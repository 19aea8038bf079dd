"""What a gateway tells of itself: figures and lines that hold no text of a message and no user's name."""

import json
import logging
import sys

import pytest

from streams.gateway.access_log import JsonLines
from tests.streams.gateway.conftest import Desk, route, until

SECRET_WORDS = "my sister's illness"


def test_neither_log_nor_metrics_hold_words_or_users(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    desk.model.words = ("a rare ", "answer")
    response = desk.chat(SECRET_WORDS).json["id"]
    desk.chat(SECRET_WORDS, stream=True)
    desk.react(response, "a-rare-sign")
    desk.ask(f"/{desk.user}")
    desk.ask("/v1/chat/completions", f'{{"user":"{desk.user}","messages":"{SECRET_WORDS}"}}'.encode())
    desk.ask("/v1/erasures", {"user": desk.user})
    until(lambda: sum(record.getMessage() == "request" for record in caplog.records) >= 6)
    formatter = JsonLines()
    lines = [formatter.format(record) for record in caplog.records if record.name.startswith("streams.")]
    for text in (*lines, desk.ask("/metrics").body.decode()):
        for words in (SECRET_WORDS, "a rare", "a-rare-sign", desk.user, response):
            assert words not in text


def test_a_line_tells_what_happened(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    desk.write_routes(route())
    until(lambda: desk.ask("/health").json["routes"]["experiments"], 5)
    desk.chat(user="u0")
    desk.chat(user="")
    desk.ask("/v1/chat/completions", {})
    formatter = JsonLines()
    told = [json.loads(formatter.format(each)) for each in caplog.records if each.getMessage() == "request"]
    chats = [each for each in told if each["path"] == "/v1/chat/completions"]
    assert (chats[0]["status"], chats[0]["experiment"], chats[0]["key"]) == (200, "warmer", "open")
    assert len(chats[0]["user"]) == 12
    assert chats[0]["seconds"] > 0
    assert (chats[-1]["status"], chats[-1]["reason"]) == (400, "no_user")


def test_an_error_is_logged_by_kind_and_place_without_its_words() -> None:
    try:
        raise KeyError(SECRET_WORDS)
    except KeyError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", None, sys.exc_info())
    line = JsonLines().format(record)
    assert json.loads(line)["error"] == "KeyError"
    assert "test_telemetry.py:" in line
    assert SECRET_WORDS not in line


def test_the_metrics_count_requests_refusals_arms_and_acknowledgements(desk: Desk) -> None:
    def value(name: str) -> float:
        lines = [line for line in desk.ask("/metrics").body.decode().splitlines() if line.startswith(name)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    path = 'path="/v1/chat/completions"'
    names = (
        f'loveloop_gateway_requests_total{{{path},status="200"}}',
        f"loveloop_gateway_request_seconds_count{{{path}}}",
        'loveloop_gateway_responses_total{policy="v7",experiment="",arm=""}',
        "loveloop_gateway_broker_acknowledged_events",
        'loveloop_gateway_refusals_total{reason="no_user"}',
    )
    before = [value(name) for name in names]
    desk.chat()
    desk.chat(stream=True)
    desk.ask("/v1/chat/completions", {})
    assert [now - then for now, then in zip(map(value, names), before, strict=True)] == [2, 3, 2, 2, 1]
    assert value("loveloop_gateway_broker_up ") == 1


def test_the_metrics_are_of_prometheus_form_and_buckets_grow(desk: Desk) -> None:
    desk.chat()
    reply = desk.ask("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = reply.body.decode().splitlines()
    assert all(line.startswith("# ") or len(line.rpartition(" ")) == 3 for line in lines)
    start = 'loveloop_gateway_request_seconds_bucket{path="/v1/chat/completions"'
    buckets = [int(line.rpartition(" ")[2]) for line in lines if line.startswith(start)]
    assert buckets == sorted(buckets)
    assert buckets[-1] > 0


def test_paths_that_are_none_of_ours_are_counted_as_one(desk: Desk) -> None:
    desk.ask("/wp-admin")
    desk.ask("/a/b")
    body = desk.ask("/metrics").body
    assert b'path="other",status="404"' in body
    assert b"wp-admin" not in body
