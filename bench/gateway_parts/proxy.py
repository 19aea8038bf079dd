"""The least that a proxy in Python does: hands on a request and its answer; nothing is written.

What it costs is the floor under the gateway's figures on a machine: uvicorn, aiohttp, and one more hop.
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import ClientSession

_HEADERS = [(b"content-type", b"application/json")]


class Proxy:
    """An ASGI application before one model server.

    Args:
        url: Of the model server's chat completions.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: ClientSession | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand one request on, and its answer back."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert self._session is not None
        body = b""
        while (part := await receive())["type"] == "http.request":
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        async with self._session.post(self._url, data=body, headers={"Content-Type": "application/json"}) as answer:
            content = await answer.read()
        await send({"type": "http.response.start", "status": answer.status, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": content})

    async def _live(self, receive: Any, send: Any) -> None:
        import aiohttp

        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as self._session:
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})


def main() -> None:
    """Serve on the port of the first argument, before the address of the second one."""
    import uvicorn

    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listening:
        uvicorn.Server(uvicorn.Config(Proxy(sys.argv[2]), log_level="error", access_log=False)).run(sockets=[listening])


if __name__ == "__main__":
    main()
