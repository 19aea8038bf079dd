"""Hands a policy's answer on to the client, whole or piece by piece, and to the broker before its end.

1. The policy's server is asked; its refusal is the client's answer.
2. Pieces are handed on as they come, but for those from the `finish_reason` on.
3. What was said becomes an event. When the broker has acknowledged it, the rest follows, and then `[DONE]`.

A client that leaves ends the request to the server. What it was sent until then is recorded as a response that was cut;
where it was sent nothing, nothing is recorded.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

import msgspec

from streams import conversations
from streams.events import ContractError
from streams.gateway import upstream
from streams.gateway.exchange import Cut, Exchange
from streams.gateway.refusals import RefusedError, json_response, model_failed
from streams.gateway.state import GatewayState

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_READING_SECONDS = 30.0
"""For a client that reads slower than the model writes; one that reads nothing any more has left."""
_LAST_SECONDS = 5.0
"""For what follows the acknowledgement."""
_STREAM = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # nginx would hold the pieces back
}


class RelayedResponse:
    """An ASGI response that a policy's server is still to give.

    Args:
        state: What the requests share.
        exchange: What is asked.
    """

    def __init__(self, state: GatewayState, exchange: Exchange) -> None:
        self._state, self._exchange = state, exchange
        self._said: list[str] = []
        self._begun = self._complete = self._calls = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, unless the client leaves before the model has ended."""
        self._scope, self._receive, self._send = scope, receive, send
        relay = asyncio.create_task(self._relay())
        gone = asyncio.create_task(_disconnection(receive))
        try:
            longest = self._state.settings.told.limits.seconds + self._state.commit.timeout + _READING_SECONDS
            await asyncio.wait({relay, gone}, timeout=longest, return_when=asyncio.FIRST_COMPLETED)
            if relay.done() or self._complete:  # what is being stored is stored: its copy would differ
                await asyncio.wait({relay}, timeout=self._state.commit.timeout + _LAST_SECONDS)
                if relay.done():
                    relay.result()
                return
            relay.cancel()
            with suppress(asyncio.CancelledError):
                await relay
            self._scope["loveloop"]["reason"] = "client_left"
            await self._record_cut("client_left")
        finally:
            relay.cancel()
            gone.cancel()

    async def _relay(self) -> None:
        try:
            await (self._pieces() if self._exchange.streams else self._whole())
        except RefusedError as error:
            self._scope["loveloop"]["reason"] = error.reason
            self._state.metrics.count("refusals", error.reason)
            if not self._begun:
                await error.response()(self._scope, self._receive, self._send)
                return
            if not self._complete:
                await self._record_cut("model_broke_off")
            await self._write(error.content())
            await self._end()

    async def _whole(self) -> None:
        exchange, policy = self._exchange, self._exchange.route.policy
        async with self._state.upstream.ask(policy, exchange.upstream_body()) as answer:
            content = await upstream.whole(answer, policy)
        choices = content.get("choices")
        if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
            raise model_failed(f"the server of {policy} answers without a choice")
        self._hear(choices[0].get("message"))
        recorded = await self._record()
        told = {"id": exchange.response_id, "model": policy, "loveloop": exchange.told(recorded)}
        answered = json_response(200, content | told, exchange.headers())
        await answered(self._scope, self._receive, self._send)

    async def _pieces(self) -> None:
        exchange, policy = self._exchange, self._exchange.route.policy
        held: list[dict[str, Any]] = []
        named = {"id": exchange.response_id, "model": policy}
        async with self._state.upstream.ask(policy, exchange.upstream_body()) as answer:
            await self._start()
            async for chunk in upstream.chunks(answer, policy):
                choice = _choice(chunk)
                self._hear(choice.get("delta"))
                if held or choice.get("finish_reason"):
                    held.append(chunk | named)
                else:
                    await self._write(chunk | named)
        recorded = await self._record()
        held = held or [{"object": "chat.completion.chunk", "created": 0, "choices": []} | named]
        held[-1]["loveloop"] = exchange.told(recorded)
        for chunk in held:
            await self._write(chunk)
        await self._send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": True})
        await self._end()

    def _hear(self, message: Any) -> None:
        """Note what a message, or a piece of one, says to the user."""
        if not isinstance(message, dict):
            return
        words = message.get("content") or message.get("refusal")
        if isinstance(words, list):  # some servers answer in parts
            words = conversations.normalised({"conversation": [], "response": words})["response"]
        if isinstance(words, str):
            self._said.append(words)
        self._calls = self._calls or bool(message.get("tool_calls") or message.get("function_call"))

    async def _record(self, cut: Cut | None = None) -> bool:
        """Store what was said; False for a step that only calls tools, which is no response.

        Raises:
            RefusedError: 503: the broker did not acknowledge it. 502: the contract does not take it.
        """
        text = "".join(self._said)
        self._complete = True
        if self._calls and not text:
            return False
        try:
            line = self._exchange.line(text, cut)
        except ContractError as error:
            self._note_unrecorded()
            raise model_failed(f"the answer could not be stored ({error.reason})") from None
        try:
            await self._state.store(line)
        except RefusedError:
            self._note_unrecorded()
            raise
        route = self._exchange.route
        self._state.metrics.count("responses", route.policy, route.experiment or "", route.arm or "")
        return True

    async def _record_cut(self, why: Cut) -> None:
        """Store what was shown of a response that did not come to its end."""
        if not any(self._said):
            return
        self._state.metrics.count("incomplete", why)
        with suppress(RefusedError):  # counted; there is nobody to tell
            await self._record(why)

    def _note_unrecorded(self) -> None:
        if self._begun and any(self._said):
            self._state.metrics.count("unrecorded")

    async def _start(self) -> None:
        self._begun = True
        headers = [(name.lower().encode(), value.encode("latin-1", "replace"))
                   for name, value in (_STREAM | self._exchange.headers()).items()]  # fmt: skip
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _write(self, content: dict[str, Any]) -> None:
        body = b"data: " + msgspec.json.encode(content) + b"\n\n"
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def _end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _choice(chunk: dict[str, Any]) -> dict[str, Any]:
    choices = chunk.get("choices")
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}


async def _disconnection(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
