"""A real HTTP server that speaks the OpenAI API, and answers of a log to put to it."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pyarrow as pa
import pytest

Reply = tuple[int, str, dict[str, str]]
"""Status, body and headers of an HTTP response."""


def completion(content: str) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return 200, json.dumps({"id": "c-1", "object": "chat.completion", "choices": [choice]}), {}


def error(status: int, message: str) -> Reply:
    return status, json.dumps({"error": {"message": message, "type": "some_error"}}), {}


@dataclass
class Seen:
    """What a server has seen.

    Attributes:
        material: conversation and answer of each completion asked for, in order of arrival.
        most: Most requests under way at once.
    """

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    material: list[dict[str, Any]] = field(default_factory=list)
    under_way: int = 0
    most: int = 0

    @property
    def answers(self) -> list[str]:
        return [each["answer"] for each in self.material]


Behaviour = Callable[[dict[str, Any], int], str | Reply]
"""From the material to judge and the number of the completion, from 0, to the model's text or a whole reply."""


@contextmanager
def openai_server(
    behaviour: Behaviour, *, models: tuple[str, ...] | None = ("tiny-judge",), key: str | None = None
) -> Iterator[Seen]:
    """Serve on a free port of the loopback interface. `models=None` has no list; `key` is demanded where given."""
    seen, lock = Seen(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # headers and body are two writes, the second would wait for 40 ms

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            listed = json.dumps({"object": "list", "data": [{"id": name} for name in models or ()]})
            self._send(self._refused() or ((404, "no such page", {}) if models is None else (200, listed, {})))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            text = body["messages"][0]["content"]
            material = json.loads(text[re.search(r"^\{", text, re.MULTILINE).start() :])
            with lock:
                number = len(seen.requests)
                seen.requests.append(body)
                seen.times.append(time.monotonic())
                seen.material.append(material)
                seen.under_way += 1
                seen.most = max(seen.most, seen.under_way)
            reply = self._refused() or self._missing(body["model"]) or behaviour(material, number)
            with lock:
                seen.under_way -= 1
            self._send(completion(reply) if isinstance(reply, str) else reply)

        def _refused(self) -> Reply | None:
            given = self.headers.get("authorization")
            wrong = key is not None and given != f"Bearer {key}"
            return error(401, f"Incorrect API key provided: {given}") if wrong else None

        def _missing(self, model: str) -> Reply | None:
            known = not models or model in models or f"{model}:latest" in models  # the latter as Ollama does
            return None if known else error(404, f"The model `{model}` does not exist.")

        def _send(self, reply: Reply) -> None:
            status, text, headers = reply
            body = text.encode()
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client has gone, as when it is interrupted

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_: object) -> None:
            pass  # a client that was interrupted

    server = Server(("127.0.0.1", 0), Handler)
    seen.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., Seen]]:
    """Start an OpenAI-compatible server with a behaviour; it stops after the test."""
    with ExitStack() as servers:
        yield lambda *args, **kwargs: servers.enter_context(openai_server(*args, **kwargs))


def talk(count: int, users: int = 10, days: int = 5) -> pa.Table:
    """Distinct answers of a log, every third of them good."""
    served = [datetime(2026, 3, 1 + place % days, tzinfo=UTC) + timedelta(seconds=place) for place in range(count)]
    return pa.table(
        {
            "response_id": [f"r-{place}" for place in range(count)],
            "conversation": [json.dumps([{"role": "user", "content": f"question {place}"}]) for place in range(count)],
            "response": [f"{'good' if place % 3 == 0 else 'poor'} answer {place}" for place in range(count)],
            "user_id": [f"u-{place % users}" for place in range(count)],
            "served_at": pa.array(served, pa.timestamp("us", tz="UTC")),
        }
    )


@pytest.fixture
def log() -> Callable[..., pa.Table]:
    return talk
