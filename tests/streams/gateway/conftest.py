"""A gateway, the servers behind it, and a broker, all of them real: what a test of the gateway asks."""

import asyncio
import hashlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from streams import consumer, topics, wire

pytest.importorskip("uvicorn")
pytest.importorskip("aiohttp")
KEY = "a key of the product"


class Reply(NamedTuple):
    """What a server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def chunks(self) -> list[dict[str, Any]]:
        """The chunks of a stream, without its end."""
        data = [line[6:] for line in self.body.split(b"\n") if line.startswith(b"data: ")]
        return [json.loads(each) for each in data if each != b"[DONE]"]

    @property
    def done(self) -> bool:
        return self.body.endswith(b"data: [DONE]\n\n")


@dataclass
class Served:
    """An application that runs in a thread of its own."""

    port: int

    def ask(self, path: str, body: Any = None, method: str | None = None, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method or ("GET" if data is None else "POST"), path, data, sent)
        answer = connection.getresponse()
        found = Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        connection.close()
        return found


@contextmanager
def serving(app: Any, port: int = 0) -> Iterator[int]:
    import uvicorn

    listening = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()


def until(fact: Callable[[], Any], seconds: float = 20) -> Any:
    """What a fact says once it says something."""
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)
    return found


@dataclass
class Model:
    """A model server: answers by the last message, and remembers what it was asked.

    Attributes:
        asked: The bodies of requests.
        headers: Their headers.
        left: Streams whose client went before their end.
        words: What a stream says, piece by piece.
        pause: Seconds between two pieces.
        digests: What it tells of its models in /v1/models; none of those that it does not name.
    """

    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    words: tuple[str, ...] = ("Water ", "it ", "from ", "below.")
    pause: float = 0.0
    digests: dict[str, str] = field(default_factory=dict)

    def app(self) -> Any:
        from starlette.applications import Starlette
        from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
        from starlette.routing import Route

        async def answer(request: Any) -> Any:
            body = await request.json()
            self.asked.append(body)
            self.headers.append(dict(request.headers))
            said = body["messages"][-1]["content"]
            if said == "fail":
                return PlainTextResponse("out of memory", 500)
            if said == "refuse":
                return JSONResponse({"error": {"message": "the context is too long"}}, 400)
            if said == "busy":
                return JSONResponse({}, 429)
            if said == "nonsense":
                return PlainTextResponse("<html>")
            if said == "sleep":
                await asyncio.sleep(10)
            if body.get("stream"):
                return StreamingResponse(self._stream(said), media_type="text/event-stream")
            return JSONResponse(_whole(said, "".join(self.words)))

        async def models(_: Any) -> Any:
            listed = [{"id": name, "loveloop": {"digest": digest}} for name, digest in self.digests.items()]
            return JSONResponse({"data": listed})

        chat = Route("/v1/chat/completions", answer, methods=["POST"])
        return Starlette(routes=[chat, Route("/v1/models", models)])

    async def _stream(self, said: str) -> AsyncIterator[bytes]:
        whole = False
        try:
            yield _piece({"role": "assistant", "content": ""})
            if said == "tool":
                yield _piece({"tool_calls": [{"index": 0, "function": {"name": "look", "arguments": "{}"}}]})
            for word in () if said == "tool" else self.words:
                await asyncio.sleep(self.pause)
                yield _piece({"content": word})
                if said == "break" and word == self.words[1]:
                    whole = True
                    return
            yield _piece({}, "tool_calls" if said == "tool" else "stop")
            if said == "usage":
                yield b'data: {"object":"chat.completion.chunk","choices":[],"usage":{"total_tokens":9}}\r\n\r\n'
            yield b"data: [DONE]\n\n"
            whole = True
        finally:
            if not whole:
                self.left.append(said)


def _whole(said: str, text: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if said == "parts":
        message["content"] = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": text}]
    if said == "tool":
        message |= {"content": None, "tool_calls": [{"id": "1", "type": "function"}]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "theirs", "object": "chat.completion", "created": 1, "model": "theirs", "choices": [choice]}


def _piece(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "theirs", "object": "chat.completion.chunk", "created": 1, "model": "theirs", "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


@dataclass
class Desk(Served):
    """A gateway that runs, and what is behind it.

    Attributes:
        folder: Its file, its secret, its memory, its routes.
        bootstrap: Of its broker.
        names: Its topics.
        model: The server of its policies.
        state: What its requests share.
        user: Of this test alone.
    """

    folder: Path
    bootstrap: str
    names: topics.Topics
    model: Model
    state: Any
    user: str = "ada"

    def chat(self, said: str = "How do I keep basil alive?", *, user: str | None = "", **more: Any) -> Reply:
        """Ask for a response; the user is this test's own, another, or (None) not named."""
        headers = more.pop("headers", {})
        named = {} if user is None else {"user": user or self.user}
        body = {"model": "loveloop", "messages": [{"role": "user", "content": said}]} | named | more
        return self.ask("/v1/chat/completions", body, **headers)

    def react(self, response: str, reaction: str = "love", *, key: str = "k1", user: str = "", **more: Any) -> Reply:
        body = {"response_id": response, "reaction": reaction, "action": "added", "user": user or self.user} | more
        return self.ask("/v1/reactions", body, Idempotency_Key=key)

    def events(self, user: str = "") -> list[dict[str, Any]]:
        """What the topic holds of a user."""
        user = user or self.user
        read = consumer.read_to_end(self.bootstrap, self.names.events)
        found = [json.loads(line) for each in read for line in wire.unpack(each.value)]
        return [event for event in found if event["user_id"] == user]

    def write_routes(self, *experiments: dict[str, Any]) -> None:
        file = self.folder / "routes.json"
        part = file.with_suffix(".part")
        part.write_text(json.dumps({"made_at": "2026-03-01T12:00:00Z", "experiments": list(experiments)}))
        part.replace(file)


