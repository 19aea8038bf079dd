"""The HTTP collector: events by POST, stored by the broker before the answer; for products that do not speak Kafka.

1. `POST /events` reads the body: one JSON object, a JSON array, or one object a line.
2. Each event is completed (`streams.drafts`) and judged by the contract.
3. The sound ones join the lines of other requests in one commit (`streams.group_commit`); the answer waits for it.
4. 200 when all were sound; 422 with the bad ones, line by line, when some were not: the sound ones are stored.

An event is sent again when its request was repeated; with its own `event_id`, or its own moment, it stays one event.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from streams import drafts, events, http_server, topics
from streams.events import ContractError
from streams.faults import SHOWN
from streams.group_commit import BusyError, GroupCommit
from streams.mending import Mended

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

LONGEST_BODY = 16 * 1_048_576
"""Bytes of one request."""
_SHORT = 65_536
"""A longer body is judged on another thread, so that others need not wait for it."""
RETRY_SECONDS = 2
"""What a client is told to wait for when the broker did not acknowledge."""
_CURES = {
    "line_too_long": "shorten the conversation",
    "not_json": "send one JSON object a line, in UTF-8",
    "not_an_object": "send an object, or an array of objects",
    "unknown_type": "name the event: response_served, reaction_changed or erasure_requested",
    "unknown_version": "write schema_version 2, or leave it out",
    "not_a_number": "write a value in place of NaN or Infinity",
    "timestamp_out_of_range": "check the clock of the machine, or leave the moment out: it is now",
}


class JudgedRequest(NamedTuple):
    """The events of one request.

    Attributes:
        lines: Those that keep the contract, as they go to the broker.
        bad: The others: line (from 1), reason, detail, cure.
    """

    lines: list[bytes]
    bad: list[dict[str, Any]]


class BodyTooLongError(ValueError):
    """A request with more bytes than one may have."""


def judge(body: bytes, now: datetime) -> JudgedRequest:
    r"""Complete and judge the events of a body.

    Args:
        body: A JSON object, an array of them, or one object a line.
        now: The moment of events that name none.

    >>> body = b'{"type":"erasure_requested","user_id":"u"}\n{"type":"erasure"}'
    >>> judged = judge(body, datetime(2026, 3, 1, tzinfo=UTC))
    >>> len(judged.lines), judged.bad[0]["line"], judged.bad[0]["reason"]
    (1, 2, 'unknown_type')
    """
    found = JudgedRequest([], [])
    for number, draft in _drafts(body):
        try:
            found.lines.append(drafts.to_line(_fields(draft), now).line)
        except ContractError as error:
            found.bad.append({"line": number, "reason": error.reason} | _words(error))
    return found


def _drafts(body: bytes) -> list[tuple[int, bytes | Mended]]:
    """What stands in a body, numbered from 1: values of JSON, or lines that are still bytes."""
    try:
        whole, lost = events.parse(body)
    except ContractError:  # the judge says what is wrong with which line
        return [(number, line) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()]
    if not isinstance(whole, list):
        return [(1, Mended(whole, lost))]
    gone: dict[str, dict[str, str]] = {}
    for path, what in lost.items():
        place, _, rest = path.partition(".")
        gone.setdefault(place, {})[rest] = what
    return [(n, Mended(draft, gone.get(str(n - 1), {}))) for n, draft in enumerate(whole, start=1)]


def _fields(draft: bytes | Mended) -> dict[str, Any]:
    draft, lost = events.parse(draft) if isinstance(draft, bytes) else draft
    if isinstance(draft, dict) and lost:
        draft = events.with_lost(draft, lost)
    if not isinstance(draft, dict):
        raise ContractError("not_an_object", f"a JSON {type(draft).__name__}, must be an object with a type")
    return draft


def _words(error: ContractError) -> dict[str, str]:
    told = error.faults[:SHOWN]
    seen = "; ".join(fault.seen for fault in told) or error.detail
    return {"detail": seen, "cure": "; ".join(f"{fault.field}: {fault.cure}" for fault in told) or _CURES[error.reason]}


def app(commit: GroupCommit, *, token: str | None = None, longest: int = LONGEST_BODY) -> Starlette:
    """The ASGI application.

    Args:
        commit: Where events go; started and closed with the application.
        token: What `Authorization: Bearer ...` must say; None lets everybody post.
        longest: Bytes of a request's body.
    """
    from starlette.applications import Starlette
    from starlette.routing import Route

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        commit.start()
        yield
        await asyncio.to_thread(commit.close)  # the requests under way have been answered

    async def post(request: Request) -> Response:
        if not _may(request, token):
            return _json(401, {"error": "no valid token; send the header Authorization: Bearer TOKEN"})
        try:
            body = await _body(request, longest)
        except BodyTooLongError:
            return _json(413, {"error": f"a request has at most {longest:,} bytes; send the events in several"})
        now = datetime.now(UTC)
        judged = judge(body, now) if len(body) <= _SHORT else await asyncio.to_thread(judge, body, now)
        return await _store(commit, judged)

    async def health(_: Request) -> Response:
        state = commit.state()
        return _json(503 if state["broker"] == "away" else 200, state)

    routes = [Route("/events", post, methods=["POST"]), Route("/health", health, methods=["GET"])]
    return Starlette(routes=routes, lifespan=lifespan)


async def _store(commit: GroupCommit, judged: JudgedRequest) -> Response:
    counts = {"accepted": len(judged.lines), "refused": len(judged.bad)}
    if not judged.lines and not judged.bad:
        return _json(422, counts | {"error": "an empty body; send one event, or one a line"})
    try:
        if judged.lines:
            await asyncio.wait_for(asyncio.wrap_future(commit.submit(judged.lines)), commit.timeout)
    except (ConnectionError, ValueError, BusyError, TimeoutError) as error:
        told = f"not stored, send all again: {error or f'no acknowledgement within {commit.timeout:g} s'}"
        return _json(503, {"accepted": 0, "error": told}, {"Retry-After": str(RETRY_SECONDS)})
    return _json(422, counts | {"errors": judged.bad}) if judged.bad else _json(200, counts)


async def _body(request: Request, longest: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > longest:
            raise BodyTooLongError
    return bytes(body)


def _may(request: Request, token: str | None) -> bool:
    given = request.headers.get("authorization", "").encode()
    return token is None or hmac.compare_digest(given, f"Bearer {token}".encode())


def _json(status: int, content: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    from starlette.responses import Response

    return Response(msgspec.json.encode(content) + b"\n", status, headers, media_type="application/json")


def serve(bootstrap: str, host: str, port: int, token: str | None, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; then answer what is under way and flush.

    Args:
        bootstrap: `HOST:PORT` of the broker; it may come later.
        host: Address to listen on.
        port: 0 picks a free one.
        token: As for `app`.
        announce: Called with the address, once it accepts connections.

    Raises:
        ValueError: The address cannot be listened on.
    """
    made = app(GroupCommit(bootstrap, topics.EVENTS), token=token)
    http_server.run(made, host, port, lambda url: announce(f"{url}/events"))
