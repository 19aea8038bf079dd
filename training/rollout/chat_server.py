"""Policies behind OpenAI's chat completions, by the product's own decoder: for small models, and where vLLM is not.

One response is written at a time; requests that come meanwhile wait for their turn.
"""

import asyncio
import hmac
import secrets
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from streams import conversations
from training.rollout.policy_folders import PolicyFolders, ServedPolicy
from training.rollout.speech import PolicyVoice, SpokenPiece

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_LONGEST_BODY = 4 * 1_048_576
_PLAIN = {"top_p": 1, "n": 1, "stop": None, "tools": None, "logprobs": False, "frequency_penalty": 0,
          "presence_penalty": 0}  # fmt: skip
"""What would change a response, and is not known here: only these values pass."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A request, read.

    Attributes:
        policy: Who is asked.
        prompt: Its tokens.
        how: Words of `PolicyVoice.speak`.
        stream: Whether pieces are asked for.
        usage: Whether a stream ends with counts.
    """

    policy: ServedPolicy
    prompt: list[int]
    how: dict[str, Any]
    stream: bool
    usage: bool


def app(policies: PolicyFolders, token: str | None = None) -> "Starlette":
    """The ASGI application.

    Args:
        policies: What is served.
        token: What `Authorization: Bearer ...` must say; None lets everybody ask.
    """
    from starlette.applications import Starlette
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    turn = asyncio.Lock()

    async def chat(request: "Request") -> "Response":
        if not _may(request, token):
            return _refusal(401, "no valid token; send the header Authorization: Bearer TOKEN")
        try:
            wanted = await asyncio.to_thread(_wanted, policies, await _body(request))
        except (LookupError, FileNotFoundError) as error:
            return _refusal(404, str(error.args[0]))
        except ValueError as error:
            return _refusal(400, str(error))
        name = {"id": f"chatcmpl-{uuid4().hex}", "created": int(time.time()), "model": wanted.policy.name}
        pieces = _spoken(wanted.policy.voice, wanted, turn)
        if wanted.stream:
            return StreamingResponse(_events(pieces, wanted, name), media_type="text/event-stream")
        return _json(200, await _whole(pieces, wanted, name))

    async def models(request: "Request") -> "Response":
        if not _may(request, token):
            return _refusal(401, "no valid token; send the header Authorization: Bearer TOKEN")
        return _json(200, {"object": "list", "data": await asyncio.to_thread(_listed, policies)})

    async def health(_: "Request") -> "Response":
        return _json(200, {"models": policies.names()})

    routes = [
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/v1/models", models, methods=["GET"]),
        Route("/health", health, methods=["GET"]),
    ]
    return Starlette(routes=routes)


def _listed(policies: PolicyFolders) -> list[dict[str, Any]]:
    """Every policy as OpenAI lists models. How long its context is, is known once it has been read."""
    listed = []
    for each in policies.listed():
        told = {"digest": each.digest, "decoding": each.decoding._asdict()}
        model = {"id": each.name, "object": "model", "created": 0, "owned_by": "loveloop", "loveloop": told}
        listed.append(model if each.voice is None else model | {"max_model_len": each.voice.context})
    return listed


async def _spoken(voice: PolicyVoice, wanted: _Wanted, turn: asyncio.Lock) -> AsyncIterator[SpokenPiece]:
    """The pieces, drawn by another thread; it ends soon after nobody listens any more."""
    loop, queue, stop = asyncio.get_running_loop(), asyncio.Queue[SpokenPiece | None](), threading.Event()

    def draw() -> None:
        try:
            for piece in voice.speak(wanted.prompt, **wanted.how):
                loop.call_soon_threadsafe(queue.put_nowait, piece)
                if stop.is_set():
                    return
        finally:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(queue.put_nowait, None)

    async with turn:
        drawing = asyncio.create_task(asyncio.to_thread(draw))
        try:
            while (piece := await queue.get()) is not None:
                yield piece
            await drawing
        finally:
            stop.set()


