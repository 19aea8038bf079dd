"""Traces of OpenTelemetry become events: once, of whom they say, and nothing else does."""

import gzip
import hashlib
import http.client
import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streams import events
from streams.gateway import settings, spans
from tests.streams.gateway.conftest import KEY, Desk, Opened, Reply
from tests.streams.gateway.odd_requests import attribute, span_of, trace
from tests.streams.gateway.test_guarantees import refuse_commits
from tests.streams.gateway.test_openapi import check

NOW = datetime(2026, 3, 2, tzinfo=UTC)
OTHER, LIMITED = "another key", "a key with fewer rights"
AUTHORISED = {"Authorization": f"Bearer {KEY}"}
MESSAGES = {"gen_ai__input__messages", "gen_ai__output__messages"}


def sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


CONFIG = f"""[spans]
enabled = true
keys = ["product", "robot"]
body_bytes = 65536
[limits]
seconds = 0.5
requests_per_minute = 60
user_requests_per_minute = 6000
[keys]
product = {{sha256 = "{sha256(KEY)}", reactions_for_others = true}}
robot = {{sha256 = "{sha256(OTHER)}", user = "robot"}}
limited = "{sha256(LIMITED)}"
"""


@pytest.fixture
def tracer(opened: Opened) -> Iterator[Desk]:
    with opened(CONFIG) as desk:
        yield desk


def export(desk: Desk, *traced: dict[str, Any], key: str = KEY, **headers: str) -> Reply:
    sent = {"Authorization": f"Bearer {key}", "Content_Type": "application/json"} | headers
    reply = desk.ask("/v1/traces", trace(*traced), **sent)
    check("/v1/traces", reply)
    return reply


def event_of(**changes: Any) -> dict[str, Any]:
    (line,) = spans.mapped(trace(span_of("ada", **changes)), NOW).lines
    return json.loads(line)


def rejected(*traced: dict[str, Any]) -> list[str]:
    found = spans.mapped(trace(*traced), NOW)
    assert found.lines == []
    return [reason for reason, _ in found.rejected]


