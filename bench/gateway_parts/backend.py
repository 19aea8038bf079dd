"""A model server that answers at once: what a request costs without a model."""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

WORDS = "Water it from below, and keep it in the light of a window."
_JSON = [(b"content-type", b"application/json")]
_STREAM = [(b"content-type", b"text/event-stream")]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer any request with the same chat completion, whole or, where the request says `stream`, in pieces."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b""
    while (part := await receive())["type"] == "http.request":
        body += part.get("body", b"")
        if not part.get("more_body"):
            break
    streams = b'"stream":true' in body
    await send({"type": "http.response.start", "status": 200, "headers": _STREAM if streams else _JSON})
    await send({"type": "http.response.body", "body": pieces() if streams else whole()})


def whole() -> bytes:
    """The completion as one object."""
    choice = {"index": 0, "message": {"role": "assistant", "content": WORDS}, "finish_reason": "stop"}
    return json.dumps(_completion("chat.completion", choice)).encode()


def pieces() -> bytes:
    """The completion as a stream, a word a chunk."""
    deltas = [({"content": f"{word} "}, None) for word in WORDS.split()]
    chunks = [
        _completion("chat.completion.chunk", {"index": 0, "delta": delta, "finish_reason": why})
        for delta, why in [*deltas, ({}, "stop")]
    ]
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in chunks) + b"data: [DONE]\n\n"


def _completion(kind: str, choice: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-0", "object": kind, "created": 1, "model": "v7", "choices": [choice]}


def main() -> None:
    """Serve on a port of this machine (the first argument, 0 for a free one) until it is ended; the port is told."""
    import uvicorn

    with socket.create_server(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run(sockets=[listening])


if __name__ == "__main__":
    main()
