"""Reactions and erasures by HTTP: each written once, however often it is sent."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import msgspec

from streams import drafts
from streams.events import EARLIEST, ContractError, new_event_id
from streams.gateway import admission, page_files, signatures
from streams.gateway.reaction_keys import RememberedKey
from streams.gateway.refusals import RefusedError, invalid, json_response
from streams.gateway.state import GatewayState

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_FIELDS = {"response_id", "reaction", "action", "user", "dwell_ms"}
_LONGEST_KEY = 256


class ReactionDesk:
    """Takes reactions; of copies that come at the same time one goes to the broker and the others wait for it.

    Args:
        state: What the requests share.
    """

    def __init__(self, state: GatewayState) -> None:
        self._state = state
        self._under_way: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # as long as somebody waits

    async def post(self, request: "Request") -> "Response":
        """Take a reaction.

        Raises:
            RefusedError: 400: it is none. 403: the response was not shown to this user. 409: the key stands for
                another reaction. 503: the broker did not acknowledge it.
        """
        state = self._state
        caller = admission.admit(state, request)
        body = await admission.body_of(state, request)
        user = admission.user_of(state, request, caller, body.get("user"))
        key = _key(request)
        _check_fields(body)
        served_at = _served_at(state, caller, body, user)
        name = signatures.digest(state.secret, "key", key, user)
        lock = self._under_way.setdefault(name, asyncio.Lock())
        async with lock:
            return await self._once(request, name, served_at, user, body)

    async def _once(
        self, request: "Request", name: str, served_at: datetime, user: str, body: dict[str, Any]
    ) -> "Response":
        state, now = self._state, datetime.now(UTC)
        said = msgspec.json.encode({each: body.get(each) for each in sorted(_FIELDS - {"user"})}).decode()
        given = RememberedKey(
            signatures.digest(state.secret, "body", said),
            now.timestamp(),
            admission.session_id(request, user, now),
            False,
        )
        # before the key is taken: what is refused may be put right under it
        line = _line(_draft(body, served_at, name, user, given), now)
        first = await asyncio.to_thread(state.reaction_keys.first, name, given)
        if first.body != given.body:
            told = "this Idempotency-Key came with another reaction; take a new key for each"
            raise RefusedError(409, "key_taken", told)
        if not first.stored:
            if (first.reacted_at, first.session) != (given.reacted_at, given.session):  # a first try was not stored
                line = _line(_draft(body, served_at, name, user, first), now)
            await state.store(line)
            await asyncio.to_thread(state.reaction_keys.note_stored, name)
            state.metrics.count_reaction(str(body["reaction"]), str(body["action"]))
        stored = msgspec.json.decode(line)
        return json_response(200, {each: stored[each] for each in ("event_id", "response_id", "reaction", "action")})


def _key(request: "Request") -> str:
    key = request.headers.get("idempotency-key", "")
    if not 1 <= len(key) <= _LONGEST_KEY:
        raise invalid(f"send the header Idempotency-Key, 1 to {_LONGEST_KEY} characters, a new one for each reaction")
    return key


def _check_fields(body: dict[str, Any]) -> None:
    unknown = sorted(set(body) - _FIELDS)
    if unknown:
        raise RefusedError(
            400, "unknown_fields", f"a reaction has no field {unknown[0][:64]!r}; it has {', '.join(sorted(_FIELDS))}"
        )


def _served_at(state: GatewayState, caller: admission.Caller, body: dict[str, Any], user: str) -> datetime:
    """When a response was served to a user, by its id; of one that the gateway has not served the earliest moment."""
    try:
        uuid = signatures.shown(state.secret, str(body.get("response_id")), user)
        return datetime.fromtimestamp(int(uuid.replace("-", "")[:12], 16) / 1000, UTC)
    except signatures.MalformedIdError as error:
        if caller.for_others:
            admission.checked(body.get("response_id"), "response_id")
            return EARLIEST
        raise RefusedError(400, "malformed_id", str(error)) from None
    except signatures.NotShownError as error:
        raise RefusedError(403, "not_shown", str(error)) from None


def _draft(body: dict[str, Any], served_at: datetime, name: str, user: str, given: RememberedKey) -> dict[str, Any]:
    """The event. Its id follows from the key, the user and the response alone: every replica gives it the same one."""
    return {
        "type": "reaction_changed", "event_id": new_event_id(served_at, int(name, 16) >> 182),
        "user_id": user, "reacted_at": datetime.fromtimestamp(given.reacted_at, UTC),
        "response_id": body["response_id"], "reaction": body.get("reaction"), "action": body.get("action"),
        "session_id": given.session, "dwell_ms": _whole(body.get("dwell_ms")),
    }  # fmt: skip


def _whole(value: Any) -> Any:
    """154.0 as 154, which is the same number in JSON: some languages write every number with a point."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _line(draft: dict[str, Any], now: datetime) -> bytes:
    try:
        return drafts.to_line(draft, now).line
    except ContractError as error:
        raise invalid(error.detail) from None


async def erase(state: GatewayState, request: "Request") -> "Response":
    """Take a user's wish to be forgotten; the page's visitor speaks for nobody else, and loses the cookie.

    Raises:
        RefusedError: 400, 401, 429: as for every request. 503: the broker did not acknowledge it.
    """
    caller = admission.admit(state, request)
    body = await admission.body_of(state, request)
    user = admission.user_of(state, request, caller, body.get("user"))
    now = datetime.now(UTC)
    made = drafts.to_line({"type": "erasure_requested", "user_id": user, "requested_at": now}, now)
    await state.store(made.line)
    answer = json_response(202, {"event_id": made.event_id, "user": user})
    if caller.visitor is not None:
        page_files.forget(answer, request)
    return answer