def test_a_span_of_the_conventions_is_a_response_served() -> None:
    event = event_of(
        said="How do I keep basil alive?", gen_ai__system_instructions=[{"type": "text", "content": "Be brief."}]
    )
    assert event["served_at"] == "2026-03-01T12:00:02.123456Z"
    assert {name: event[name] for name in ("user_id", "policy", "response_id", "conversation_id", "session_id")} == {
        "user_id": "ada",
        "policy": "v7",
        "response_id": "chatcmpl-00f067aa0ba902b7",
        "conversation_id": "conv_5j66",
        "session_id": "visit-1",
    }
    assert event["conversation"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How do I keep basil alive?"},
    ]
    assert (event["response"], event["turn"]) == ("How do I keep basil alive?", 0)
    assert event["span"] == {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7"}
    assert "experiment" not in event
    assert events.decode(json.dumps(event).encode(), received_at=NOW).event.event_id == event["event_id"]


def test_messages_as_lists_of_the_protocol_say_the_same_as_json_in_a_text() -> None:
    talk = [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]
    said = [{"role": "assistant", "parts": [{"type": "text", "content": "Hello!"}], "finish_reason": "stop"}]
    as_lists = event_of(gen_ai__input__messages=talk, gen_ai__output__messages=said)
    as_texts = event_of(gen_ai__input__messages=json.dumps(talk), gen_ai__output__messages=json.dumps(said))
    assert as_lists == as_texts
    assert as_lists["response"] == "Hello!"


def test_a_talk_with_tools_is_read_as_the_contract_reads_one() -> None:
    call = {"type": "tool_call", "id": "1", "name": "look", "arguments": {"at": "Paris"}}
    talk = [
        {"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]},
        {"role": "assistant", "parts": [call]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": "rainy, 57°F"}]},
    ]
    thought = {"type": "reasoning", "content": "The tool says rain."}
    said = [{"role": "assistant", "parts": [thought, {"type": "text", "content": "It rains."}]}]
    event = event_of(gen_ai__input__messages=talk, gen_ai__output__messages=said)
    assert [(each["role"], each["content"]) for each in event["conversation"]] == [
        ("user", "Weather in Paris?"),
        ("assistant", ""),
        ("system", "rainy, 57°F"),
    ]
    assert event["conversation"][1]["tool_calls"][0]["name"] == "look"
    assert event["response"] == "It rains."
    assert event["turn"] == 0


def test_a_part_that_is_no_text_is_named_and_kept_beside() -> None:
    parts = [{"type": "blob", "modality": "image", "content": "A" * 9_000}, {"type": "text", "content": "What is it?"}]
    (asked,) = event_of(gen_ai__input__messages=[{"role": "user", "parts": parts}])["conversation"]
    assert asked["content"] == "[image]\nWhat is it?"
    assert len(asked["parts"][0]["content"]) < 200


def test_the_turn_counts_the_responses_before() -> None:
    talk = [{"role": role, "parts": [{"type": "text", "content": role}]} for role in ("user", "assistant", "user")]
    assert event_of(gen_ai__input__messages=talk)["turn"] == 1


def test_what_a_span_leaves_out_follows_from_its_ids_and_its_user() -> None:
    less = dict.fromkeys(("gen_ai__response__id", "gen_ai__conversation__id", "session__id", "enduser__id"))
    event = event_of(**less, user__id="bob")
    assert event["user_id"] == "bob"
    assert event["response_id"] == "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
    assert event["conversation_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert event == event_of(**less, user__id="bob")
    assert event["session_id"].startswith("s-")


def test_a_span_sent_again_is_a_copy_and_another_span_is_another_event() -> None:
    assert event_of() == event_of()
    assert event_of()["event_id"] != event_of(span_id="00f067aa0ba902b8")["event_id"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"gen_ai__operation__name": None}, "no_response"),
        ({"gen_ai__operation__name": "embeddings"}, "no_response"),
        ({"error__type": "timeout"}, "failed"),
        ({"gen_ai__response__id": f"r-{'0' * 32}-{'a' * 20}"}, "served_by_gateway"),
        (
            {"gen_ai__output__messages": [{"role": "assistant", "parts": [{"type": "tool_call", "name": "x"}]}]},
            "tool_call",
        ),
    ],
)
def test_what_is_no_response_is_passed_over_and_no_fault(changes: dict[str, Any], why: str) -> None:
    found = spans.mapped(trace(span_of(**changes)), NOW)
    assert (found.lines, found.passed_over, found.rejected, found.answer()) == ([], [why], [], {})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"enduser__id": None}, "no_user"),
        ({"gen_ai__request__model": None, "gen_ai__response__model": None}, "no_model"),
        (dict.fromkeys(MESSAGES), "no_content"),
        ({"gen_ai__output__messages": "[]"}, "no_content"),
        ({"gen_ai__output__messages": [{"role": "assistant", "parts": []}] * 2}, "several_choices"),
        ({"gen_ai__input__messages": "[{"}, "malformed_messages"),
        ({"gen_ai__input__messages": '["text"]'}, "malformed_messages"),
        (
            {"gen_ai__input__messages": [{"role": "robot", "parts": [{"type": "text", "content": "Hi"}]}]},
            "breaks_contract",
        ),
        ({"enduser__id": "a\0b"}, "breaks_contract"),
        ({"enduser__id": "a" * 257}, "breaks_contract"),
        ({"enduser__id": "cut \ufffd"}, "breaks_contract"),
        ({"enduser__id": 7}, "breaks_contract"),
        ({"session__id": True}, "breaks_contract"),
    ],
)
def test_a_response_that_cannot_be_an_event_is_rejected_with_the_reason(changes: dict[str, Any], reason: str) -> None:
    assert rejected(span_of(**changes)) == [reason]


