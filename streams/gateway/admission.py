"""Who asks, and whether they may: keys, the page's cookie, users, limits, bodies."""

import asyncio
import hashlib
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from streams import events
from streams.gateway import signatures
from streams.gateway.rate_limits import TokenBuckets
from streams.gateway.refusals import RefusedError, invalid
from streams.gateway.state import GatewayState

if TYPE_CHECKING:
    from starlette.requests import Request

COOKIE = "loveloop_session"
_OPEN = "open"
"""The name of whoever asks a gateway without keys."""
_PAGE = "page"


class Caller(NamedTuple):
    """Who sends a request.

    Attributes:
        key: The name of the key.
        user: Whose requests these are when they name nobody.
        visitor: The page's visitor, who can be nobody else.
        for_others: Whether reactions to responses that the gateway has not served are taken.
    """

    key: str
    user: str | None = None
    visitor: str | None = None
    for_others: bool = False


def admit(state: GatewayState, request: "Request") -> Caller:
    """Who asks, by key or by the page's cookie; takes a token of the key's bucket.

    Raises:
        RefusedError: 401: neither. 429: too many requests of this key.
    """
    caller = _caller(state, request)
    take(state.key_limits, caller.key)
    request.scope["loveloop"]["key"] = caller.key
    return caller


def _caller(state: GatewayState, request: "Request") -> Caller:
    keys = state.settings.keys
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        found = keys.get(hashlib.sha256(token.strip().encode()).hexdigest())
        if found is not None:
            name, key = found
            return Caller(name, user=key.user, for_others=key.reactions_for_others)
    elif page_name(state) is not None and (visitor := visitor_of(state, request)) is not None:
        return Caller(page_name(state) or _PAGE, visitor=visitor)
    if keys:
        raise RefusedError(401, "no_key", "no valid key; send the header Authorization: Bearer KEY")
    if not _is_own_page(request) and request.headers.get("origin") not in state.settings.told.origins:
        # a page of any site, open in a browser on this machine, reaches a gateway without keys
        raise RefusedError(401, "foreign_site", "a script of another site asks: name the site in origins")
    return Caller(_OPEN)


def page_name(state: GatewayState) -> str | None:
    """Under which name the page's visitors go; None when there is no page for them."""
    told = state.settings.told
    return told.page_key_name or (None if told.keys else _PAGE)


def visitor_of(state: GatewayState, request: "Request") -> str | None:
    """The visitor whose cookie came with a request of this site's own page; None for others."""
    return signatures.visitor(state.secret, request.cookies.get(COOKIE)) if _is_own_page(request) else None


def _is_own_page(request: "Request") -> bool:
    """Whether a browser says that this site's own page asks; also where no browser asks, which says nothing."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in (None, "same-origin", "none"):
        return False
    try:
        return origin is None or urlsplit(origin).netloc == request.headers.get("host")
    except ValueError:  # such as "http://["
        return False


def user_of(state: GatewayState, request: "Request", caller: Caller, named: Any) -> str:
    """Whose request this is: the page's visitor, the user that the body names, the header's, the key's.

    Raises:
        RefusedError: 400: nobody is named, or not by a text. 429: too many requests of this user.
    """
    header = _header(request, "x-loveloop-user")
    if header is not None:
        checked(header, "X-Loveloop-User")  # a client that sends a bad one is told, whoever counts
    user = next((each for each in (caller.visitor, named, header, caller.user) if each is not None), None)
    if user is None:
        raise RefusedError(400, "no_user", "no user is named; send the field user, or the header X-Loveloop-User")
    name = checked(user, "user")
    take(state.user_limits, f"{caller.key}|{name}", "user")
    request.scope["loveloop"]["user"] = signatures.digest(state.secret, "log", name)[:12]
    return name


def checked(value: Any, name: str) -> str:
    """An id that the contract takes.

    Raises:
        RefusedError: 400: it is none.
    """
    if not isinstance(value, str) or not 1 <= len(value) <= 256 or "\0" in value:
        raise invalid(f"{name} must be a text of 1 to 256 characters without NUL")
    return value


def session_id(request: "Request", user: str, moment: datetime) -> str:
    """The session that a request names, or the user's session of the day."""
    named = _header(request, "x-loveloop-session")
    return signatures.session_of(user, moment) if named is None else checked(named, "X-Loveloop-Session")


def _header(request: "Request", name: str) -> str | None:
    """A header's text: UTF-8 where it is, so that a user is the same one in a header and in a body."""
    value = request.headers.get(name)
    try:
        return None if value is None else value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value


async def body_of(state: GatewayState, request: "Request") -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        RefusedError: 400: there is none. 408: it does not come. 413: it is too long.
    """
    found, lost = object_of(await bytes_of(state, request, state.settings.told.limits.body_bytes))
    for name in ("user", "response_id"):
        if name in lost:
            raise invalid(f"{name} has half a character in it; send whole ones, or two could become one")
    if "loveloop" in found:
        raise RefusedError(
            400, "forged_fields", "the field loveloop is the gateway's own: policy, experiment and arm are its choice"
        )
    return found


def object_of(body: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """The JSON object of a body, and what of it no JSON can hold.

    Raises:
        RefusedError: 400: it is none.
    """
    try:
        found, lost = events.parse(body)
    except (events.ContractError, RecursionError):
        raise invalid("the body is no JSON; send one JSON object in UTF-8") from None
    if not isinstance(found, dict):
        raise invalid(f"the body is a JSON {type(found).__name__}; send an object")
    return found, lost


async def bytes_of(state: GatewayState, request: "Request", longest: int) -> bytes:
    """The body of a request.

    Raises:
        RefusedError: 400: the client left. 408: it does not come. 413: it is too long.
    """
    try:
        async with asyncio.timeout(state.settings.told.limits.seconds):
            return await _read(request, longest)
    except TimeoutError:
        raise RefusedError(408, "slow_body", "the body of the request did not come in time") from None


def too_long(longest: int) -> RefusedError:
    """A body that is longer than it may be."""
    return RefusedError(413, "body_too_long", f"a request has at most {longest:,} bytes; shorten it")


async def _read(request: "Request", longest: int) -> bytes:
    from starlette.requests import ClientDisconnect

    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > longest:
                raise too_long(longest)
    except ClientDisconnect:  # nobody reads the answer; the log does
        raise RefusedError(400, "client_left", "the connection ended before the body did; send it again") from None
    return bytes(body)


def take(buckets: TokenBuckets, name: str, whose: str = "key") -> None:
    """Take a token.

    Raises:
        RefusedError: 429: there is none.
    """
    wait = buckets.take(name)
    if wait:
        seconds = math.ceil(wait)
        told = f"too many requests of this {whose}; the next is taken in {seconds} s"
        raise RefusedError(429, "too_many_requests", told, {"Retry-After": str(seconds)})
