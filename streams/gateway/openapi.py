"""The gateway's interface as an OpenAPI 3.1 document, for `GET /openapi.json`."""

from typing import Any

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[^\\u0000]*$"}
_PRINTABLE: Schema = _TEXT | {"pattern": "^[ -~]*$"}
_NAME: Schema = _TEXT | {"type": ["string", "null"]}
_OPTIONAL: Schema = {"type": ["string", "null"]}
_NOT_THE_USER = ("system", "developer", "assistant", "tool", "function")
_TOLD = {
    200: "As asked.",
    202: "Taken; the broker has it.",
    400: "The request does not say what it must, or the model refuses it; nothing was written.",
    401: "No valid key.",
    403: "Not theirs: the response was shown to somebody else, the page is closed, or the key may not.",
    404: "There is no such model, no such page, or it is not enabled.",
    408: "The body of the request did not come in time.",
    415: "The body is of another kind, or packed in another way.",
    409: "The Idempotency-Key stands for another reaction.",
    413: "The body is too long.",
    429: "Too many requests of this key or this user; Retry-After says when.",
    502: "The model's server cannot be reached, fails, or sends what is no chat completion.",
    503: "The broker did not acknowledge the event; Retry-After says when to send again.",
    504: "The model did not answer in time.",
}
_REFUSALS = (400, 401, 408, 413, 429, 503)
"""What every request with a body may be answered."""


def _object(properties: dict[str, Schema], *, optional: tuple[str, ...] = (), more: bool = False) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": more}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _parameter(name: str, about: str, required: bool = False, schema: Schema = _TEXT) -> Schema:
    return {"name": name, "in": "header", "required": required, "description": about, "schema": schema}


_ERROR = _object(
    {
        "error": _object(
            {"message": {"type": "string"}, "type": {"type": "string"}, "code": {"type": "string"}, "param": _OPTIONAL}
        )
    }
)
_SERVED = _object(
    {
        "response_id": _TEXT,
        "conversation_id": _TEXT,
        "session_id": _TEXT,
        "turn": {"type": "integer", "minimum": 0},
        "policy": _TEXT,
        "experiment": _OPTIONAL,
        "arm": _OPTIONAL,
        "recorded": {"type": "boolean", "description": "False for a step that only calls tools: no response."},
    }
)
_COMPLETION = _object(
    {
        "id": {"type": "string", "description": "The response_id."},
        "model": {"type": "string", "description": "The policy that answered."},
        "choices": {"type": "array"},
        "loveloop": _SERVED,
    },
    more=True,
)
_CHUNK = _object(
    {"id": {"type": "string"}, "model": {"type": "string"}, "choices": {"type": "array"}, "loveloop": _SERVED},
    optional=("loveloop",),
    more=True,
)
_PIECE = {"type": "string", "contentMediaType": "application/json", "contentSchema": {"anyOf": [_CHUNK, _ERROR]}}
_STREAMED = _object({"data": {"anyOf": [{"const": "[DONE]"}, _PIECE]}}, more=True)
"""Each event of a stream; the last chunk has `loveloop`."""
_SAID = ["string", "array", "object"]
_MESSAGE: Schema = {
    "anyOf": [
        _object({"role": {"const": "user"}, "content": {"type": _SAID}}, more=True),
        _object({"role": {"enum": [*_NOT_THE_USER]}, "content": {"type": [*_SAID, "null"]}}, more=True),
        _object({"role": {"const": "assistant"}, "tool_calls": {"type": "array", "minItems": 1}}, more=True),
    ]
}
_CHAT = _object(
    {
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": _MESSAGE,
            "description": "The last one is the user's, or a tool's.",
        },
        "model": {"type": ["string", "null"], "description": "`loveloop`, or a policy by its name."},
        "stream": {"type": ["boolean", "null"]},
        "n": {"enum": [1, None]},
        "user": _NAME,
        "metadata": {
            "type": ["object", "null"],
            "properties": {"conversation_id": _PRINTABLE | {"type": ["string", "null"]}},
            "description": "conversation_id in it names the conversation.",
        },
    },
    optional=("model", "stream", "n", "user", "metadata"),
    more=True,
)
_REACTION = _object(
    {
        "response_id": _TEXT | {"description": "As the gateway gave it; any other one needs a key that may."},
        "reaction": _TEXT | {"maxLength": 64, "description": "love, like, dislike, or the product's own."},
        "action": {"enum": ["added", "removed"]},
        "user": _NAME,
        "dwell_ms": {"type": ["integer", "null"], "minimum": 0, "maximum": 2**63 - 1},
    },
    optional=("user", "dwell_ms"),
)
_REACTED = _object({"event_id": _TEXT, "response_id": _TEXT, "reaction": _TEXT, "action": _TEXT})
_MODEL = _object(
    {
        "id": {"type": "string"},
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "owned_by": {"type": "string"},
        "loveloop": _object(
            {
                "digest": _OPTIONAL,
                "experiment": _OPTIONAL,
                "arm": _OPTIONAL,
                "revision": {"type": ["integer", "string", "null"]},
                "served": _OPTIONAL | {"description": "The digest that its server tells."},
            }
        ),
    }
)
_SPANS: Schema = {"type": ["array", "null"], "items": {"type": "object"}}
_REJECTED = _object({"rejectedSpans": {"type": "string", "pattern": "^[0-9]+$"}, "errorMessage": {"type": "string"}})
_TAKEN = _object({"partialSuccess": _REJECTED}, optional=("partialSuccess",))
_USER = _parameter("X-Loveloop-User", "Whose request this is, where the body has no user.")
_SESSION = _parameter("X-Loveloop-Session", "The user's visit; one for a user and a day when left out.")
_CONVERSATION = _parameter("X-Loveloop-Conversation", "The conversation; a new one when left out.", schema=_PRINTABLE)
_KEY = _parameter("Idempotency-Key", "A new one for each reaction; the same when it is sent again.", required=True)


