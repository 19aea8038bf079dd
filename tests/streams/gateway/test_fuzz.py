"""Whatever is sent to a gateway, and whatever a model's server sends back, is answered as its document says.

The application is asked without a socket, so that thousands of requests take seconds; the last tests ask by a socket.
A broker stands behind it that acknowledges at once, and the contract judges every line that it is given.
"""

import asyncio
import functools
import hashlib
import itertools
import json
import logging
import re
import socket
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams import events
from streams.gateway import app, openapi, signatures, state
from streams.gateway import settings as gateway_settings
from streams.gateway.access_log import JsonLines
from tests.streams.gateway.conftest import KEY, Desk, Reply
from tests.streams.gateway.odd_requests import (
    RESPONSE,
    SECRET,
    TALK,
    TEMPLATES,
    USER,
    WORDS,
    Sent,
    Told,
    answer_of,
    request_of,
)

CONFIG = f"""
default = "v7"
page_key_name = "page"
origins = ["https://shop.example"]
folder = "FOLDER"
[backends]
v7 = "http://127.0.0.1:1/v1"
[keys]
product = "{hashlib.sha256(KEY.encode()).hexdigest()}"
[spans]
enabled = true
body_bytes = 16384
[limits]
requests_per_minute = 1e9
user_requests_per_minute = 1e9
body_bytes = 16384
seconds = 5
"""


class Door:
    """A gateway's application, asked without a socket."""

    def __init__(self, folder: Path, recorder: "Recorder") -> None:
        self.recorder = recorder
        read = gateway_settings.parse(CONFIG.replace("FOLDER", str(folder)))
        self.state = state.make(read, "127.0.0.1:1", None)
        self.app = app.app(self.state)
        self.lines: list[bytes] = []
        self.told = Told(200, [])
        self.state.commit.submit = self._submit  # type: ignore[method-assign]
        self.state.upstream._session = SimpleNamespace(post=self._post)  # type: ignore[assignment]
        self.runner = asyncio.Runner()

    def _submit(self, lines: Any) -> "Future[None]":
        for line in lines:
            events.decode(line, received_at=datetime.now(UTC))
        self.lines += lines
        told: Future[None] = Future()
        told.set_result(None)
        return told

    @asynccontextmanager
    async def _post(self, _: str, *, data: bytes, **_more: Any) -> AsyncIterator[Any]:
        json.loads(data)
        yield SimpleNamespace(status=self.told.status, content=self)

    async def read(self, _: int = -1) -> bytes:
        return b"".join(self.told.parts)

    async def iter_any(self) -> AsyncIterator[bytes]:
        for part in self.told.parts:
            yield part

    def ask(self, sent: Sent, *, leaves: bool = False) -> Reply | None:
        """The answer; None where none was begun."""
        return self.runner.run(self._ask(sent, leaves))

    async def _ask(self, sent: Sent, leaves: bool) -> Reply | None:
        parts = iter(sent.parts)
        said: list[Any] = []

        async def receive() -> dict[str, Any]:
            part = next(parts, None)
            if part is not None:
                return {"type": "http.request", "body": part, "more_body": True}
            if leaves or any(each.get("more_body") is False for each in said):
                return {"type": "http.disconnect"}
            if receive.ended:  # type: ignore[attr-defined]
                await asyncio.sleep(60)
            receive.ended = True  # type: ignore[attr-defined]
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        receive.ended = False  # type: ignore[attr-defined]
        path, _, query = sent.path.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": sent.method,
            "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
            "headers": sent.headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8080),
        }  # fmt: skip
        await self.app(scope, receive, send)
        if not said:
            return None
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in said[0]["headers"]}
        return Reply(said[0]["status"], headers, b"".join(each.get("body", b"") for each in said[1:]))


@functools.cache
def validator(path: str, method: str, status: str) -> Any:
    """Checks a JSON answer; None where the document has no such answer."""
    answer = openapi.PATHS[path][method]["responses"].get(status, {})
    schema = answer.get("content", {}).get("application/json", {}).get("schema")
    return None if schema is None else jsonschema.Draft202012Validator(schema)


def check(sent: Sent, reply: Reply) -> None:
    """An answer is one that the document has for the request, and tells nothing of the gateway's inside."""
    path, method = sent.path.partition("?")[0], sent.method.lower()
    shown = (sent, reply)
    assert reply.status < 500 or reply.status in (502, 503, 504), shown
    for words in (b"Traceback", b'File "', b".py", SECRET, KEY.encode()):
        assert words not in reply.body, shown
    operation = openapi.PATHS.get(path, {}).get(method)
    if operation is None:
        if method == "head" and "get" in openapi.PATHS.get(path, {}):
            return
        assert reply.status in (404, 405) or (method == "get" and path.count("/") == 1), shown
        return
    assert str(reply.status) in operation["responses"], shown
    if reply.headers["content-type"].startswith("application/json"):
        validator(path, method, str(reply.status)).validate(reply.json)


@functools.cache
def accepted(path: str) -> Any:
    """Checks the body of a request."""
    content = openapi.PATHS[path]["post"]["requestBody"]["content"]
    return jsonschema.Draft202012Validator(content["application/json"]["schema"])


