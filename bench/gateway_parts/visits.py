"""Visits of users: a chat, perhaps a reaction, perhaps its removal; what is refused is sent again, as clients do.

A reaction keeps its Idempotency-Key in every try; a chat is a new one each time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from gateway_parts import load

if TYPE_CHECKING:
    from aiohttp import ClientSession

_PAUSE = 0.5
"""Seconds until a refused request is sent again."""


class AcceptedReaction(NamedTuple):
    """A reaction that was answered with 200.

    Attributes:
        event_id: As the answer says.
        response_id: Of which response.
        action: `added` or `removed`.
    """

    event_id: str
    response_id: str
    action: str


class TryOutcome(NamedTuple):
    """What a try came to.

    Attributes:
        accepted: What the answer names; None for a try that was not accepted.
        refused: Whether an answer said that it was not accepted.
        told: Whether that answer said what to do next.
    """

    accepted: dict[str, Any] | None
    refused: bool = False
    told: bool = False


@dataclass(slots=True)
class Ledger:
    """What the clients were told.

    Attributes:
        responses: Ids of the responses whose answers came to their end.
        reactions: Those that were answered with 200, in the order of the answers.
        states: The last action by response, of visits in which nothing was given up.
        tries: Requests that were sent.
        refused: Tries that were answered with an error.
        refused_told: Of them those whose error says what to do next.
        broken: Tries whose connection ended without an answer.
        given_up: Requests that were not accepted while the client's patience lasted.
    """

    responses: list[str] = field(default_factory=list)
    reactions: list[AcceptedReaction] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    tries: int = 0
    refused: int = 0
    refused_told: int = 0
    broken: int = 0
    given_up: int = 0

    def note(self, outcome: TryOutcome) -> None:
        """Count a try."""
        self.tries += 1
        self.refused += outcome.refused
        self.refused_told += outcome.told
        self.broken += outcome.accepted is None and not outcome.refused


@dataclass(slots=True)
class Clients:
    """Clients of one gateway.

    Attributes:
        base: The gateway's address.
        patience: Seconds for which a request is sent again and again.
        ledger: What they were told.
    """

    base: str
    patience: float
    ledger: Ledger = field(default_factory=Ledger)

    async def visit(self, rate: float, ended: Callable[[], bool]) -> Ledger:
        """Visits at a rate (a second) until it is ended; returns when all have had their answers, or given up."""
        began, number, visits = time.perf_counter(), 0, set[asyncio.Task[None]]()
        async with load.client() as session:
            while not ended():
                visits.add(asyncio.create_task(self._one(session, number)))
                number += 1
                await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            await asyncio.gather(*visits)
        return self.ledger

    async def _one(self, session: ClientSession, number: int) -> None:
        streams, user = number % 3 == 0, f"u{number % load.USERS}"
        body = load.body(number, stream=True) if streams else load.body(number)
        found = await self._insist(session, "/v1/chat/completions", body, {}, stream_outcome if streams else outcome)
        if found is None:
            return
        response = found["id"]
        self.ledger.responses.append(response)
        actions = ("added", "removed")[: (0, 1, 2, 0)[number % 4]]
        for action in actions:
            sent = {"response_id": response, "reaction": "love", "action": action, "user": user}
            key = {"Idempotency-Key": f"{response}-{action}"}
            told = await self._insist(session, "/v1/reactions", msgspec.json.encode(sent), key, outcome)
            if told is None:
                return
            self.ledger.reactions.append(AcceptedReaction(told["event_id"], response, action))
        if actions:
            self.ledger.states[response] = actions[-1]

    async def _insist(
        self, session: ClientSession, path: str, body: bytes, headers: dict[str, str], read: Callable[..., TryOutcome]
    ) -> dict[str, Any] | None:
        import aiohttp

        ends = time.perf_counter() + self.patience
        while True:
            try:
                async with session.post(self.base + path, data=body, headers=headers) as answer:
                    found = read(answer.status, answer.headers, await answer.read())
            except (aiohttp.ClientError, TimeoutError):
                found = TryOutcome(None)
            self.ledger.note(found)
            if found.accepted is not None:
                return found.accepted
            if time.perf_counter() > ends:
                self.ledger.given_up += 1
                return None
            await asyncio.sleep(_PAUSE)


def outcome(status: int, _: Any, body: bytes) -> TryOutcome:
    """What a whole answer says."""
    if status == 200:
        return TryOutcome(msgspec.json.decode(body))
    return TryOutcome(None, True, says_next(body))


def stream_outcome(status: int, headers: Any, body: bytes) -> TryOutcome:
    """What a stream says: accepted is one that came to its `[DONE]`; one that only stops has said nothing."""
    if status != 200:
        return TryOutcome(None, True, says_next(body))
    if body.endswith(b"data: [DONE]\n\n"):
        return TryOutcome({"id": headers["X-Loveloop-Response"]})
    last = body.strip().rpartition(b"\n")[2].removeprefix(b"data: ")
    return TryOutcome(None, b'"error"' in last, says_next(last))


def says_next(body: bytes) -> bool:
    """Whether an error has a word for programs and a sentence that says what to send.

    >>> says_next(b'{"error": {"code": "not_stored", "message": "the broker is away; send again"}}')
    True
    >>> says_next(b"Bad Gateway")
    False
    """
    try:
        error = msgspec.json.decode(body)["error"]
        return bool(error["code"]) and "send" in error["message"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return False
