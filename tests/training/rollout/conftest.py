"""A real HTTP server in this process that answers as it is told, for what a real vLLM server cannot be made to do."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Answer = tuple[int, dict[str, Any]]
Serve = Callable[[Callable[[str, dict[str, Any]], Answer]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that answers (path, body) by a function; returns its address."""
    running: list[ThreadingHTTPServer] = []

    def start(answer: Callable[[str, dict[str, Any]], Answer]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply({})

            def do_POST(self) -> None:
                self._reply(json.loads(self.rfile.read(int(self.headers["content-length"]))))

            def _reply(self, body: dict[str, Any]) -> None:
                status, content = answer(self.path, body)
                told = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(told)))
                self.end_headers()
                with suppress(BrokenPipeError):  # who asked has given up
                    self.wfile.write(told)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    with _ended(running):
        yield start


@contextmanager
def _ended(running: list[ThreadingHTTPServer]) -> Iterator[None]:
    try:
        yield
    finally:
        for server in running:
            server.shutdown()
            server.server_close()