def _operation(
    about: str,
    good: dict[int, Schema | None],
    *refusals: int,
    body: Schema | None = None,
    parameters: tuple[Schema, ...] = (),
    open_to_all: bool = False,
    error: Schema = _ERROR,
) -> Schema:
    answers: dict[str, Any] = {
        str(status): {"description": _TOLD[status]} | ({"content": content} if content else {})
        for status, content in good.items()
    }
    answers |= {str(status): {"description": _TOLD[status], "content": _json(error)} for status in sorted(refusals)}
    operation: Schema = {"summary": about, "responses": answers}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": _json(body)}
    if parameters:
        operation["parameters"] = list(parameters)
    if open_to_all:
        operation["security"] = []
    return operation


_HEALTH = _json({"type": "object"})
_PAGE: Schema = {"text/html": {"schema": {"type": "string"}}}
PATHS: dict[str, Schema] = {
    "/v1/chat/completions": {
        "post": _operation(
            "Serve a response, and record it.",
            {200: _json(_COMPLETION) | {"text/event-stream": {"schema": _STREAMED}}},
            *_REFUSALS, 404, 502, 504,
            body=_CHAT,
            parameters=(_USER, _SESSION, _CONVERSATION),
        )
    },
    "/v1/models": {
        "get": _operation(
            "List the models that can be asked for.",
            {200: _json(_object({"object": {"const": "list"}, "data": {"type": "array", "items": _MODEL}}))},
            401, 429,
        )
    },
    "/v1/reactions": {
        "post": _operation(
            "Take a reaction, once however often it is sent.",
            {200: _json(_REACTED)},
            *_REFUSALS, 403, 409,
            body=_REACTION,
            parameters=(_KEY, _USER, _SESSION),
        )
    },
    "/v1/erasures": {
        "post": _operation(
            "Ask that a user be forgotten.",
            {202: _json(_object({"event_id": _TEXT, "user": _TEXT}))},
            *_REFUSALS,
            body=_object({"user": _NAME}, optional=("user",), more=True),
            parameters=(_USER,),
        )
    },
    "/v1/traces": {
        "post": _operation(
            "Take OpenTelemetry's spans of responses (OTLP/HTTP, JSON), each once however often it is sent.",
            {200: _json(_TAKEN)},
            *_REFUSALS, 403, 404, 415,
            body=_object({"resourceSpans": _SPANS}, optional=("resourceSpans",), more=True),
            error=_object({"message": {"type": "string"}}),
        )
    },
    "/v1/session": {
        "get": _operation(
            "Say who the page's visitor is, and set the cookie.",
            {200: _json(_object({"user": _TEXT}))},
            403, 429,
            open_to_all=True,
        )
    },
    "/health": {"get": _operation("How it is.", {200: _HEALTH, 503: _HEALTH}, open_to_all=True)},
    "/ready": {"get": _operation("Whether requests may come.", {200: _HEALTH, 503: _HEALTH}, open_to_all=True)},
    "/metrics": {
        "get": _operation("Prometheus' text.", {200: {"text/plain": {"schema": {"type": "string"}}}}, open_to_all=True)
    },
    "/openapi.json": {"get": _operation("This document.", {200: _HEALTH}, open_to_all=True)},
    "/operator": {"get": _operation("The operator page.", {200: _PAGE}, open_to_all=True)},
    "/operator/status": {"get": _operation("What the operator page shows.", {200: _HEALTH}, 401, 403, 429)},
    "/": {"get": _operation("The chat page.", {200: _PAGE}, 404, open_to_all=True)},
}  # fmt: skip
"""Every path and what it may be answered."""
PATHS["/v1/chat/completions"]["post"]["responses"]["200"]["links"] = {
    "react": {
        "operationRef": "#/paths/~1v1~1reactions/post",
        "requestBody": {"response_id": "$response.body#/id", "user": "$request.body#/user"},
        "description": "What a reaction to this response says.",
    }
}
DOCUMENT: Schema = {
    "openapi": "3.1.0",
    "info": {
        "title": "loveloop gateway",
        "version": "1",
        "description": "OpenAI's chat completions before a product's models; what is served is recorded.",
    },
    "paths": PATHS,
    "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    "security": [{"key": []}],
}
"""The whole document."""
