"""Requests that nobody would send, and answers that no model's server should give, from a seeded generator."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

from streams.gateway import openapi, signatures
from tests.streams.gateway.conftest import KEY

WORDS, USER = "zugzwang-words", "zugzwang-user"
"""Stand in every text that a client or a model writes, and every user's name: no log and no metric may hold them."""
MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
SECRET = b"a secret of the tests"
LONGEST = 16_384
STRANGE = ("/..", "/v1/", "//", "/v1/chat/completions/", "/%00", "/zugzwang-user", "/index.html\0", "/🦜")


class Sent(NamedTuple):
    """A request, piece by piece, and what the model's server answers."""

    method: str
    path: str
    headers: list[tuple[bytes, bytes]]
    parts: Iterable[bytes]


class Told(NamedTuple):
    """What a model's server answers."""

    status: int
    parts: Iterable[bytes]


def nested(depth: int, within: Any = 1) -> Any:
    for _ in range(depth):
        within = [within]
    return within


ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 2**53, 2**64, 10**40, -(2**63) - 1, 1e308, float("nan"), float("inf"), "", " ", "\0",
    "\ud83d", "\u202e", "🦜", "a" * 257, WORDS, USER, [], {}, [[]], [None], {"": None}, nested(40),
    nested(300), nested(800), "r-" + "0" * 32,
    {"role": "assistant", "content": WORDS}, [{"type": "text", "text": WORDS}], {"content": nested(150)},
)  # fmt: skip
RESPONSE = signatures.new_response_id(SECRET, USER, MOMENT)
TALK = [{"role": "user", "content": WORDS}]


def attribute(key: str, value: Any) -> dict[str, Any]:
    """An attribute of a span as OTLP's JSON has it."""
    if isinstance(value, list):
        return {"key": key, "value": {"arrayValue": {"values": [attribute("", each)["value"] for each in value]}}}
    if isinstance(value, dict):
        return {"key": key, "value": {"kvlistValue": {"values": [attribute(*each) for each in value.items()]}}}
    kinds = {bool: "boolValue", int: "intValue", float: "doubleValue", str: "stringValue"}
    return {"key": key, "value": {kinds[type(value)]: str(value) if type(value) is int else value}}


def span_of(
    user: str | None = USER, *, span_id: str = "00f067aa0ba902b7", said: str = WORDS, **changes: Any
) -> dict[str, Any]:
    """A span of a chat as instrumentations write it; `changes` set attributes (`__` for a dot), None leaves one out."""
    plain = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "v7",
        "gen_ai.response.model": "v7-2026", "gen_ai.response.id": f"chatcmpl-{span_id}", "enduser.id": user,
        "gen_ai.conversation.id": "conv_5j66", "session.id": "visit-1", "gen_ai.usage.input_tokens": 12,
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": said}]}]),
        "gen_ai.output.messages": json.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": said}], "finish_reason": "stop"}]
        ),
    }  # fmt: skip
    plain |= {name.replace("__", "."): value for name, value in changes.items()}
    return {
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": span_id, "name": "chat v7", "kind": 3,
        "startTimeUnixNano": "1772366400000000000", "endTimeUnixNano": "1772366402123456789", "status": {},
        "attributes": [attribute(name, value) for name, value in plain.items() if value is not None],
    }  # fmt: skip


def trace(*spans: dict[str, Any]) -> dict[str, Any]:
    """A request that exports spans."""
    resource = {"attributes": [attribute("service.name", "shop")]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "i"}, "spans": list(spans)}]}]}


TEMPLATES: dict[str, list[dict[str, Any]]] = {
    "/v1/chat/completions": [
        {"model": "loveloop", "user": USER, "messages": TALK, "stream": False, "temperature": 0.5},
        {"user": USER, "messages": [*TALK, {"role": "assistant", "content": WORDS}, *TALK], "stream": True,
         "metadata": {"conversation_id": "c-1"}},
        {"user": USER, "messages": [{"role": "user", "content": [{"type": "text", "text": WORDS}]}], "n": 1},
    ],
    "/v1/reactions": [{"response_id": RESPONSE, "reaction": "love", "action": "added", "user": USER, "dwell_ms": 5}],
    "/v1/erasures": [{"user": USER}],
    "/v1/traces": [trace(span_of()), trace(span_of(), span_of(span_id="0" * 15 + "2"))],
}  # fmt: skip
FIELDS = ("model", "user", "messages", "stream", "n", "metadata", "response_id", "reaction", "action", "dwell_ms", "x",
          "loveloop", "tools", "resourceSpans", "attributes", "stringValue", "intValue", "endTimeUnixNano")  # fmt: skip
HEADERS = (b"authorization", b"cookie", b"origin", b"host", b"idempotency-key", b"x-loveloop-user", b"content-type",
           b"x-loveloop-conversation", b"x-loveloop-session", b"sec-fetch-site", b"x-forwarded-proto",
           b"content-length", b"content-encoding", b"accept", b"expect", b"transfer-encoding")  # fmt: skip
