"""A real HTTP server that answers as an OpenAI-compatible one does when log-probabilities are asked for."""

import json
import math
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Said = dict[str, float] | tuple[int, str]
"""Chances of the likeliest first tokens, or a status and a body."""
Behaviour = Callable[[str, int], Said]
"""From the answer to judge and the number of the request, from 0."""


@dataclass
class Seen:
    """What a server has seen: requests in order of arrival, and the answers that it was asked about."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)


@contextmanager
def label_server(behaviour: Behaviour, *, models: tuple[str, ...] = ("tiny-judge",)) -> Iterator[Seen]:
    """Serve chat and plain completions on a free port of the loopback interface."""
    seen, lock = Seen(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._send(200, json.dumps({"object": "list", "data": [{"id": name} for name in models]}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            chat = self.path == "/v1/chat/completions"
            texts = [body["messages"][0]["content"]] if chat else body["prompt"]
            answers = [answer_in(text) for text in texts]
            with lock:
                number = len(seen.requests)
                seen.requests.append(body)
                seen.answers.extend(answers)
            said = [behaviour(answer, number) for answer in answers]
            refused = next((each for each in said if isinstance(each, tuple)), None)
            if body["model"] not in models:
                refused = 404, f"the model {body['model']} does not exist"
            if refused:
                self._send(refused[0], json.dumps({"error": {"message": refused[1]}}))
            else:
                make = chat_choice if chat else plain_choice
                choices = [make(place, each) for place, each in enumerate(said) if isinstance(each, dict)]
                self._send(200, json.dumps({"choices": choices[::-1]}))  # an order is promised by `index` alone

        def _send(self, status: int, text: str) -> None:
            body = text.encode()
            try:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client has given up

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_: object) -> None:
            pass

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


def answer_in(text: str) -> str:
    found = re.search(r"^\{.*\}$", text, re.MULTILINE)
    assert found is not None
    return str(json.loads(found[0])["answer"])


def chat_choice(place: int, said: dict[str, float]) -> dict[str, Any]:
    tokens = [{"token": token, "logprob": math.log(value)} for token, value in said.items()]
    return {"index": place, "logprobs": {"content": [{"token": next(iter(said)), "top_logprobs": tokens}]}}


def plain_choice(place: int, said: dict[str, float]) -> dict[str, Any]:
    return {"index": place, "logprobs": {"top_logprobs": [{each: math.log(value) for each, value in said.items()}]}}


@pytest.fixture
def serve() -> Iterator[Callable[..., Seen]]:
    """Start a server with a behaviour; it stops after the test."""
    with ExitStack() as servers:
        yield lambda *args, **kwargs: servers.enter_context(label_server(*args, **kwargs))