def route(name: str = "warmer", **changes: Any) -> dict[str, Any]:
    """An experiment of a file of routes; everybody is in it, half in each arm."""
    bundles = {
        arm: {"policy": policy, "folder": "models", "digest": f"digest of {policy}"}
        for arm, policy in (("control", "v7"), ("treatment", "v8"))
    }
    plain = {"name": name, "revision": 3, "salt": "2026", "arms": {"control": 0.5, "treatment": 0.5}}
    return plain | {"control": "control", "bundles": bundles, "hypothesis": "words that nobody reads"} | changes


Opened = Callable[..., Any]


@contextmanager
def gateway(
    folder: Path, bootstrap: str, names: topics.Topics, model: Model, server: int, *, config: str = "", port: int = 0
) -> Iterator[Desk]:
    from streams.gateway import app, settings, state

    tables = config if config.startswith("[") else ""
    tables += "" if "[limits]" in config else "[limits]\nuser_requests_per_minute = 6000"
    text = f"""
default = "v7"
folder = "{folder}"
{"" if config.startswith("[") else config}
[backends]
v7 = "http://127.0.0.1:{server}/v1"
v8 = {{url = "http://127.0.0.1:{server}/v1/", model = "adapter-8"}}
[topics]
events = "{names.events}"
kill_switch = "{names.kill_switch}"
{tables}
"""
    made = state.make(settings.parse(text), bootstrap, folder / "routes.json")
    with serving(app.app(made), port) as listening:
        yield Desk(listening, folder, bootstrap, names, model, made)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


@pytest.fixture(scope="module")
def server(model: Model) -> Iterator[int]:
    with serving(model.app()) as port:
        yield port


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, tansu: str, model: Model, server: int) -> Opened:
    """Opens a gateway with more settings; one after the other keeps folder and topics."""
    folder, names = tmp_path_factory.mktemp("gateway"), topics.Topics.under(f"test-{uuid.uuid4().hex[:12]}")

    @contextmanager
    def open_(config: str = "", *, ready: bool = True, bootstrap: str = "", port: int = 0) -> Iterator[Desk]:
        (folder / "routes.json").write_text('{"experiments": []}')
        reset(model)
        with gateway(folder, bootstrap or tansu, names, model, server, config=config, port=port) as desk:
            if ready:
                until(lambda: desk.ask("/ready").status == 200)
            yield replace(desk, user=f"u-{uuid.uuid4().hex}")

    return open_


def reset(model: Model) -> None:
    for each in (model.asked, model.headers, model.left):
        each.clear()
    model.words, model.pause = Model.words, Model.pause


@pytest.fixture(scope="module")
def running(opened: Opened) -> Iterator[Desk]:
    with opened() as found:
        yield found


@pytest.fixture
def desk(running: Desk) -> Desk:
    """The module's gateway, without experiments, with a user and a memory of the model for this test alone."""
    reset(running.model)
    if running.state.routes.table.experiments or running.state.routes.error:
        running.write_routes()
        running.state.routes.look()
    return replace(running, user=f"u-{uuid.uuid4().hex}")


@pytest.fixture
def key_config() -> str:
    return f'[keys]\nproduct = "{hashlib.sha256(KEY.encode()).hexdigest()}"\n'


@pytest.fixture(scope="session")
def kept() -> Callable[[str], Path]:
    """Makes a folder that stays from one run of the tests to the next, for what they fetch."""

    def made(name: str) -> Path:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "loveloop" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    return made


@pytest.fixture(scope="session")
def fetch() -> Callable[..., None]:
    """Runs a command that fetches something, and skips the test where that cannot be done."""

    def run(program: str, *words: str | Path, folder: Path) -> None:
        found = shutil.which(program, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        if found is None:
            pytest.skip(f"{program}, which fetches what this test needs, is not installed")
        asked = [found, *map(str, words)]
        soon = os.environ | {"npm_config_fetch_retries": "1", "npm_config_fetch_retry_mintimeout": "500"}
        try:
            done = subprocess.run(asked, cwd=folder, env=soon, capture_output=True, text=True, timeout=90, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip(f"{program} did not come to an end within 90 s")
        if done.returncode:
            pytest.skip(f"{program} cannot fetch what this test needs: {(done.stderr or done.stdout).strip()[-200:]}")

    return run
