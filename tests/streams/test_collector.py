"""Events by HTTP, against a real broker: what was answered with 200 is in the topic, whatever happens."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError

import pytest

from streams import brokers, consumer, wire

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")
REACTED: dict[str, Any] = {
    "type": "reaction_changed", "user_id": "u1", "response_id": "r1", "session_id": "s1", "reaction": "\u2764\ufe0f",
    "action": "added",
}  # fmt: skip


class Answer(NamedTuple):
    """What the collector said."""

    status: int
    body: dict[str, Any]
    headers: Message


class Running(NamedTuple):
    """A collector's process and its address."""

    process: "subprocess.Popen[str]"
    url: str

    def post(self, body: Any, **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return ask(urllib.request.Request(self.url, data, headers))

    def health(self) -> Answer:
        return ask(urllib.request.Request(self.url.replace("/events", "/health")))


def ask(request: urllib.request.Request) -> Answer:
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Answer(answer.status, json.load(answer), answer.headers)
    except HTTPError as error:
        return Answer(error.code, json.load(error), error.headers)


@contextmanager
def collector(bootstrap: str, *options: str) -> Iterator[Running]:
    command = [sys.executable, "-c", "from assets.cli import main; main()", "collect", "--port", "0", *options]
    environment = os.environ | {"KAFKA_BOOTSTRAP": bootstrap}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, cwd=Path(__file__).parents[2]
    )
    try:
        assert process.stdout is not None
        found = re.match(r"collecting on (http://\S+)", process.stdout.readline())
        assert found is not None
        yield Running(process, found[1])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def running(tansu: str) -> Iterator[Running]:
    with collector(tansu) as found:
        yield found


def stored(bootstrap: str) -> list[dict[str, Any]]:
    return [json.loads(line) for each in consumer.read_to_end(bootstrap) for line in wire.unpack(each.value)]


def of_user(bootstrap: str, user: str) -> list[dict[str, Any]]:
    return [event for event in stored(bootstrap) if event["user_id"] == user]


def test_one_event_from_curl_is_completed_and_stored(running: Running, tansu: str) -> None:
    answer = running.post(REACTED | {"user_id": "curl"})
    assert answer[:2] == (200, {"accepted": 1, "refused": 0})
    (event,) = of_user(tansu, "curl")
    assert (event["reaction"], event["schema_version"], event["event_id"][14]) == ("love", 2, "7")
    assert event["reacted_at"].endswith("Z")


def test_many_events_come_one_a_line_or_as_an_array(running: Running, tansu: str) -> None:
    events = [REACTED | {"user_id": "many", "response_id": f"r{number}"} for number in range(40)]
    assert running.post(b"\r\n".join(json.dumps(each).encode() for each in events)).body["accepted"] == 40
    assert running.post(events).body["accepted"] == 40
    assert len(of_user(tansu, "many")) == 80


def test_openai_messages_are_taken(running: Running, tansu: str) -> None:
    spoken = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    ]
    served = {
        "type": "response_served", "user_id": "openai", "response_id": "r", "conversation_id": "c", "turn": 0,
        "session_id": "s", "policy": "p", "conversation": spoken, "response": "hello",
    }  # fmt: skip
    assert running.post(served).status == 200
    (event,) = of_user(tansu, "openai")
    assert [(each["role"], each["content"]) for each in event["conversation"]] == [
        ("system", "Be brief."),
        ("user", "hi"),
    ]


def test_a_bad_line_is_told_with_rule_and_cure_and_the_others_are_stored(running: Running, tansu: str) -> None:
    good = json.dumps(REACTED | {"user_id": "mixed"}).encode()
    bad = json.dumps({"type": "response_served", "user_id": "", "turn": -1, "event_id": "x"}).encode()
    answer = running.post(b"\n".join([good, bad, b"nope", b"", b"[1]", b'{"type":"x"}', good]))
    assert (answer.status, answer.body["accepted"], answer.body["refused"]) == (422, 2, 4)
    told = [(each["line"], each["reason"]) for each in answer.body["errors"]]
    assert told == [(2, "invalid_field"), (3, "not_json"), (5, "not_an_object"), (6, "unknown_type")]
    first = answer.body["errors"][0]
    for field in ("event_id", "user_id", "turn", "response", "policy"):
        assert field in first["detail"]
        assert f"{field}: " in first["cure"]
    assert all(each["detail"] and each["cure"] for each in answer.body["errors"])
    assert len(of_user(tansu, "mixed")) == 2


