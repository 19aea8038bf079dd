"""One address for several vLLM servers: a request goes to the server that holds the model that it names.

A vLLM server holds one set of whole weights. An incumbent and a candidate whose weights were all trained are two
servers, and whoever asks them should not have to know.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request as Incoming
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from training.policy.decoding import DecodingSettings


def app(servers: Mapping[str, str], decoding: DecodingSettings | None = None) -> Starlette:
    """The application.

    Args:
        servers: The address of the server of each model name.
        decoding: What a chat is drawn by where it does not say; None leaves that to the servers.
    """
    client = httpx.AsyncClient(timeout=None, trust_env=False, limits=httpx.Limits(max_connections=None))

    async def models(_: Incoming) -> Response:
        replies = await asyncio.gather(*(client.get(f"{url}/v1/models") for url in sorted(set(servers.values()))))
        return JSONResponse({"object": "list", "data": [each for reply in replies for each in reply.json()["data"]]})

    async def health(_: Incoming) -> Response:
        replies = await asyncio.gather(*(_healthy(client, url) for url in set(servers.values())))
        return Response(status_code=200 if all(replies) else 503)

    async def forward(incoming: Incoming) -> Response:
        body = await incoming.body()
        if decoding is not None and incoming.url.path == "/v1/chat/completions":
            body = _decoded(body, decoding)
        name = _model(body)
        if name not in servers:
            return _refusal(404, f"model == {name!r}, must be one of {', '.join(sorted(servers))}")
        headers = {"content-type": "application/json"}
        asked = client.build_request("POST", f"{servers[name]}{incoming.url.path}", content=body, headers=headers)
        try:
            reply = await client.send(asked, stream=True)
        except httpx.RequestError as error:
            return _refusal(502, f"the server of {name!r} does not answer ({type(error).__name__}); look at its log")
        kind = reply.headers.get("content-type", "application/json")
        done = BackgroundTask(reply.aclose)
        return StreamingResponse(reply.aiter_bytes(), reply.status_code, media_type=kind, background=done)

    routes = [
        Route("/v1/models", models),
        Route("/health", health),
        Route("/v1/{rest:path}", forward, methods=["POST"]),
    ]
    return Starlette(routes=routes)


async def _healthy(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/health", timeout=5.0)).is_success
    except httpx.RequestError:
        return False


def _model(body: bytes) -> Any:
    try:
        return json.loads(body).get("model")
    except (ValueError, AttributeError):
        return None


def _decoded(body: bytes, decoding: DecodingSettings) -> bytes:
    """The request with what it leaves out of temperature and length; what is no object is the server's to refuse."""
    try:
        asked = json.loads(body)
    except ValueError:
        return body
    if not isinstance(asked, dict):
        return body
    if asked.get("temperature") is None:
        asked["temperature"] = decoding.temperature
    if asked.get("max_tokens") is None and asked.get("max_completion_tokens") is None:
        asked["max_tokens"] = decoding.max_tokens
    return json.dumps(asked).encode()


def _refusal(status: int, told: str) -> Response:
    return JSONResponse({"error": {"message": told, "type": "NotFoundError", "code": status}}, status)