@pytest.mark.parametrize(
    "field",
    [
        {"traceId": "0" * 32}, {"traceId": "xyz"}, {"spanId": None}, {"attributes": "x"}, {"attributes": [{"key": 1}]},
        {"endTimeUnixNano": "soon"}, {"endTimeUnixNano": 10**30}, {"endTimeUnixNano": True},
        {"attributes": [{"key": "a", "value": 1}]},
    ],
)  # fmt: skip
def test_what_is_no_span_is_rejected_and_the_others_are_not(field: dict[str, Any]) -> None:
    found = spans.mapped(trace(span_of() | field, span_of()), NOW)
    assert [reason for reason, _ in found.rejected] == ["malformed_span"]
    assert len(found.lines) == 1


def test_a_value_that_is_too_deep_is_rejected() -> None:
    value: Any = {"stringValue": "x"}
    for _ in range(100):
        value = {"arrayValue": {"values": [value]}}
    deep = span_of()
    deep["attributes"].append({"key": "x", "value": value})
    assert rejected(deep) == ["malformed_span"]
    for depth in (300, 900, 50_000):
        pit = "[" * depth + "]" * depth
        for said in (f'"content": {pit}', f'"parts": [{{"type": "x", "content": {pit}}}]'):
            (reason,) = rejected(span_of(gen_ai__input__messages=f'[{{"role": "user", {said}}}]'))
            assert reason in ("malformed_messages", "breaks_contract")


def test_a_span_from_the_future_or_before_2000_is_rejected() -> None:
    late = int((NOW + timedelta(days=2)).timestamp()) * 10**9
    for moment in (late, "0", -1):
        assert rejected(span_of() | {"endTimeUnixNano": moment}) == ["breaks_contract"]


def test_an_answer_repeats_no_word_of_a_message_and_no_user() -> None:
    odd = [span_of("zed\0", said="secret words"), span_of(gen_ai__input__messages='[{"role":"robot","parts":[]}]')]
    told = json.dumps(spans.mapped(trace(*odd), NOW).answer())
    assert '"rejectedSpans": "2"' in told
    for words in ("zed", "secret", "robot"):
        assert words not in told


def test_spans_come_to_the_broker_before_the_answer_and_their_reactions_after_them(tracer: Desk) -> None:
    response = f"chatcmpl-{uuid.uuid4().hex}"
    span = span_of(tracer.user, gen_ai__response__id=response)
    reply = export(tracer, span, span_of(None), span_of(error__type="500"))
    assert (reply.status, reply.json["partialSuccess"]["rejectedSpans"]) == (200, "1")
    assert export(tracer, span).json == {}
    stored = tracer.events()
    assert [each["response_id"] for each in stored] == [response] * 2
    assert stored[0] == stored[1]
    love = {"response_id": response, "reaction": "love", "action": "added", "user": tracer.user}
    reacted = tracer.ask("/v1/reactions", love, Idempotency_Key="k", **AUTHORISED)
    assert (reacted.status, reacted.json["response_id"]) == (200, response)
    again = tracer.ask("/v1/reactions", love, Idempotency_Key="k", **AUTHORISED)
    assert again.json == reacted.json
    assert [each["type"] for each in tracer.events()] == ["response_served"] * 2 + ["reaction_changed"]
    metrics = tracer.ask("/metrics").body.decode()
    for outcome, count in (("recorded", 2), ("failed", 1), ("no_user", 1)):
        assert f'loveloop_gateway_spans_total{{outcome="{outcome}"}} {count}' in metrics


def test_only_a_key_with_the_right_reacts_to_what_the_gateway_has_not_served(tracer: Desk) -> None:
    love = {"response_id": "chatcmpl-1", "reaction": "love", "action": "added", "user": tracer.user}
    limited = {"Authorization": f"Bearer {LIMITED}", "Idempotency_Key": "k"}
    refused = tracer.ask("/v1/reactions", love, **limited)
    assert (refused.status, refused.json["error"]["code"]) == (400, "malformed_id")
    forged = love | {"response_id": f"r-{'0' * 32}-{'a' * 20}"}
    assert tracer.ask("/v1/reactions", forged, Idempotency_Key="k", **AUTHORISED).status == 403
    for odd in ("", "a" * 257, "a\0", 7, None):
        assert tracer.ask("/v1/reactions", love | {"response_id": odd}, Idempotency_Key="k", **AUTHORISED).status == 400
    assert tracer.events() == []


