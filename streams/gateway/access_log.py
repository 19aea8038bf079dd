"""One line of JSON for each request: what happened and how long it took; no text of a message, no user's name."""

import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

from streams.gateway.metrics import GatewayMetrics

_log = logging.getLogger(__name__)
_OTHER = "other"
"""The path of requests to paths that are none of ours: their texts are anybody's."""

App = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]
]


class JsonLines(logging.Formatter):
    """Writes log records as JSON, one a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        told: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        told |= getattr(record, "facts", {})
        if record.exc_info:  # the kind and the place, without the values that stand in an error's text
            kind, _, trace = record.exc_info
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            told["error"] = getattr(kind, "__name__", "unknown")
            told["place"] = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
        return json.dumps(told)


class AccessLog:
    """ASGI middleware that logs and counts every request.

    Handlers add what they learn to `scope["loveloop"]`: key, user (a hash), policy, experiment, arm, reason.

    Args:
        app: The application within.
        metrics: What counts.
        paths: Those that are named; all others go as one.
    """

    def __init__(self, app: App, metrics: GatewayMetrics, paths: frozenset[str]) -> None:
        self._app, self._metrics, self._paths = app, metrics, paths

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Pass a request on and note how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        facts = scope["loveloop"] = {}
        status, began = [0], time.perf_counter()

        async def noting(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            self._note(scope, status[0], time.perf_counter() - began, facts)

    def _note(self, scope: MutableMapping[str, Any], status: int, seconds: float, facts: dict[str, Any]) -> None:
        path = scope["path"] if scope["path"] in self._paths else _OTHER
        self._metrics.count("requests", path, str(status))
        self._metrics.time(path, seconds)
        told = {"method": scope["method"], "path": path, "status": status, "seconds": round(seconds, 4)}
        _log.info("request", extra={"facts": told | facts})
