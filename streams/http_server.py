"""Runs an ASGI application on an address of its own until it is told to end; what collector and gateway share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from starlette.applications import Starlette

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
"""Hosts that nobody beyond this machine reaches."""


def run(made: Starlette, host: str, port: int, announce: Callable[[str], None], **settings: Any) -> None:
    """Serve an application until SIGINT or SIGTERM; then answer what is under way.

    Args:
        made: The application.
        host: Address to listen on.
        port: 0 picks a free one.
        announce: Called with the address, `http://HOST:PORT`, once it accepts connections.
        settings: Of `uvicorn.Config`, beside those that all our servers have.

    Raises:
        ValueError: The address cannot be listened on.
    """
    import signal
    import socket

    import uvicorn

    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ValueError(
            f"{host}:{port} cannot be listened on ({error.strerror}); choose another with --port"
        ) from None
    config = uvicorn.Config(made, log_level="warning", access_log=False, server_header=False, **settings)
    announce(f"http://{host}:{listening.getsockname()[1]}")
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn ends in good order, then raises them once more
        signal.signal(number, lambda *_: None)
    with listening:
        uvicorn.Server(config).run(sockets=[listening])
