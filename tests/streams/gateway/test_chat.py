"""Responses through the gateway: what clients of OpenAI's API get, and what the topic holds when they have it."""

import re
from typing import Any

import pytest

from tests.streams.gateway.conftest import Desk


def test_a_response_is_the_servers_with_our_id_and_the_policy(desk: Desk) -> None:
    reply = desk.chat(temperature=0.5)
    assert reply.status == 200
    told = reply.json
    assert told["choices"][0]["message"]["content"] == "Water it from below."
    assert told["id"] == told["loveloop"]["response_id"] == reply.headers["x-loveloop-response"]
    assert re.fullmatch(r"r-[0-9a-f]{32}-[0-9a-f]{20}", told["id"])
    assert (told["model"], told["object"], told["created"]) == ("v7", "chat.completion", 1)
    assert told["loveloop"]["turn"] == 0
    assert told["loveloop"]["conversation_id"] == reply.headers["x-loveloop-conversation"]
    assert desk.model.asked[0]["temperature"] == 0.5
    assert desk.model.asked[0]["model"] == "v7"
    assert "user" not in desk.model.asked[0]


def test_what_was_answered_is_in_the_topic(desk: Desk) -> None:
    told = desk.chat(headers={"X_Loveloop_Conversation": "c1", "X_Loveloop_Session": "s1"}).json["loveloop"]
    (event,) = desk.events()
    assert (event["type"], event["response"], event["policy"]) == ("response_served", "Water it from below.", "v7")
    assert (event["conversation_id"], event["session_id"], event["turn"]) == ("c1", "s1", 0)
    assert event["response_id"] == told["response_id"]
    assert event["conversation"] == [{"role": "user", "content": "How do I keep basil alive?"}]
    assert "experiment" not in event
    assert "cut" not in event


def test_a_stream_is_handed_on_and_ends_when_the_topic_holds_it(desk: Desk) -> None:
    reply = desk.chat(stream=True)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.done
    said = [chunk["choices"][0]["delta"].get("content") for chunk in reply.chunks]
    assert said == ["", "Water ", "it ", "from ", "below.", None]
    last = reply.chunks[-1]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["loveloop"]["response_id"] == reply.headers["x-loveloop-response"]
    assert {chunk["id"] for chunk in reply.chunks} == {last["loveloop"]["response_id"]}
    assert {chunk["model"] for chunk in reply.chunks} == {"v7"}
    (event,) = desk.events()
    assert event["response"] == "Water it from below."


def test_a_chunk_of_usage_after_the_finish_bears_our_object(desk: Desk) -> None:
    chunks = desk.chat("usage", stream=True).chunks
    assert chunks[-1]["usage"] == {"total_tokens": 9}
    assert chunks[-1]["loveloop"]["policy"] == "v7"
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert "loveloop" not in chunks[-2]


@pytest.mark.parametrize("piecewise", [False, True])
def test_a_step_that_only_calls_tools_is_handed_on_and_is_no_response(desk: Desk, piecewise: bool) -> None:
    reply = desk.chat("tool", stream=piecewise)
    assert reply.status == 200
    told = reply.chunks[-1] if piecewise else reply.json
    assert told["loveloop"]["recorded"] is False
    assert b"tool_calls" in reply.body
    assert desk.events() == []


def test_an_answer_in_parts_is_handed_on_as_it_is_and_recorded_as_its_text(desk: Desk) -> None:
    assert desk.chat("parts").json["choices"][0]["message"]["content"][1]["type"] == "text"
    assert [event["response"] for event in desk.events()] == ["Water it from below."]


def test_the_turn_counts_responses_and_neither_greetings_nor_steps(desk: Desk) -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "assistant", "content": "Welcome!"},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "tool", "content": "9 C", "tool_call_id": "1"},
        {"role": "assistant", "content": "It is cold."},
        {"role": "user", "content": [{"type": "text", "text": "And tomorrow?"}]},
    ]
    assert desk.chat(messages=messages).json["loveloop"]["turn"] == 1
    (event,) = desk.events()
    assert [each["role"] for each in event["conversation"]] == [
        "system", "assistant", "user", "assistant", "system", "assistant", "user",
    ]  # fmt: skip
    assert event["turn"] == 1


def test_a_policy_is_asked_for_by_name_and_its_server_by_the_servers_name(desk: Desk) -> None:
    assert desk.chat(model="v8").json["model"] == "v8"
    assert desk.model.asked[0]["model"] == "adapter-8"
    missing = desk.chat(model="gpt-4")
    assert (missing.status, missing.json["error"]["code"]) == (404, "model_not_found")