class Recorder(logging.Handler):
    """Keeps every log line of every logger, as the gateway's command writes it and as Python would."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self._plain = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += [JsonLines().format(record), self._plain.format(record)]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    patch = pytest.MonkeyPatch()
    patch.setenv(signatures.VARIABLE, SECRET.decode())
    recorder, root = Recorder(), logging.getLogger()
    level = root.level
    root.addHandler(recorder)
    root.setLevel(logging.DEBUG)
    made = Door(tmp_path_factory.mktemp("fuzz"), recorder)
    try:
        yield made
    finally:
        made.runner.close()
        made.state.reaction_keys.close()
        root.removeHandler(recorder)
        root.setLevel(level)
        patch.undo()


def ask_and_check(door: Door, random: Random, *, leaves: bool = False) -> Reply | None:
    sent, door.told = request_of(random), answer_of(random)
    sent = sent._replace(parts=list(sent.parts)[:1]) if leaves else sent
    reply = door.ask(sent, leaves=leaves)
    if reply is None:
        assert leaves, sent
        return None
    check(sent, reply)
    if sent.method == "POST" and reply.status in (200, 202):  # what is taken is what the document lets in
        body, _ = events.parse(b"".join(sent.parts))
        accepted(sent.path).validate(body)
    return reply


@settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_requests_that_are_searched_for_are_answered_as_the_document_says(door: Door, random: Random) -> None:
    ask_and_check(door, random)


@pytest.mark.slow
def test_thousands_of_requests_are_answered_as_the_document_says(door: Door) -> None:
    seen: Counter[int] = Counter()
    for seed in range(3_000):
        reply = ask_and_check(door, Random(seed))
        assert reply is not None
        seen[reply.status] += 1
    assert {200, 202, 400, 401, 404, 405, 409, 413, 415, 502} <= set(seen)
    assert {event["type"] for event in map(json.loads, door.lines)} == set(events.KINDS)
    assert sum("span" in event for event in map(json.loads, door.lines)) > 20


def test_a_client_that_leaves_early_is_no_fault_of_the_gateway(door: Door) -> None:
    begun = sum(ask_and_check(door, Random(seed), leaves=True) is not None for seed in range(500))
    assert begun > 0


def test_neither_log_nor_metrics_hold_words_users_or_tracebacks(door: Door) -> None:
    for seed in range(10_000, 10_500):
        ask_and_check(door, Random(seed))
    metrics = door.state.metrics.exposition({})
    assert len(metrics.splitlines()) < 400, "what a client makes up has a series of its own"
    assert len(door.recorder.lines) >= 1_000
    for text in (*door.recorder.lines, metrics):
        for words in ("Traceback", WORDS, USER, RESPONSE, KEY, SECRET.decode()):
            assert words not in text


def peak_of(work: Callable[[], Any]) -> int:
    """Bytes that a piece of work needs at most, beyond what there was."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("path", TEMPLATES)
def test_a_body_without_end_takes_no_memory(door: Door, path: str) -> None:
    headers = [
        (b"authorization", b"Bearer " + KEY.encode()),
        (b"idempotency-key", b"k"),
        (b"content-type", b"application/json"),
    ]
    endless = Sent("POST", path, headers, itertools.repeat(b"x" * 8_192, 10_000))
    replies: list[Any] = []
    assert peak_of(lambda: replies.append(door.ask(endless))) < 1_000_000
    assert replies[0].status == 413


@pytest.mark.parametrize(
    ("stream", "part"), [(False, b"x" * 65_536), (True, b"x" * 65_536), (True, (b"data: " + b"x" * 1_000 + b"\n") * 64)]
)
def test_an_answer_without_end_is_the_models_fault_and_takes_bounded_memory(
    door: Door, stream: bool, part: bytes
) -> None:
    body = json.dumps({"user": USER, "messages": TALK, "stream": stream}).encode()
    door.told = Told(200, itertools.repeat(part))
    sent = Sent("POST", "/v1/chat/completions", [(b"authorization", b"Bearer " + KEY.encode())], [body])
    replies: list[Any] = []
    assert peak_of(lambda: replies.append(door.ask(sent))) < 100_000_000
    assert replies[0].status == (200 if stream else 502)
    assert b"more than 16,777,216 bytes" in replies[0].body
    assert not replies[0].done


RAW = (
    b"", b"\r\n\r\n", b"GET", b"GET /\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n",
    b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /v1/reactions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n{}",
    b"POST /v1/reactions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    b"POST /v1/reactions HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}",
    b"POST /v1/erasures HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n",
    b"POST /v1/erasures HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET /health HTTP/1.1\r\nno colon here\r\n\r\n",
    b"GET /v1/models HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
)  # fmt: skip


def test_bytes_that_are_no_http_are_refused_and_the_next_request_is_served(desk: Desk) -> None:
    recorder = Recorder()
    for name in ("", "uvicorn", "uvicorn.error"):
        logging.getLogger(name).addHandler(recorder)
    try:
        for raw in RAW:
            with socket.create_connection(("127.0.0.1", desk.port), timeout=5) as connected:
                connected.sendall(raw)
                connected.shutdown(socket.SHUT_WR)
                told = connected.makefile("rb").read()
            assert not told or re.match(rb"HTTP/1\.1 (?!500)\d{3} ", told), (raw, told)
            assert b"Internal Server Error" not in told
            assert desk.ask("/ready").status == 200, raw
    finally:
        for name in ("", "uvicorn", "uvicorn.error"):
            logging.getLogger(name).removeHandler(recorder)
    assert not [line for line in recorder.lines if "Traceback" in line]


def test_the_server_below_leaves_its_log_to_the_gateway_which_drops_an_errors_words(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("uvicorn.Server", lambda config: seen.append(config) or SimpleNamespace(run=lambda **_: None))
    app.run(door.app, "127.0.0.1", 0, lambda _: None)
    assert seen[0].log_config is None
    monkeypatch.setattr(logging.getLogger("uvicorn"), "propagate", True)  # other tests have it configured otherwise
    logging.getLogger("uvicorn.error").error("failed", exc_info=ValueError(WORDS))
    assert '"error": "ValueError"' in door.recorder.lines[-2]
    assert WORDS not in door.recorder.lines[-2]
    del door.recorder.lines[-2:]
