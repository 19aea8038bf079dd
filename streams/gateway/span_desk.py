"""`POST /v1/traces`: OpenTelemetry's traces by HTTP, for products that trace their models instead of asking here."""

import asyncio
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from streams.gateway import admission, spans
from streams.gateway.otlp import MalformedSpanError
from streams.gateway.refusals import RefusedError, invalid, json_response
from streams.gateway.settings import SpanSettings
from streams.gateway.state import GatewayState

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_SHORT = 65_536
"""A longer body is mapped on another thread, so that others need not wait for it."""


class RefusedSpansError(RefusedError):
    """A refusal in the form that the protocol has: google.rpc.Status."""

    def content(self) -> dict[str, Any]:
        """The error as JSON."""
        return {"message": f"{self.reason}: {self.told}"}


async def receive(state: GatewayState, request: "Request") -> "Response":
    """Take a product's spans; the broker has their events before the answer.

    Raises:
        RefusedSpansError: 400, 401, 408, 413, 429: as for every request. 403: this key may not. 404: it is not enabled.
            415: no JSON. 503: the broker did not acknowledge the events.
    """
    try:
        return await _receive(state, request)
    except RefusedError as error:
        raise RefusedSpansError(error.status, error.reason, error.told, error.headers) from None


async def _receive(state: GatewayState, request: "Request") -> "Response":
    caller, told = admission.admit(state, request), state.settings.told.spans
    _check_right(told, caller)
    body = await _body(state, request, told.body_bytes)
    now = datetime.now(UTC)
    try:
        if len(body) <= _SHORT:
            found = _mapped(body, now, caller.user)
        else:
            found = await asyncio.to_thread(_mapped, body, now, caller.user)
    except MalformedSpanError as error:
        raise invalid(str(error)) from None
    if found.lines:
        await state.store(*found.lines)
    _note(state, request, found)
    return json_response(200, found.answer())


def _check_right(told: SpanSettings, caller: admission.Caller) -> None:
    if not told.enabled:
        raise RefusedError(
            404, "spans_off", "this gateway takes no spans; set enabled = true under [spans] of its file"
        )
    if caller.visitor is not None or (told.keys and caller.key not in told.keys):
        raise RefusedError(403, "not_this_key", "this key may send no spans; [spans] names those that may")


def _mapped(body: bytes, now: datetime, user: str | None) -> spans.MappedSpans:
    found, _ = admission.object_of(body)
    return spans.mapped(found, now, user)


async def _body(state: GatewayState, request: "Request", longest: int) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        told = "spans are read as JSON: set OTEL_EXPORTER_OTLP_PROTOCOL=http/json, or encoding: json of a collector"
        raise RefusedError(415, "no_json", told)
    packing = request.headers.get("content-encoding", "identity").strip().lower()
    body = await admission.bytes_of(state, request, longest)
    if packing == "identity":
        return body
    if packing != "gzip":
        raise RefusedError(415, "unknown_packing", "a body is packed by gzip, or not at all")
    return _unpacked(body, longest)


def _unpacked(body: bytes, longest: int) -> bytes:
    """A gzip's content; a small file may hold a thousand times its size, so it is opened up to the limit."""
    opener = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        found = opener.decompress(body, longest + 1)
    except zlib.error:
        raise invalid("the body is no gzip, as its Content-Encoding says") from None
    if len(found) > longest:
        raise admission.too_long(longest)
    if not opener.eof:
        raise invalid("the body's gzip ends too early")
    return found


def _note(state: GatewayState, request: "Request", found: spans.MappedSpans) -> None:
    outcomes = [*("recorded" for _ in found.lines), *found.passed_over, *(reason for reason, _ in found.rejected)]
    for outcome in outcomes:
        state.metrics.count("spans", outcome)
    request.scope["loveloop"] |= {"recorded": len(found.lines), "rejected": len(found.rejected)}
