"""A model server that answers at once: what a request costs without a model."""

from __future__ import annotations

import json
import socket
from typing import Any

WORDS = "Water it from below, and keep it in the light of a window."
_HEADERS = [(b"content-type", b"application/json")]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer any request with the same chat completion."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    choice = {"index": 0, "message": {"role": "assistant", "content": WORDS}, "finish_reason": "stop"}
    whole = {"id": "chatcmpl-0", "object": "chat.completion", "created": 1, "model": "v7", "choices": [choice]}
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": json.dumps(whole).encode()})


def main() -> None:
    """Serve on a free port of this machine until it is ended; the port is told first."""
    import uvicorn

    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run(sockets=[listening])


if __name__ == "__main__":
    main()
