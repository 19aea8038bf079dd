"""OpenTelemetry's traces as JSON (OTLP/HTTP, OpenTelemetry protocol 1.x), read span by span. Pure.

Names are those of the protocol's JSON form: `resourceSpans` hold `scopeSpans` hold `spans`; ids are hexadecimal, 64-bit
numbers may be texts, null is a field's default, and fields of unknown names count for nothing.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ERROR = 2
"""The code of a span's status that says that the work failed."""
_DEEPEST = 64
"""Lists and maps of an attribute within one another; each takes three levels of JSON."""


class MalformedSpanError(ValueError):
    """What is no span, or holds what the protocol does not know."""


@dataclass(frozen=True, slots=True)
class TracedSpan:
    """A piece of work that a product has traced.

    Attributes:
        trace_id: Of the whole that it belongs to, 32 hexadecimal digits.
        span_id: Its own, 16 hexadecimal digits.
        ended_at: When the work was done, to the microsecond.
        failed: Whether its status says so.
        attributes: Value by name.
    """

    trace_id: str
    span_id: str
    ended_at: datetime
    failed: bool
    attributes: dict[str, Any]


def spans(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The spans of a request, still as JSON.

    >>> [each["name"] for each in spans({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "chat v7"}]}]}]})]
    ['chat v7']

    Raises:
        MalformedSpanError: They do not lie where they should.
    """
    for resource in _objects(body, "resourceSpans"):
        for scope in _objects(resource, "scopeSpans"):
            yield from _objects(scope, "spans")


def _objects(holder: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = holder.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise MalformedSpanError(f"{name} must be a list of objects, as OTLP's JSON has it")
    return found


def read(span: Mapping[str, Any]) -> TracedSpan:
    """A span with its attributes as plain values.

    Raises:
        MalformedSpanError: It breaks the protocol; the text names the field.
    """
    status = span.get("status")
    return TracedSpan(
        trace_id=_hexadecimal(span, "traceId", 32),
        span_id=_hexadecimal(span, "spanId", 16),
        ended_at=_moment(span.get("endTimeUnixNano")),
        failed=isinstance(status, Mapping) and status.get("code") == _ERROR,
        attributes=_attributes(_objects(span, "attributes"), 0),
    )


def _hexadecimal(span: Mapping[str, Any], name: str, digits: int) -> str:
    value = span.get(name)
    if not isinstance(value, str) or not re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", value) or not value.strip("0"):
        raise MalformedSpanError(f"{name} must be {digits} hexadecimal digits that are not all 0")
    return value.lower()


def _moment(value: Any) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=_integer(value) // 1_000)
    except (OverflowError, MalformedSpanError):
        raise MalformedSpanError("endTimeUnixNano must be nanoseconds since 1970") from None


def _integer(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value):
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MalformedSpanError("intValue must be a whole number, or a text of its digits")
    return value


def _attributes(listed: list[Mapping[str, Any]], depth: int) -> dict[str, Any]:
    found = {}
    for each in listed:
        name, value = each.get("key"), each.get("value")
        if not isinstance(name, str):
            raise MalformedSpanError("an attribute must have a key, a text")
        found[name] = _plain(value, depth)
    return found


def _plain(value: Any, depth: int) -> Any:
    """An attribute's value as JSON would have it; None for an empty one, and for bytes."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise MalformedSpanError("an attribute's value must be an object such as {stringValue: ...}")
    if depth > _DEEPEST:
        raise MalformedSpanError(f"an attribute has at most {_DEEPEST} lists within one another")
    for name, kind in (("stringValue", str), ("boolValue", bool), ("doubleValue", int | float)):
        if isinstance(value.get(name), kind):
            return value[name]
    if value.get("intValue") is not None:
        return _integer(value["intValue"])
    if isinstance(value.get("arrayValue"), dict):
        return [_plain(each, depth + 1) for each in _objects(value["arrayValue"], "values")]
    if isinstance(value.get("kvlistValue"), dict):
        return _attributes(_objects(value["kvlistValue"], "values"), depth + 1)
    return None
