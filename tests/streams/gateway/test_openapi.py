"""The document at /openapi.json says what the gateway does: every path, every status, every body."""

import hashlib
import http.client
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from streams.gateway import app, openapi
from tests.streams.gateway.conftest import KEY, Desk, Opened, Reply
from tests.streams.gateway.test_guarantees import refuse_commits

AUTHORISED = {"Authorization": f"Bearer {KEY}"}
CONFIG = f"""[limits]
seconds = 0.5
body_bytes = 2048
user_requests_per_minute = 30
requests_per_minute = 1000
[keys]
product = "{hashlib.sha256(KEY.encode()).hexdigest()}"
"""
NOT_TOURED = {
    ("/health", "503"), ("/ready", "503"), ("/", "200"), ("/", "404"), ("/operator", "200"),
    ("/operator/status", "403"),
}  # fmt: skip
"""Seen by test_guarantees.py, test_admission.py and test_operator.py."""
NOT_TOURED |= {("/v1/traces", status) for status in openapi.PATHS["/v1/traces"]["post"]["responses"]}  # test_spans.py


def slow_body(desk: Desk, path: str) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", desk.port, timeout=20)
    connection.putrequest("POST", path)
    for name, value in (AUTHORISED | {"Content-Length": "100"}).items():
        connection.putheader(name, value)
    connection.endheaders(b"{")
    answer = connection.getresponse()
    found = Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    connection.close()
    return found


def chats(desk: Desk) -> Iterator[Reply]:
    for said in ("Hi", "fail", "sleep", "refuse", "busy", "tool"):
        yield desk.chat(said, headers=AUTHORISED)
    yield desk.chat("usage", stream=True, headers=AUTHORISED)
    yield desk.chat(model="gpt", headers=AUTHORISED)
    yield desk.chat(n=2, headers=AUTHORISED)


def tour(desk: Desk, patch: pytest.MonkeyPatch) -> Iterator[tuple[str, Reply]]:
    """Requests that together meet whatever is documented."""
    paths = {"/v1/chat/completions": {}, "/v1/reactions": {"Idempotency_Key": "k"}, "/v1/erasures": {}}
    response = desk.chat(headers=AUTHORISED).json["id"]
    love = {"response_id": response, "reaction": "love", "action": "added", "user": desk.user}
    talk = {"messages": [{"role": "user", "content": "Hi"}], "user": desk.user}
    bodies: dict[str, Any] = {"/v1/chat/completions": talk, "/v1/reactions": love, "/v1/erasures": {"user": desk.user}}
    for reply in chats(desk):
        yield "/v1/chat/completions", reply
    for body in (love | {"user": "x"}, love, love, love | {"reaction": "like"}):
        yield "/v1/reactions", desk.ask("/v1/reactions", body, **AUTHORISED, Idempotency_Key="done")
    yield "/v1/erasures", desk.ask("/v1/erasures", {"user": "e"}, **AUTHORISED)
    for path, headers in paths.items():
        yield path, desk.ask(path, b"{", **AUTHORISED)
        yield path, desk.ask(path, {}, **headers)
        yield path, desk.ask(path, b" " * 4_096, **AUTHORISED)
        yield path, slow_body(desk, path)
    with patch.context() as away:
        refuse_commits(away, desk)
        for path, headers in paths.items():
            other = {"user": f"away {path}"} if path != "/v1/reactions" else {}
            yield path, desk.ask(path, bodies[path] | other, **headers, **AUTHORISED)
    for path, headers in paths.items():
        for _ in range(31):
            found = desk.ask(path, bodies[path], **headers, **AUTHORISED)
        yield path, found
    yield "/v1/session", desk.ask("/v1/session")
    for path in ("/v1/models", "/operator/status"):
        yield path, desk.ask(path)
    for path in ("/v1/models", "/operator/status", "/health", "/ready", "/metrics", "/openapi.json"):
        yield path, desk.ask(path, **AUTHORISED)


def check(path: str, reply: Reply) -> None:
    """The reply's status is documented, and its body is as the document says."""
    (operation,) = openapi.PATHS[path].values()
    assert str(reply.status) in operation["responses"], (path, reply)
    content = operation["responses"][str(reply.status)].get("content", {})
    kind = reply.headers["content-type"].partition(";")[0]
    assert kind in content, (path, reply)
    if kind == "application/json":
        jsonschema.Draft202012Validator(content[kind]["schema"]).validate(reply.json)


def test_every_status_and_body_is_documented_and_every_documented_status_happens(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set(NOT_TOURED)
    with opened(CONFIG) as desk:
        for path, reply in tour(desk, monkeypatch):
            check(path, reply)
            seen.add((path, str(reply.status)))
        for path in ("/v1/models", "/operator/status"):
            for _ in range(1_000):
                if desk.ask(path, **AUTHORISED).status == 429:
                    seen.add((path, "429"))
                    break
    with opened("[limits]\nrequests_per_minute = 2") as open_desk:
        for _ in range(3):
            reply = open_desk.ask("/v1/session")
            check("/v1/session", reply)
            seen.add(("/v1/session", str(reply.status)))
    documented = {
        (path, status)
        for path, operations in openapi.PATHS.items()
        for operation in operations.values()
        for status in operation["responses"]
    }
    assert documented - seen == set()


def test_every_path_that_is_served_is_documented(desk: Desk) -> None:
    served = {(route.path, *sorted(route.methods - {"HEAD"})) for route in app.app(desk.state).routes}
    documented = {(path, method.upper()) for path, each in openapi.PATHS.items() for method in each}
    assert served - documented == {("/{name}", "GET")}
    assert documented - served == set()


def test_the_document_is_what_is_served_and_is_of_openapis_form(desk: Desk) -> None:
    document = desk.ask("/openapi.json").json
    assert document == json.loads(json.dumps(openapi.DOCUMENT))
    assert document["openapi"].startswith("3.1")
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["summary"]
            for answer in operation["responses"].values():
                assert answer["description"]
                for content in answer.get("content", {}).values():
                    jsonschema.Draft202012Validator.check_schema(content["schema"])