@pytest.mark.parametrize("body", [b"", b" \n ", b"[]"])
def test_a_body_without_an_event_is_refused(running: Running, body: bytes) -> None:
    assert running.post(body).status == 422


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"[" * 100_000, b'{"type":"erasure_requested","user_id":"\\ud800"}', b"null"]
)
def test_no_body_whatever_breaks_the_collector(running: Running, body: bytes) -> None:
    answer = running.post(body)
    assert (answer.status, answer.body["refused"]) == (422, 1)


def test_a_body_that_is_too_long_is_413(running: Running) -> None:
    assert running.post(b" " * (16 * 1_048_576 + 1)).status == 413


def test_concurrent_requests_share_commits(running: Running, tansu: str) -> None:
    before = running.health().body
    with ThreadPoolExecutor(32) as pool:
        posted = [pool.submit(running.post, REACTED | {"user_id": "crowd", "response_id": f"{n}"}) for n in range(400)]
    assert {each.result().status for each in posted} == {200}
    after = running.health().body
    assert after["acknowledged"] - before["acknowledged"] == 400
    assert after["commits"] - before["commits"] < 350
    assert len(of_user(tansu, "crowd")) == 400


@pytest.mark.slow
def test_what_was_answered_is_in_the_topic_though_the_collector_is_killed(tansu: str) -> None:
    with collector(tansu) as own:
        assert own.post(REACTED | {"user_id": "killed"}).status == 200
        own.process.send_signal(signal.SIGKILL)
        own.process.wait(10)
    assert len(of_user(tansu, "killed")) == 1


@pytest.mark.slow
def test_sigterm_answers_what_is_under_way_and_ends_in_good_order(tansu: str) -> None:
    with collector(tansu) as own, ThreadPoolExecutor(8) as pool:
        own.post(REACTED | {"user_id": "term"})
        posted = [pool.submit(lambda: own.post(REACTED | {"user_id": "term"}).status) for _ in range(100)]
        own.process.send_signal(signal.SIGTERM)
        assert own.process.wait(20) == 0
        answers = [None if each.exception() else each.result() for each in posted]  # what came too late met no listener
    assert len(of_user(tansu, "term")) >= 1 + answers.count(200)


@pytest.mark.slow
def test_a_token_is_asked_for(tansu: str) -> None:
    with collector(tansu, "--token", "secret") as own:
        assert own.post(REACTED).status == 401
        assert own.post(REACTED, Authorization="Bearer wrong").status == 401
        assert own.post(REACTED, Authorization="Bearer secret").status == 200


@pytest.mark.slow
def test_without_a_broker_it_starts_says_503_and_recovers(tmp_path: Path) -> None:
    port = brokers.free_port()
    with collector(f"127.0.0.1:{port}") as own:
        started = time.monotonic()
        answer = own.post(REACTED)
        assert (answer.status, answer.headers["Retry-After"], answer.body["accepted"]) == (503, "2", 0)
        assert time.monotonic() - started < 20
        assert own.health().status == 503
        with brokers.start("tansu", tmp_path, port=port) as broker:
            deadline = time.monotonic() + 60
            while own.post(REACTED).status != 200 and time.monotonic() < deadline:
                time.sleep(0.1)
            assert own.health().body["broker"] == "connected"
            assert len(stored(broker.bootstrap)) >= 1


def test_beyond_this_machine_it_asks_for_a_token_first() -> None:
    command = [sys.executable, "-c", "from assets.cli import main; main()", "collect", "--host", "0.0.0.0"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert shown.returncode == 2
    assert "set --token" in shown.stderr


def test_a_port_in_use_is_told(running: Running, tansu: str) -> None:
    port = running.url.split(":")[2].split("/")[0]
    command = [sys.executable, "-c", "from assets.cli import main; main()", "collect", "--port", port]
    shown = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert (shown.returncode, "choose another" in shown.stderr) == (1, True)
