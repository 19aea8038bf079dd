"""Nothing is served that is not written, and nothing is written that was not served, whoever fails."""

import asyncio
import http.client
import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from streams import brokers
from streams.gateway import relay
from tests.streams.gateway.conftest import Desk, Opened, until

SAID = "Water it from below."


def open_stream(desk: Desk, said: str = "Hi", piecewise: bool = True) -> socket.socket:
    """A request whose answer is read, or not, by hand."""
    body = json.dumps(
        {"model": "loveloop", "user": desk.user, "stream": piecewise, "messages": [{"role": "user", "content": said}]}
    ).encode()
    connected = socket.create_connection(("127.0.0.1", desk.port), timeout=20)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    connected.sendall(head.encode() + body)
    return connected


def read_until(connected: socket.socket, words: bytes) -> bytes:
    seen = b""
    while words not in seen:
        part = connected.recv(65_536)
        assert part, seen
        seen += part
    return seen


class HeldCommit:
    """Stands before a gateway's commits and holds them until it is let go."""

    def __init__(self, desk: Desk, patch: pytest.MonkeyPatch) -> None:
        self.lines: list[bytes] = []
        self.free = threading.Event()
        plain = desk.state.commit.submit

        async def later(lines: Any) -> None:
            await asyncio.to_thread(self.free.wait, 20)
            await plain(lines)

        def submit(lines: Any) -> Any:
            self.lines += lines
            return asyncio.ensure_future(later(lines))

        patch.setattr(type(desk.state.commit), "submit", lambda _, lines: submit(lines))


