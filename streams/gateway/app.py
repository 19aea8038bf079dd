"""The gateway: an OpenAI-compatible server before a product's models, which writes down what was served.

1. `POST /v1/chat/completions` finds the user's arm, asks its policy's server, and hands the answer on.
2. What was served is an event at the broker before the answer ends; else the answer is an error, and says so.
3. `POST /v1/reactions` and `POST /v1/erasures` become events in the same way.

Light to import: Starlette and aiohttp are loaded when an application is made.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams import http_server
from streams.gateway import (
    admission,
    catalogue,
    exchange,
    openapi,
    operator_status,
    page_files,
    reactions,
    settings,
    span_desk,
    state,
)
from streams.gateway.access_log import AccessLog
from streams.gateway.refusals import RefusedError, json_response
from streams.gateway.relay import Receive, RelayedResponse, Scope, Send

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_GRACE_SECONDS = 30
"""How long an end waits for streams that are under way."""
_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "X-Loveloop-User", "X-Loveloop-Conversation",
            "X-Loveloop-Session")  # fmt: skip
_EXPOSED = ("X-Loveloop-Response", "X-Loveloop-Conversation", "Retry-After")

AnyResponse = Callable[[Scope, Receive, Send], Awaitable[None]]
Handler = Callable[["Request"], Awaitable[AnyResponse]]


def app(shared: state.GatewayState) -> Starlette:
    """The ASGI application.

    Args:
        shared: What its requests share; started and closed with the application.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.cors import CORSMiddleware

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        shared.commit.start()
        shared.switch.start()
        await shared.upstream.start()
        await shared.bundles.look()
        following = [asyncio.create_task(each.follow()) for each in (shared.routes, shared.bundles)]
        yield
        for each in following:
            each.cancel()
            with suppress(asyncio.CancelledError):
                await each
        await shared.upstream.close()
        await shared.commit.close()  # the requests under way have been answered
        await asyncio.to_thread(shared.switch.close)
        shared.reaction_keys.close()

    cors = Middleware(
        CORSMiddleware,
        allow_origins=shared.settings.told.origins,
        allow_methods=("GET", "POST"),
        allow_headers=(*_HEADERS,),
        expose_headers=_EXPOSED,
        max_age=600,
    )
    log = Middleware(AccessLog, metrics=shared.metrics, paths=frozenset(openapi.PATHS))
    middleware = [log, cors] if shared.settings.told.origins else [log]
    errors: Any = {404: _error, 405: _error, 500: _error}
    made = Starlette(routes=_routes(shared), lifespan=lifespan, middleware=middleware, exception_handlers=errors)
    made.router.redirect_slashes = False  # it would send clients to whatever host a request names
    return made


def _routes(shared: state.GatewayState) -> list[Any]:
    from starlette.routing import Route

    desk = reactions.ReactionDesk(shared)

    async def chat(request: Request) -> AnyResponse:
        caller = admission.admit(shared, request)
        body = await admission.body_of(shared, request)
        asked = exchange.read(shared, request, caller, body)
        shared.check_broker()
        return RelayedResponse(shared, asked)

    async def models(request: Request) -> Response:
        admission.admit(shared, request)
        return json_response(200, catalogue.models(shared))

    handlers: dict[str, Handler] = {
        "POST /v1/chat/completions": chat,
        "GET /v1/models": models,
        "POST /v1/reactions": desk.post,
        "POST /v1/erasures": lambda request: reactions.erase(shared, request),
        "POST /v1/traces": lambda request: span_desk.receive(shared, request),
        "GET /v1/session": _plain(lambda request: page_files.session(shared, request)),
        "GET /health": _plain(lambda _: catalogue.health(shared)),
        "GET /ready": _plain(lambda _: catalogue.ready(shared)),
        "GET /metrics": _plain(lambda _: catalogue.exposition(shared)),
        "GET /openapi.json": _plain(lambda _: json_response(200, openapi.DOCUMENT)),
        "GET /": _plain(lambda _: page_files.file("")),
        "GET /operator": _plain(lambda _: page_files.file(operator_status.PAGE)),
        "GET /operator/status": lambda request: operator_status.respond(shared, request),
        "GET /{name}": _plain(lambda request: page_files.file(request.path_params["name"])),
    }
    return [
        Route(path, Endpoint(shared, handler), methods=[method])
        for (method, path), handler in ((name.split(" "), handler) for name, handler in handlers.items())
    ]


async def _error(request: Request, error: Exception) -> Response:
    """What Starlette would say in plain words, in the form of all other errors; of our own fault, nothing but that."""
    status = getattr(error, "status_code", 500)
    told = {
        404: ("not_found", "there is no such path; /openapi.json describes those that there are"),
        405: ("method_not_allowed", f"{request.method} is not for this path; /openapi.json says what is"),
    }
    reason, words = told.get(status, ("internal_error", "the gateway failed; its log says where"))
    return RefusedError(status, reason, words, getattr(error, "headers", None)).response()


def _plain(answer: Callable[[Request], Response]) -> Handler:
    async def handler(request: Request) -> Response:
        return answer(request)

    return handler


class Endpoint:
    """An ASGI application of one handler: its refusals become answers, counted by reason.

    Starlette's own way from a function to an application costs a request twice as much as this.

    Args:
        shared: What the requests share.
        handler: Answers a request.
    """

    def __init__(self, shared: state.GatewayState, handler: Handler) -> None:
        from starlette.requests import Request

        self._shared, self._handler, self._request = shared, handler, Request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            answer = await self._handler(self._request(scope, receive, send))
        except RefusedError as error:
            scope["loveloop"]["reason"] = error.reason
            self._shared.metrics.count("refusals", error.reason)
            answer = error.response()
        await answer(scope, receive, send)


def serve(
    file: Path, bootstrap: str, route_file: Path | None, *, host: str, port: int, announce: Callable[[str], None]
) -> None:
    """Serve until SIGINT or SIGTERM; then answer what is under way and flush.

    Args:
        file: The gateway's settings.
        bootstrap: `HOST:PORT` of the broker; it may come later.
        route_file: The file of routes; None for no experiment.
        host: Address to listen on.
        port: 0 picks a free one.
        announce: Called with the address, once it accepts connections.

    Raises:
        ValueError: The settings cannot be kept, everybody could reach a gateway without keys, or the address cannot
            be listened on.
    """
    read = settings.read(file)
    if host not in http_server.LOOPBACK and not read.keys:
        raise ValueError(f"everybody who reaches {host} could use the models: add [keys] to {file}, or keep 127.0.0.1")
    made = app(state.make(read, bootstrap, route_file))
    _prefer_the_loop()
    run(made, host, port, announce)


def _prefer_the_loop() -> None:
    """Keep pauses of the event loop short.

    What is loaded now stays for good, so the garbage collector need not look at it again and again; and a thread at
    work (of the kill switch, of SQLite) gives the interpreter back to the loop after half a millisecond, not after 5.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(0.0005)


def run(made: Starlette, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve an application until SIGINT or SIGTERM; then answer what is under way.

    Raises:
        ValueError: The address cannot be listened on.
    """
    http_server.run(
        made,
        host,
        port,
        announce,
        log_config=None,  # uvicorn's own would print the words of an error, which may be a user's
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