def test_every_refusal_has_the_protocols_form(tracer: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert export(tracer, key="wrong").status == 401
    assert export(tracer, key=LIMITED).status == 403
    assert export(tracer, Content_Type="application/x-protobuf").status == 415
    assert export(tracer, Content_Encoding="br").status == 415
    assert export(tracer, Content_Encoding="gzip").status == 400
    body = {"Content_Type": "application/json"} | AUTHORISED
    for content, status in ((b"[1]", 400), (b"{", 400), (b'{"resourceSpans":[1]}', 400), (b"{}", 200)):
        reply = tracer.ask("/v1/traces", content, **body)
        check("/v1/traces", reply)
        assert reply.status == status
    with monkeypatch.context() as patch:
        refuse_commits(patch, tracer)
        assert export(tracer, span_of(tracer.user)).headers["retry-after"]
    assert slow(tracer).status == 408
    assert export(tracer, span_of("robot"), key=OTHER).json == {}
    assert 429 in {export(tracer).status for _ in range(60)}


def slow(desk: Desk) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", desk.port, timeout=20)
    connection.putrequest("POST", "/v1/traces")
    for name, value in (AUTHORISED | {"Content-Length": "9", "Content-Type": "application/json"}).items():
        connection.putheader(name, value)
    connection.endheaders(b"{")
    answer = connection.getresponse()
    found = Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    connection.close()
    check("/v1/traces", found)
    return found


def test_a_packed_body_is_opened_up_to_the_limit(tracer: Desk) -> None:
    packed = {"Content_Type": "application/json", "Content_Encoding": "gzip"} | AUTHORISED
    body = gzip.compress(json.dumps(trace(span_of(tracer.user))).encode())
    assert tracer.ask("/v1/traces", body, **packed).status == 200
    assert len(tracer.events()) == 1
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 65_536
    for odd, status in ((bomb, 413), (body[:-9], 400)):
        reply = tracer.ask("/v1/traces", odd, **packed)
        check("/v1/traces", reply)
        assert reply.status == status


def test_a_keys_own_user_is_whose_the_spans_are_that_name_nobody(tracer: Desk) -> None:
    name = f"chatcmpl-{uuid.uuid4().hex}"
    assert export(tracer, span_of(None, gen_ai__response__id=name), key=OTHER).json == {}
    assert name in [each["response_id"] for each in tracer.events("robot")]


def test_a_gateway_takes_no_spans_unless_it_is_told_to(desk: Desk) -> None:
    reply = desk.ask("/v1/traces", trace(span_of(desk.user)), Content_Type="application/json")
    check("/v1/traces", reply)
    assert reply.status == 404
    assert desk.events() == []


def test_spans_need_keys_that_there_are() -> None:
    plain = 'default = "v7"\nbackends.v7 = "http://h/v1"\n[spans]\nenabled = true\n'
    with pytest.raises(ValueError, match=r"add \[keys\]"):
        settings.parse(plain)
    with pytest.raises(ValueError, match="must be a name of"):
        settings.parse(f'{plain}keys = ["other"]\n[keys]\nproduct = "{"a" * 64}"\n')


def test_the_span_that_the_manual_sends_is_recorded() -> None:
    page = (Path(__file__).parents[3] / "docs" / "gateway.md").read_text()
    (body,) = re.findall(r"/v1/traces -H .* -d '(.*)'", page)
    found = spans.mapped(json.loads(body), NOW)
    assert [json.loads(line)["response_id"] for line in found.lines] == ["chatcmpl-1"]


def test_a_number_of_the_protocol_may_be_a_text() -> None:
    span = span_of()
    span["attributes"].append({"key": "n", "value": {"intValue": 12}})
    span["attributes"] += [attribute("deep", {"a": [1, True, 2.5, "x"]})]
    span["endTimeUnixNano"] = int(span["endTimeUnixNano"])
    assert len(spans.mapped(trace(span), NOW).lines) == 1
