"""One request for a response: what is asked, who answers, and the event that it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from streams import conversations, drafts
from streams.events import ContractError
from streams.gateway import admission, signatures
from streams.gateway.refusals import RefusedError, invalid
from streams.gateway.routes import Route
from streams.gateway.settings import ROUTED
from streams.gateway.state import GatewayState

if TYPE_CHECKING:
    from starlette.requests import Request

Cut = Literal["client_left", "model_broke_off"]
"""Why a response is not whole."""
_SPOKEN_LAST = ("user", "tool", "function", "human", "observation")
_OURS = ("user", "metadata")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that may be answered.

    Attributes:
        user: Whose it is.
        body: As it came.
        route: Who answers.
        response_id: Of the response to come.
        conversation_id: Of its conversation.
        session_id: Of the user's visit.
        turn: Which response of the conversation this is, from 0.
    """

    user: str
    body: dict[str, Any]
    route: Route
    response_id: str
    conversation_id: str
    session_id: str
    turn: int

    @property
    def streams(self) -> bool:
        """Whether the response is asked for piece by piece."""
        return bool(self.body.get("stream"))

    def told(self, recorded: bool) -> dict[str, Any]:
        """The object `loveloop` of a response.

        Args:
            recorded: Whether an event was written; a step that only calls tools is none.
        """
        return {
            "response_id": self.response_id,
            "conversation_id": self.conversation_id,
            "session_id": self.session_id,
            "turn": self.turn,
            "policy": self.route.policy,
            "experiment": self.route.experiment,
            "arm": self.route.arm,
            "recorded": recorded,
        }

    def headers(self) -> dict[str, str]:
        """Headers of a response."""
        return {"X-Loveloop-Response": self.response_id, "X-Loveloop-Conversation": self.conversation_id}

    def upstream_body(self) -> dict[str, Any]:
        """What the policy's server is asked: all but who asks."""
        return {name: value for name, value in self.body.items() if name not in _OURS}

    def line(self, text: str, cut: Cut | None = None) -> bytes:
        """The event, for the wire.

        Args:
            text: What the user was shown.
            cut: Why it is not whole; kept beside the event as the unknown field `cut`.

        Raises:
            ContractError: The contract does not take it.
        """
        now = datetime.now(UTC)
        uuid = signatures.uuid_of(self.response_id)
        draft = {
            "type": "response_served", "event_id": uuid, "user_id": self.user, "served_at": now,
            "response_id": self.response_id, "conversation_id": self.conversation_id, "turn": self.turn,
            "session_id": self.session_id, "policy": self.route.policy, "experiment": self.route.experiment,
            "arm": self.route.arm, "conversation": self.body["messages"], "response": text, "cut": cut,
        }  # fmt: skip
        return drafts.to_line(draft, now).line


def read(state: GatewayState, request: "Request", caller: admission.Caller, body: dict[str, Any]) -> Exchange:
    """Read a request, choose who answers, and judge by the contract whatever can be judged before a model is asked.

    Raises:
        RefusedError: 400, 404 or 429; the text says what to send.
    """
    user = admission.user_of(state, request, caller, body.get("user"))
    messages = _messages(body)
    route = _route(state, user, body.get("model"))
    now = datetime.now(UTC)
    exchange = Exchange(
        user=user,
        body=body,
        route=route,
        response_id=signatures.new_response_id(state.secret, user, now),
        conversation_id=_conversation_id(request, body),
        session_id=admission.session_id(request, user, now),
        turn=turn(messages),
    )
    try:
        exchange.line("")
    except ContractError as error:
        told = "; ".join(f"{fault.field}: {fault.cure}" for fault in error.faults) or error.detail
        raise invalid(f"these messages could not be stored: {told}") from None
    request.scope["loveloop"] |= {name: value for name, value in route._asdict().items() if value is not None}
    return exchange


def _messages(body: Mapping[str, Any]) -> list[Any]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        raise invalid("messages must be a list of at least one object with role and content")
    if messages[-1].get("role") not in _SPOKEN_LAST:
        raise invalid("the last message must be the user's or a tool's; a response follows it")
    if body.get("n") not in (None, 1) or body.get("n") is True:
        raise invalid("n must be 1: one response is shown, and one is recorded")
    if not isinstance(body.get("metadata"), dict | None):
        raise invalid("metadata must be an object")
    if not isinstance(body.get("stream", False), bool | None):
        raise invalid("stream must be true or false")
    return messages


def _route(state: GatewayState, user: str, model: Any) -> Route:
    settings = state.settings
    if model in (None, ROUTED):
        return state.routes.table.route(user, settings.told.default, state.is_off)
    if not isinstance(model, str) or model not in state.policies:
        raise RefusedError(404, "model_not_found", f"there is no such model; GET /v1/models lists them, {ROUTED} first")
    return Route(model)


def _conversation_id(request: "Request", body: Mapping[str, Any]) -> str:
    metadata = body.get("metadata")
    inner = metadata.get("conversation_id") if isinstance(metadata, dict) else None
    named = [each for each in (request.headers.get("x-loveloop-conversation"), inner) if each is not None]
    for each in named:
        name = admission.checked(each, "conversation_id")
        if not (name.isascii() and name.isprintable()):  # it goes back in a header
            raise invalid("conversation_id must consist of printable ASCII characters")
    return str(named[0]) if named else f"c-{uuid4().hex}"


def turn(messages: list[Any]) -> int:
    """How many responses a conversation holds: words of the assistant after the user's first.

    >>> turn([{"role": "assistant", "content": "Welcome!"}, {"role": "user", "content": "Hi"}])
    0

    A greeting answers nobody, a call of a tool is a step on the way, and several messages in a row are one response.
    """
    count, answered = 0, True
    for message in messages:
        role = str(message.get("role")).lower()
        if role in ("user", "human"):
            answered = False
        elif not answered and _is_answer(message):
            count += 1
            answered = True
    return count


def _is_answer(message: Mapping[str, Any]) -> bool:
    found = conversations.normalised({"conversation": [message], "response": ""})["conversation"]
    return bool(found) and conversations.is_answer(found[0])