async def _whole(pieces: AsyncIterator[SpokenPiece], wanted: _Wanted, name: dict[str, Any]) -> dict[str, Any]:
    said = [piece async for piece in pieces]
    message = {"role": "assistant", "content": "".join(piece.text for piece in said)}
    choice = {"index": 0, "message": message, "finish_reason": said[-1].finish, "logprobs": None}
    return name | {"object": "chat.completion", "choices": [choice], "usage": _usage(wanted, said[-1].tokens)}


async def _events(pieces: AsyncIterator[SpokenPiece], wanted: _Wanted, name: dict[str, Any]) -> AsyncIterator[bytes]:
    named = name | {"object": "chat.completion.chunk"}
    tokens = 0

    def event(delta: dict[str, str], finish: str | None = None) -> bytes:
        return _data(named | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    yield event({"role": "assistant", "content": ""})
    async for piece in pieces:
        tokens = piece.tokens
        if piece.text:
            yield event({"content": piece.text})
        if piece.finish:
            yield event({}, piece.finish)
    if wanted.usage:
        yield _data(named | {"choices": [], "usage": _usage(wanted, tokens)})
    yield b"data: [DONE]\n\n"


def _usage(wanted: _Wanted, tokens: int) -> dict[str, int]:
    prompt = len(wanted.prompt)
    return {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}


def _data(content: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(content) + b"\n\n"


def _wanted(policies: PolicyFolders, body: bytes) -> _Wanted:
    """Read a request.

    Raises:
        LookupError: It asks for another model.
        ValueError: It asks for what cannot be done; says for what.
    """
    try:
        asked = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ValueError(f"the body must be a JSON object ({error})") from None
    policy = policies.policy(None if asked.get("model") is None else str(asked["model"]))
    for field, value in _PLAIN.items():
        if asked.get(field) not in (None, value, []):
            raise ValueError(f"{field} == {asked[field]!r} is not known here: leave it out")
    usual = min(policy.decoding.max_tokens, policy.voice.context // 2)
    tokens = asked.get("max_completion_tokens") or asked.get("max_tokens") or usual
    temperature = policy.decoding.temperature if asked.get("temperature") is None else asked["temperature"]
    seed = secrets.randbits(31) if asked.get("seed") is None else asked["seed"]
    _check(tokens, temperature, seed)
    how = {"seed": seed, "temperature": float(temperature), "max_new_tokens": tokens}
    usage = bool((asked.get("stream_options") or {}).get("include_usage"))
    prompt = policy.voice.prompt(_conversation(asked.get("messages")), tokens)
    return _Wanted(policy, prompt, how, bool(asked.get("stream")), usage)


def _check(tokens: Any, temperature: Any, seed: Any) -> None:
    if type(tokens) is not int or tokens < 1:
        raise ValueError(f"max_tokens == {tokens!r}, must be a whole number from 1")
    if type(temperature) not in (int, float) or not 0 <= temperature <= 10:
        raise ValueError(f"temperature == {temperature!r}, must be a number from 0 to 10")
    if type(seed) is not int or seed < 0:
        raise ValueError(f"seed == {seed!r}, must be a whole number from 0")


def _conversation(messages: Any) -> list[dict[str, str]]:
    if not isinstance(messages, list) or not messages:
        raise ValueError("messages must be a list of at least one message with role and content")
    read = conversations.normalised({"conversation": messages, "response": ""})["conversation"]
    for message in read:
        if not isinstance(message, dict) or message.get("role") not in conversations.ROLES:
            raise ValueError("each of messages must have a role: system, user or assistant")
        if not isinstance(message.get("content"), str):
            raise ValueError("each of messages must have a content, a text")
    return [{"role": message["role"], "content": message["content"]} for message in read]


async def _body(request: "Request") -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_BODY:
            raise ValueError(f"a request has at most {_LONGEST_BODY:,} bytes")
    return bytes(body)


def _may(request: "Request", token: str | None) -> bool:
    given = request.headers.get("authorization", "").encode()
    return token is None or hmac.compare_digest(given, f"Bearer {token}".encode())


def _json(status: int, content: dict[str, Any]) -> "Response":
    from starlette.responses import Response

    return Response(msgspec.json.encode(content), status, media_type="application/json")


def _refusal(status: int, told: str) -> "Response":
    kind = "authentication_error" if status == 401 else "invalid_request_error"
    return _json(status, {"error": {"message": told, "type": kind, "code": status, "param": None}})
