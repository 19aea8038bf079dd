"""The chat page: its files, and the cookie that tells its visitors apart."""

import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING

from streams.gateway import admission, signatures
from streams.gateway.refusals import RefusedError, json_response
from streams.gateway.state import GatewayState

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

FOLDER = Path(__file__).with_name("page")
_INDEX = "index.html"
_YEAR = 365 * 24 * 3_600
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2"}
"""What a machine's own table may have otherwise."""


def file(name: str) -> "Response":
    """A file of the page's folder.

    Raises:
        RefusedError: 404: there is none of that name.
    """
    from starlette.responses import Response

    wanted = name or _INDEX
    there = FOLDER.iterdir() if FOLDER.is_dir() else ()
    path = next((each for each in there if each.name == wanted and each.is_file()), None)
    if path is None:
        raise RefusedError(404, "not_found", "there is no such page; the API is at /v1, described by /openapi.json")
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Response(path.read_bytes(), 200, _HEADERS, media_type=kind)


def session(state: GatewayState, request: "Request") -> "Response":
    """Say who the page's visitor is, and make one where no cookie came.

    Raises:
        RefusedError: 403: the page is closed, or another site asks. 429: too many requests.
    """
    name = admission.page_name(state)
    if name is None:
        raise RefusedError(403, "page_closed", "this gateway has keys and no page_key_name: send requests with a key")
    admission.take(state.key_limits, name)
    user = admission.visitor_of(state, request)
    if user is not None:
        return json_response(200, {"user": user})
    user, cookie = signatures.new_cookie(state.secret)
    answer = json_response(200, {"user": user}, {"Cache-Control": "no-store"})
    _set_cookie(answer, request, cookie, _YEAR)
    return answer


def forget(answer: "Response", request: "Request") -> None:
    """Take the cookie back: who asked to be forgotten is a new visitor from then on."""
    _set_cookie(answer, request, "", 0)


def _set_cookie(answer: "Response", request: "Request", value: str, seconds: int) -> None:
    secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
    answer.set_cookie(admission.COOKIE, value, max_age=seconds, httponly=True, samesite="strict", secure=secure)