def test_a_user_comes_from_the_header_when_the_body_names_none(desk: Desk) -> None:
    name = "Jos\u00e9".encode().decode("latin-1")
    assert desk.chat(user=None, headers={"X_Loveloop_User": name}).status == 200
    assert len(desk.events("Jos\u00e9")) == 1


def test_the_conversation_may_stand_in_the_metadata_which_the_server_does_not_see(desk: Desk) -> None:
    told = desk.chat(metadata={"conversation_id": "c9"}).json["loveloop"]
    assert told["conversation_id"] == "c9"
    assert "metadata" not in desk.model.asked[0]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"user": None}, 400, "no_user"),
        ({"user": ""}, 400, "invalid_request"),
        ({"user": 7}, 400, "invalid_request"),
        ({"user": "a" * 257}, 400, "invalid_request"),
        ({"user": "a\0"}, 400, "invalid_request"),
        ({"messages": []}, 400, "invalid_request"),
        ({"messages": "Hi"}, 400, "invalid_request"),
        ({"messages": [1]}, 400, "invalid_request"),
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, 400, "invalid_request"),
        ({"messages": [{"role": "wizard", "content": "x"}, {"role": "user", "content": "x"}]}, 400, "invalid_request"),
        ({"messages": [{"role": "user"}]}, 400, "invalid_request"),
        ({"n": 2}, 400, "invalid_request"),
        ({"n": True}, 400, "invalid_request"),
        ({"stream": "yes"}, 400, "invalid_request"),
        ({"loveloop": {"arm": "treatment"}}, 400, "forged_fields"),
        ({"metadata": {"conversation_id": "a\r\nSet-Cookie: x"}}, 400, "invalid_request"),
        ({"metadata": {"conversation_id": 5}}, 400, "invalid_request"),
        ({"messages": [{"role": "user", "content": "x" * 1_048_576}]}, 413, "body_too_long"),
    ],
)  # fmt: skip
def test_a_bad_request_is_refused_before_a_model_is_asked(
    desk: Desk, change: dict[str, Any], status: int, code: str
) -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}], "user": desk.user} | change
    reply = desk.ask("/v1/chat/completions", body)
    assert (reply.status, reply.json["error"]["code"]) == (status, code)
    assert reply.json["error"]["message"]
    assert desk.model.asked == []


@pytest.mark.parametrize(
    "header",
    [{"X_Loveloop_User": "a" * 257}, {"X_Loveloop_Conversation": ""}, {"X_Loveloop_Conversation": "Jos\u00e9"}],
)
def test_a_bad_header_is_told_even_where_the_body_says_it_better(desk: Desk, header: dict[str, str]) -> None:
    reply = desk.chat(metadata={"conversation_id": "c9"}, headers=header)
    assert (reply.status, reply.json["error"]["code"]) == (400, "invalid_request")
    assert desk.model.asked == []


@pytest.mark.parametrize("body", [b"", b"nope", b"[1]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"user":"\\ud800"}'])
def test_no_body_whatever_breaks_the_gateway(desk: Desk, body: bytes) -> None:
    reply = desk.ask("/v1/chat/completions", body)
    assert (reply.status, reply.json["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("piecewise", [False, True])
@pytest.mark.parametrize(
    ("said", "status", "code"),
    [("fail", 502, "model_failed"), ("refuse", 400, "model_refused"), ("busy", 429, "model_busy")],
)
def test_the_servers_errors_become_ours(desk: Desk, said: str, status: int, code: str, piecewise: bool) -> None:
    reply = desk.chat(said, stream=piecewise)
    assert (reply.status, reply.json["error"]["code"]) == (status, code)
    assert "out of memory" not in reply.json["error"]["message"]
    assert desk.events() == []


def test_what_is_no_completion_is_the_servers_fault(desk: Desk) -> None:
    assert desk.chat("nonsense").status == 502


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/completions", 404, "not_found"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/reactions", 405, "method_not_allowed"),
        ("GET", "/nothing", 404, "not_found"),
    ],
)
def test_what_is_not_there_is_told_in_the_form_of_all_errors(
    desk: Desk, method: str, path: str, status: int, code: str
) -> None:
    reply = desk.ask(path, method=method)
    assert (reply.status, reply.json["error"]["code"]) == (status, code)


def test_a_fault_of_ours_tells_no_more_than_that(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("words of a user")

    monkeypatch.setattr(type(desk.state.routes.table), "route", fail)
    reply = desk.chat()
    assert (reply.status, reply.json["error"]["code"]) == (500, "internal_error")
    assert b"words of a user" not in reply.body
