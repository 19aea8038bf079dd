"""The servers that answer for the policies: any that speak OpenAI's chat completions."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from streams.gateway.refusals import RefusedError, model_failed
from streams.gateway.settings import Backend

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

_CONNECT_SECONDS = 5.0
_LONGEST = 16 * 1_048_576
"""Bytes of an answer, whole or as a stream; the event that it becomes has at most 1 MiB."""
_TOLD = 400
"""Characters of a server's own words that a client is shown."""


class Upstream:
    """Asks the servers; connections are kept.

    aiohttp rather than httpx: it takes 0.14 ms of a processor for a request where httpx takes 2.2.

    Args:
        backends: Server by policy.
        seconds: Until an answer must be complete.
        others: The server of every policy that `backends` does not name.

    Raises:
        ValueError: The environment lacks a server's key.
    """

    def __init__(self, backends: Mapping[str, Backend], seconds: float, others: Backend | None = None) -> None:
        self._seconds = seconds
        self._asked = {name: (backend, _headers(f"backends.{name}", backend)) for name, backend in backends.items()}
        self._others = None if others is None else (others, _headers("others", others))
        self._session: ClientSession | None = None

    async def start(self) -> None:
        """Make the session; it belongs to the running event loop."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=self._seconds, sock_connect=_CONNECT_SECONDS)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=timeout, auto_decompress=True, trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),  # a model's server keeps no state with us, and a look costs time
        )  # fmt: skip

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def ask(self, policy: str, body: Mapping[str, Any]) -> AsyncIterator["ClientResponse"]:
        """The answer of a policy's server with status 200; leaving the block early ends the request there, too.

        Args:
            policy: Whose server.
            body: The request; its model is set.

        Raises:
            RefusedError: 502: the server cannot be reached, or fails. 504: it takes too long. 400 or 429: it says so.
        """
        import aiohttp

        assert self._session is not None, "start() makes the session"
        found = self._asked.get(policy, self._others)
        assert found is not None, "routes to policies without a server are refused"
        backend, headers = found
        sent = msgspec.json.encode({**body, "model": backend.model or policy})
        try:
            async with self._session.post(
                f"{backend.url.rstrip('/')}/chat/completions", data=sent, headers=headers
            ) as answer:
                if answer.status != 200:
                    raise _refusal(policy, answer.status, await answer.content.read(_LONGEST))
                yield answer
        except TimeoutError:
            told = f"the model {policy} did not answer within {self._seconds:g} s; send again later"
            raise RefusedError(504, "model_timeout", told) from None
        except aiohttp.ClientError as error:
            told = f"the server of {policy} broke off or cannot be reached ({type(error).__name__})"
            raise model_failed(told) from None


def _headers(place: str, backend: Backend) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    if backend.key_env is not None:
        key = os.environ.get(backend.key_env)
        if not key:
            raise ValueError(f"{place}: the environment has no {backend.key_env}; set it to the server's key")
        headers["Authorization"] = f"Bearer {key}"
    return headers


def _refusal(policy: str, status: int, body: bytes) -> RefusedError:
    """What a server's error means for the client: its own fault stays its own fault."""
    if status in (400, 413, 422):
        return RefusedError(400, "model_refused", f"the model {policy} refuses the request: {_words(body)}")
    if status == 429:
        told = f"the server of {policy} takes no more requests now; send again later"
        return RefusedError(429, "model_busy", told, {"Retry-After": "2"})
    return model_failed(f"the server of {policy} answers {status}")


def _words(body: bytes) -> str:
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return "it gives no reason"
    error = told.get("error", told) if isinstance(told, dict) else told
    words = error.get("message") if isinstance(error, dict) else error
    return str(words)[:_TOLD]


async def whole(answer: "ClientResponse", policy: str) -> dict[str, Any]:
    """The body of an answer.

    Raises:
        RefusedError: 502: it is no JSON object, or too long.
    """
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        _check_length(len(body), policy)
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        raise _unreadable(policy) from None


async def chunks(answer: "ClientResponse", policy: str) -> AsyncIterator[dict[str, Any]]:
    """The chunks of a stream, up to its `[DONE]`.

    Raises:
        RefusedError: 502: one is no JSON object, is an error, or the stream ends before its time.
    """
    finished = False
    async for data in _events(answer, policy):
        if data == b"[DONE]":
            return
        try:
            chunk = msgspec.json.decode(data, type=dict[str, Any])
        except msgspec.DecodeError:
            raise _unreadable(policy) from None
        if "error" in chunk:
            raise model_failed(f"the server of {policy} broke off with an error")
        choices = chunk.get("choices") or ()
        if not isinstance(choices, list | tuple):
            raise _unreadable(policy)
        finished = finished or any(each.get("finish_reason") for each in choices if isinstance(each, dict))
        yield chunk
    if not finished:
        raise model_failed(f"the server of {policy} broke off in the middle of its answer")


def _unreadable(policy: str) -> RefusedError:
    return model_failed(f"the server of {policy} sends what is no chat completion")


def _check_length(length: int, policy: str) -> None:
    if length > _LONGEST:
        raise model_failed(f"the server of {policy} answers with more than {_LONGEST:,} bytes")


async def _events(answer: "ClientResponse", policy: str) -> AsyncIterator[bytes]:
    """The data of server-sent events; several lines of one event are joined by newlines."""
    pending, data, length = list[bytes](), list[bytes](), 0
    async for part in answer.content.iter_any():
        length += len(part)
        _check_length(length, policy)
        pending.append(part)
        if b"\n" not in part:  # joined once, not with every part of a long line
            continue
        *lines, rest = b"".join(pending).split(b"\n")
        pending = [rest]
        for line in lines:
            text = line.rstrip(b"\r")
            if not text and data:
                yield b"\n".join(data)
                data = []
            elif text.startswith(b"data:"):
                data.append(text[5:].removeprefix(b" "))
    rest = b"".join(pending)
    if rest.startswith(b"data:"):
        data.append(rest.rstrip(b"\r")[5:].removeprefix(b" "))
    if data:
        yield b"\n".join(data)