VALUES = (
    b"", b"null", b"http://[", b"http://[::1", b"https://shop.example", b"http://127.0.0.1:99999999", b"cross-site",
    b"Bearer", b"Bearer " + KEY.encode(), b"Bearer \xff", b"Basic x", b"loveloop_session=visitor-x.y",
    b"loveloop_session", b"gzip", b"-1", b"1e9", b"\xff\xfe", b"\xc3\xa4", b"\t",
    b"a" * 300, USER.encode(), b"c-\xf0\x9f\xa6\x9c", b"k",
    b"application/x-protobuf", b"100-continue", b"chunked", b"=;=;=", b"c-1\x7f",
)  # fmt: skip


def odd(random: Random, depth: int = 2) -> Any:
    """Any value of JSON, mostly one that breaks somebody's code."""
    match random.randrange(8) if depth else 7:
        case 0:
            return random.randint(-(10**6), 10**20)
        case 1:
            return "".join(chr(random.choice((random.randrange(32), random.randrange(0xD7FF)))) for _ in range(5))
        case 2:
            return [odd(random, depth - 1) for _ in range(random.randrange(3))]
        case 3:
            return {random.choice(FIELDS): odd(random, depth - 1) for _ in range(random.randrange(3))}
    return random.choice(ODD)


def changed(value: Any, random: Random) -> Any:
    """The value with something odd in one place of it."""
    if isinstance(value, dict) and value and random.randrange(6):
        name = random.choice([*value, random.choice(FIELDS)])
        return value | {name: changed(value.get(name), random)}
    if isinstance(value, list) and value and random.randrange(3):
        place = random.randrange(len(value))
        return [*value[:place], changed(value[place], random), *value[place + 1 :]]
    return odd(random)


def body_of(path: str, random: Random) -> bytes:
    """A body for a path: with odd values, cut off, with bytes thrown in, too long, too deep."""
    value: Any = random.choice(TEMPLATES.get(path, [{}]))
    for _ in range(random.randrange(3)):
        value = changed(value, random)
    text = json.dumps(value).encode()
    place = random.randint(0, len(text))
    match random.randrange(12):
        case 0:
            return text[:place]
        case 1:
            return text[:place] + random.randbytes(random.randrange(5)) + text[place:]
        case 2:
            return text + random.choice((b" " * LONGEST, b"\0", b"{}", b"\xef\xbb\xbf", b"\n" + text))
        case 3:
            return b'{"user":"u","x":' + b"[" * random.choice((10, 300, 1_100, 8_000)) + text
        case 4:
            deep = random.choice((200, 900, 4_000))
            return text[:-1] + b',"x":' + b"[" * deep + b"]" * deep + b"}"
    return text


def request_of(random: Random) -> Sent:
    """A request that somebody could send."""
    path = random.choice([*TEMPLATES] * 4 + [*openapi.PATHS])
    if not random.randrange(12):
        path = random.choice(STRANGE)
    method = "POST" if path in TEMPLATES else "GET"
    if not random.randrange(12):
        method = random.choice(("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "ZUGZWANG"))
    headers = {b"host": b"127.0.0.1:8080", b"authorization": b"Bearer " + KEY.encode()}
    headers |= {b"content-type": b"application/json"}
    headers |= {b"idempotency-key": random.choice((b"k1", b"k2", b"%d" % random.randrange(10**6)))}
    for _ in range(random.choice((0, 0, 1, 2))):
        headers[random.choice(HEADERS)] = random.choice(VALUES)
    body = body_of(path, random) if method != "GET" or not random.randrange(10) else b""
    cut = random.randint(0, len(body))
    return Sent(method, path, list(headers.items()), [body[:cut], body[cut:]])


def answer_of(random: Random) -> Told:
    """What a model's server may come up with: an answer or a stream with something odd in it."""
    said = {"role": "assistant", "content": WORDS}
    whole = {"id": "theirs", "object": "chat.completion", "choices": [{"index": 0, "message": said}]}
    pieces = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in ((said, None), ({}, "stop"))
    ]
    texts = [
        json.dumps(changed(each, random) if not random.randrange(3) else each).encode() for each in (whole, *pieces)
    ]
    stream = b"".join(b"data: " + each + b"\n\n" for each in texts[1:]) + b"data: [DONE]\n\n"
    body = random.choice((texts[0], texts[0], stream, stream, stream, b"", b"<html>", b"data:", b"[1", b"\xff"))
    body = body[: random.randint(0, len(body))] if not random.randrange(5) else body
    place = random.randint(0, len(body))
    return Told(random.choice((200,) * 9 + (204, 301, 400, 422, 429, 500)), [body[:place], body[place:]])
