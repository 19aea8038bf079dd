"""Responses that a product has traced: spans of OpenTelemetry's conventions for generative AI become events.

For products that trace their models already and do not put the gateway before them. What a span says and what becomes
of it (OpenTelemetry, "Semantic conventions for generative client AI spans", in development since version 1.37):

1. `gen_ai.operation.name`: `chat`, `generate_content` or `text_completion` wrote a response. All other spans are passed
   over, as are those that failed, that only call tools, and the gateway's own responses, which it has recorded.
2. `gen_ai.input.messages` (before them `gen_ai.system_instructions`) are the conversation, `gen_ai.output.messages` the
   response; as JSON in a text, or as lists of the protocol.
3. `enduser.id` or `user.id` is the user, `gen_ai.request.model` the policy, `gen_ai.response.id` the response's id,
   `gen_ai.conversation.id` and `session.id` what they say.

The event's id follows from the span's, so that a span that is sent again is a copy.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from streams import conversations, drafts, events, mending
from streams.events import ContractError, new_event_id
from streams.gateway import otlp, signatures
from streams.gateway.exchange import turn
from streams.gateway.otlp import MalformedSpanError, TracedSpan

_OPERATIONS = ("chat", "generate_content", "text_completion")
_USERS = ("enduser.id", "user.id")
_GATEWAYS = re.compile(r"r-[0-9a-f]{32}-[0-9a-f]{20}")
_THOUGHTS = ("reasoning", "thinking")
_TOLD = 3
"""How many different reasons a client is told of one request."""


class RejectedSpanError(ValueError):
    """A span of a response that cannot be an event.

    Attributes:
        reason: A word for metrics.
    """

    def __init__(self, reason: str, told: str) -> None:
        super().__init__(told)
        self.reason = reason


class MappedSpans(NamedTuple):
    """What the spans of a request became.

    Attributes:
        lines: The events, for the wire.
        passed_over: Spans that are no response, by the word that says why.
        rejected: Responses that cannot be events: word and sentence of each.
    """

    lines: list[bytes]
    passed_over: list[str]
    rejected: list[tuple[str, str]]

    def answer(self) -> dict[str, Any]:
        """What the protocol has a receiver say; numbers of 64 bits are texts in its JSON."""
        if not self.rejected:
            return {}
        told = list(dict.fromkeys(sentence for _, sentence in self.rejected))
        more = f" (and {len(told) - _TOLD} other reasons)" if len(told) > _TOLD else ""
        message = "; ".join(told[:_TOLD]) + more
        return {"partialSuccess": {"rejectedSpans": str(len(self.rejected)), "errorMessage": message}}


def mapped(body: Mapping[str, Any], now: datetime, user: str | None = None) -> MappedSpans:
    """Map the spans of a request.

    Args:
        body: The request, `ExportTraceServiceRequest` in JSON.
        now: The moment of receipt (UTC).
        user: Whose the spans are that name nobody; None rejects them.

    Raises:
        MalformedSpanError: The body holds no spans where the protocol has them.
    """
    found = MappedSpans([], [], [])
    for each in otlp.spans(body):
        try:
            span = otlp.read(each)
            why = passed_over(span)
            if why is not None:
                found.passed_over.append(why)
                continue
            found.lines.append(drafts.to_line(draft_of(span, user), now).line)
        except MalformedSpanError as error:
            found.rejected.append(("malformed_span", str(error)))
        except RejectedSpanError as error:
            found.rejected.append((error.reason, str(error)))
        except ContractError as error:
            found.rejected.append(("breaks_contract", _told(error)))
        except RecursionError:
            found.rejected.append(("breaks_contract", events.TOO_DEEP))
    return found


def _told(error: ContractError) -> str:
    """The fields and the rules, without what stood there: a collector writes an answer into its log."""
    return "; ".join(f"{fault.field}: {fault.cure}" for fault in error.faults[:_TOLD]) or error.reason


def passed_over(span: TracedSpan) -> str | None:
    """Why a span is no response to record; None for one that is.

    >>> from datetime import UTC, datetime
    >>> passed_over(TracedSpan("1" * 32, "2" * 16, datetime(2026, 3, 1, tzinfo=UTC), False, {"http.route": "/"}))
    'no_response'
    """
    told = span.attributes
    if told.get("gen_ai.operation.name") not in _OPERATIONS:
        return "no_response"
    if span.failed or told.get("error.type") is not None:
        return "failed"
    name = told.get("gen_ai.response.id")
    if isinstance(name, str) and _GATEWAYS.fullmatch(name):
        return "served_by_gateway"
    return None if _said(told) != "" or not _calls(told) else "tool_call"


def draft_of(span: TracedSpan, user: str | None = None) -> dict[str, Any]:
    """The event of a response.

    Args:
        span: One that is not passed over.
        user: Whose it is where it names nobody.

    Raises:
        RejectedSpanError: It lacks what an event needs, or means several responses.
    """
    told = span.attributes
    talk = _conversation(told)
    response = _said(told)
    if not talk or not response:
        raise RejectedSpanError(
            "no_content",
            "gen_ai.input.messages and gen_ai.output.messages are needed: let the instrumentation capture contents",
        )
    who = next((told[name] for name in _USERS if told.get(name) is not None), user)
    if who is None:
        raise RejectedSpanError("no_user", "no user is named: set the attribute enduser.id or user.id")
    policy = told.get("gen_ai.request.model") or told.get("gen_ai.response.model")
    if policy is None:
        raise RejectedSpanError("no_model", "no model is named: set the attribute gen_ai.request.model")
    name = _name(who, "the user's id")
    digest = hashlib.sha256(f"loveloop:span:{span.trace_id}:{span.span_id}".encode()).digest()
    return {
        "type": "response_served",
        "event_id": new_event_id(max(span.ended_at, events.EARLIEST), int.from_bytes(digest[:10], "big") >> 6),
        "user_id": name,
        "served_at": span.ended_at,
        "response_id": _id(told, "gen_ai.response.id", f"{span.trace_id}-{span.span_id}"),
        "conversation_id": _id(told, "gen_ai.conversation.id", span.trace_id),
        "session_id": _id(told, "session.id", signatures.session_of(name, span.ended_at)),
        "turn": turn(talk),
        "policy": _name(policy, "gen_ai.request.model"),
        "conversation": talk,
        "response": response,
        "span": {"trace_id": span.trace_id, "span_id": span.span_id},
    }


def _id(told: Mapping[str, Any], attribute: str, otherwise: str) -> str:
    value = told.get(attribute)
    return otherwise if value is None else _name(value, attribute)


def _name(value: Any, what: str) -> str:
    if not isinstance(value, str) or mending.REPLACEMENT in value:  # half a character: two names would become one
        raise RejectedSpanError("breaks_contract", f"{what} must be a text of whole characters")
    return value


def _messages(told: Mapping[str, Any], attribute: str) -> list[Any]:
    """The list of an attribute, which may be JSON in a text; empty where there is none."""
    value = told.get(attribute)
    if isinstance(value, str):
        try:
            value, _ = events.parse(value.encode())
        except ContractError:
            raise RejectedSpanError("malformed_messages", f"{attribute} is no JSON") from None
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise RejectedSpanError("malformed_messages", f"{attribute} must be a list of objects")
    return value


def _conversation(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    instructions = _messages(told, "gen_ai.system_instructions")
    first = [{"role": "system", "parts": instructions}] if instructions else []
    return [_message(each) for each in (*first, *_messages(told, "gen_ai.input.messages"))]


def _message(said: Mapping[str, Any]) -> dict[str, Any]:
    """A message in the form of the contract; parts that are no text stay beside it, without what nobody was shown."""
    parts = said.get("parts")
    if not isinstance(parts, list):
        return dict(said)  # of a product that writes role and content: the contract's rules read it
    shown = [each for each in parts if not (isinstance(each, dict) and each.get("type") in _THOUGHTS)]
    calls = [conversations.brief(each) for each in shown if _kind(each) == "tool_call"]
    rest = {name: value for name, value in said.items() if name not in ("parts", "content", "finish_reason")}
    made = rest | {"content": "\n".join(_text(each) for each in shown if _kind(each) != "tool_call")}
    if any(_kind(each) not in ("text", "tool_call") for each in shown):
        made["parts"] = [conversations.brief(each) for each in shown]
    return made | ({"tool_calls": calls} if calls else {})


def _kind(part: Any) -> str:
    return str(part.get("type", "part")) if isinstance(part, dict) else "part"


def _text(part: Any) -> str:
    kind = _kind(part)
    content = part.get("content") if isinstance(part, dict) else None
    if kind == "text":
        return content if isinstance(content, str) else ""
    if kind == "tool_call_response":
        result = part.get("response", part.get("result"))
        return result if isinstance(result, str) else msgspec.json.encode(result).decode()
    return f"[{part.get('modality') or kind}]" if isinstance(part, dict) else "[part]"


def _said(told: Mapping[str, Any]) -> str:
    """The words of the only choice.

    Raises:
        RejectedSpanError: There are several choices, and nobody can say which one was shown.
    """
    choices = _messages(told, "gen_ai.output.messages")
    if len(choices) > 1:
        raise RejectedSpanError("several_choices", "several choices were drawn: trace the one that was shown")
    content = _message(choices[0]).get("content") if choices else ""
    return content if isinstance(content, str) else ""


def _calls(told: Mapping[str, Any]) -> bool:
    return any(_message(each).get("tool_calls") for each in _messages(told, "gen_ai.output.messages"))