@pytest.mark.parametrize("piecewise", [False, True])
def test_the_answer_does_not_end_before_the_broker_has_the_event(
    desk: Desk, piecewise: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = HeldCommit(desk, monkeypatch)
    with open_stream(desk, piecewise=piecewise) as connected:
        if piecewise:
            seen = read_until(connected, b"below.")
            assert b'finish_reason":"stop' not in seen
            assert b"[DONE]" not in seen
        until(lambda: held.lines)
        connected.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connected.recv(65_536)
        assert desk.events() == []
        held.free.set()
        connected.settimeout(20)
        assert read_until(connected, b"[DONE]" if piecewise else b"loveloop")
    assert [event["response"] for event in desk.events()] == [SAID]


def test_a_client_that_leaves_a_stream_ends_it_and_what_it_saw_is_recorded(desk: Desk) -> None:
    desk.model.words, desk.model.pause = ("One. ", "Two. ") + ("More. ",) * 200, 0.05
    with open_stream(desk, "leave") as connected:
        read_until(connected, b"Two.")
    (event,) = until(desk.events)
    assert event["response"].startswith("One. Two. ")
    assert len(event["response"]) < 600
    assert event["cut"] == "client_left"
    until(lambda: desk.model.left == ["leave"])
    assert b'loveloop_gateway_incomplete_total{why="client_left"} ' in desk.ask("/metrics").body


def test_a_client_that_leaves_before_it_saw_anything_leaves_nothing(desk: Desk) -> None:
    desk.model.pause = 0.5
    for piecewise in (True, False):
        with open_stream(desk, "sleep" if not piecewise else "leave", piecewise):
            until(lambda: desk.model.asked)
        desk.model.asked.clear()
    time.sleep(1)
    assert desk.events() == []
    assert desk.chat().status == 200


def test_a_client_that_reads_nothing_any_more_has_left(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        relay, "_READING_SECONDS", -129.0
    )  # of the 120 of the model and the 10 of the broker, 1 is left
    desk.model.words = ("x" * 1_000_000,) * 60
    with open_stream(desk, "stuck") as connected:
        read_until(connected, b"xxx")
        until(lambda: desk.model.left == ["stuck"])
        until(lambda: b'incomplete_total{why="client_left"}' in desk.ask("/metrics").body)


def test_a_stream_that_the_model_breaks_off_is_an_error_without_an_end_and_is_recorded(desk: Desk) -> None:
    reply = desk.chat("break", stream=True)
    assert not reply.done
    assert reply.chunks[-1]["error"]["code"] == "model_failed"
    (event,) = desk.events()
    assert (event["response"], event["cut"]) == ("Water it ", "model_broke_off")


def test_a_model_that_takes_too_long_is_504(opened: Opened) -> None:
    with opened("[limits]\nseconds = 0.3") as desk:
        for piecewise in (False, True):
            reply = desk.chat("sleep", stream=piecewise)
            assert (reply.status, reply.json["error"]["code"]) == (504, "model_timeout")
        desk.model.pause = 0.2
        cut = desk.chat("slow", stream=True)
        assert (cut.status, cut.done, cut.chunks[-1]["error"]["code"]) == (200, False, "model_timeout")
        assert desk.events()[0]["cut"] == "model_broke_off"


def test_a_server_that_is_not_there_is_502(opened: Opened) -> None:
    nowhere = brokers.free_port()
    with opened() as desk:
        upstream = desk.state.upstream
        asked, headers = upstream._asked["v7"]
        upstream._asked["v7"] = (asked.__class__(url=f"http://127.0.0.1:{nowhere}/v1"), headers)
        reply = desk.chat()
        assert (reply.status, reply.json["error"]["code"]) == (502, "model_failed")


def refuse_commits(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> None:
    from concurrent.futures import Future

    def submit(_: Any, lines: Any) -> Any:
        told: Future[None] = Future()
        told.set_exception(ConnectionError("the broker went away"))
        return told

    monkeypatch.setattr(type(desk.state.commit), "submit", submit)


def test_without_an_acknowledgement_there_is_no_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        refuse_commits(patch, desk)
        reply = desk.chat()
        assert (reply.status, reply.json["error"]["code"], reply.headers["retry-after"]) == (503, "not_stored", "2")
        assert SAID.encode() not in reply.body
        stream = desk.chat(stream=True)
        assert (stream.status, stream.done, stream.chunks[-1]["error"]["code"]) == (200, False, "not_stored")
        assert not any(choice.get("finish_reason") for c in stream.chunks for choice in c.get("choices", ()))
        assert desk.ask("/v1/erasures", {"user": desk.user}).status == 503
    assert desk.events() == []


def test_a_reaction_that_was_not_stored_is_stored_once_when_it_is_sent_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    response = desk.chat().json["id"]
    with monkeypatch.context() as patch:
        refuse_commits(patch, desk)
        assert desk.react(response).status == 503
        assert desk.react(response, "dislike").status == 409
    assert desk.react(response).status == 200
    assert desk.react(response).status == 200
    assert [event["type"] for event in desk.events()] == ["response_served", "reaction_changed"]


@pytest.mark.slow
def test_a_broker_that_is_away_is_503_and_nothing_is_lost_or_doubled_after_a_retry(
    opened: Opened, tmp_path: Path
) -> None:
    port = brokers.free_port()
    with opened(bootstrap=f"127.0.0.1:{port}", ready=False) as desk:
        until(lambda: desk.ask("/health").status == 503)
        assert desk.ask("/ready").status == 503
        for piecewise in (False, True):
            reply = desk.chat(stream=piecewise)
            assert (reply.status, reply.headers["retry-after"]) == (503, "2")
        assert desk.model.asked == []
        with brokers.start("tansu", tmp_path, port=port):
            until(lambda: desk.ask("/ready").status == 200, 60)
            reply = until(lambda: (found := desk.chat()).status == 200 and found, 60)
            response = reply.json["id"]
            assert [event["response_id"] for event in desk.events()] == [response]


def test_what_was_answered_with_200_is_in_the_topic_of_every_broker_once(opened: Opened, broker: str) -> None:
    with opened(bootstrap=broker) as desk:
        answered = [desk.chat(stream=piecewise).headers["x-loveloop-response"] for piecewise in (True, False) * 10]
        assert sorted(event["response_id"] for event in desk.events()) == sorted(answered)


def test_an_answer_of_an_old_client_without_keep_alive_is_whole(desk: Desk) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", desk.port, timeout=20)
    body = json.dumps({"user": desk.user, "stream": True, "messages": [{"role": "user", "content": "Hi"}]})
    connection.request("POST", "/v1/chat/completions", body, {"Connection": "close"})
    assert connection.getresponse().read().endswith(b"data: [DONE]\n\n")
    connection.close()
