"""The operator page: what the gateway knows of itself, for those who may see it, without a text and without a user."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from streams.gateway.acknowledgement_lag import AcknowledgementLag
from tests.streams.gateway.conftest import KEY, Desk, Opened, route, serving, until
from tests.streams.gateway.test_admission import PAGE, cookie_of
from tests.streams.gateway.test_routing import trip
from tests.streams.gateway.test_telemetry import SECRET_WORDS

AUTHORISED = {"Authorization": f"Bearer {KEY}"}


def status(desk: Desk) -> Any:
    reply = desk.ask("/operator/status")
    assert reply.status == 200
    return reply.json


def count(rows: list[dict[str, Any]], **labels: str) -> int:
    return sum(row["count"] for row in rows if labels.items() <= row.items())


@pytest.fixture(scope="module")
def guard() -> Iterator[int]:
    """The web port of a guard, as far as the gateway asks it; its flags name users, and nobody may ask for them."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def health(_: Any) -> Any:
        return JSONResponse({"healthy": False, "reason": "nothing was counted", "lag": {"0": 7}, "users": ["ada"]}, 503)

    async def arms(_: Any) -> Any:
        arm = {"experiment": "warmer", "arm": "treatment", "policy": "v8", "served": 9, "loves": 2, "closings": 1}
        return JSONResponse([arm | {"tripped": True, "love_interval": [0.1, 0.5]}])

    with serving(Starlette(routes=[Route("/health", health), Route("/arms", arms)])) as port:
        yield port


def test_it_counts_responses_and_reactions_that_the_broker_has(desk: Desk) -> None:
    before = status(desk)
    response = desk.chat().json["id"]
    desk.react(response, key="a")
    desk.react(response, key="a")
    desk.react(response, key="b", action="removed")
    desk.react(response, "a-rare-sign", key="c")
    desk.ask("/v1/chat/completions", {})
    after = status(desk)

    def more(name: str, **labels: str) -> int:
        return count(after[name], **labels) - count(before[name], **labels)

    assert more("responses", policy="v7") == 1
    assert more("reactions", reaction="love", action="added") == 1
    assert more("reactions", reaction="love", action="removed") == 1
    assert more("reactions", reaction="other") == 1
    assert more("refusals", reason="no_user") == 1
    assert after["broker"]["broker"] == "connected"
    assert after["unrecorded"] == before["unrecorded"]
    assert after["acknowledgements"]["measured"] >= 4
    assert 0 < after["acknowledgements"]["median_seconds"] <= after["acknowledgements"]["slowest_seconds"]


def test_it_says_who_is_served_what_and_which_arm_is_off(desk: Desk) -> None:
    name = f"off-{desk.user}"
    desk.write_routes(route(name, coverage=0.5, namespace="tone", start=0.25))
    found = until(lambda: status(desk)["experiments"])
    assert found[0] | {"arms": None} == {
        "name": name, "revision": 3, "coverage": 0.5, "control": "control", "namespace": "tone", "range": [0.25, 1.0],
        "holdout": 0.0, "arms": None, "held_back": None,
    }  # fmt: skip
    assert [(arm["arm"], arm["share"], arm["policy"], arm["digest"], arm["off"]) for arm in found[0]["arms"]] == [
        ("control", 0.5, "v7", "digest of v7", False),
        ("treatment", 0.5, "v8", "digest of v8", False),
    ]
    trip(desk.bootstrap, desk.names, name, "treatment")
    until(lambda: [arm["off"] for arm in status(desk)["experiments"][0]["arms"]] == [False, True])


def test_what_breaks_the_routes_is_told(desk: Desk) -> None:
    (desk.folder / "routes.json").write_text("{")
    assert "no file of routes" in until(lambda: status(desk)["routes"]["error"])
    desk.write_routes()
    until(lambda: status(desk)["routes"]["error"] is None)


def test_no_words_and_no_user_are_in_it(desk: Desk) -> None:
    response = desk.chat(SECRET_WORDS).json["id"]
    desk.react(response, "a-rare-sign")
    said = desk.ask("/operator/status").body.decode()
    for words in (SECRET_WORDS, "a-rare-sign", desk.user, response):
        assert words not in said


def test_the_guards_counts_are_shown_and_nothing_else_of_it(opened: Opened, guard: int) -> None:
    config = f'[operator]\nguard = "http://127.0.0.1:{guard}"\ndagster = "http://127.0.0.1:3000"\n'
    with opened(config) as desk:
        found = status(desk)
    assert found["dagster"] == "http://127.0.0.1:3000"
    assert found["guard"]["error"] is None
    assert found["guard"]["health"] == {
        "healthy": False, "reason": "nothing was counted", "lag": {"0": 7}, "newest_event": None,
    }  # fmt: skip
    (arm,) = found["guard"]["arms"]
    assert (arm["served"], arm["loves"], arm["closings"], arm["tripped"]) == (9, 2, 1, True)
    assert "ada" not in json.dumps(found)


@pytest.mark.parametrize(
    ("url", "why"), [("http://127.0.0.1:9", "cannot be reached"), ("http://127.0.0.1:{server}", "no live guard says")]
)
def test_a_guard_that_is_none_is_said_to_be_none(opened: Opened, server: int, url: str, why: str) -> None:
    with opened(f'[operator]\nguard = "{url.format(server=server)}"\n') as desk:
        found = status(desk)
    assert why in found["guard"]["error"]
    assert found["guard"]["arms"] == []


STORED = {
    "made_at": "2026-03-01T12:00:00+00:00", "events": 40, "dead_letters": 3, "dead_letters_by_reason": {"not_json": 3},
    "waiting": 2, "waiting_too_long": 1, "lag": 7,
}  # fmt: skip


def test_what_the_sink_tells_is_shown_and_nothing_else_of_its_file(opened: Opened, tmp_path: Path) -> None:
    file = tmp_path / "sink.json"
    with opened(f'[operator]\nsink = "{file}"\n') as desk:
        assert "loveloop ingest --status" in status(desk)["sink"]["error"]
        file.write_text(json.dumps(STORED | {"users": ["ada"]}))
        assert status(desk)["sink"] == STORED | {"error": None}
        for broken in ("{", "[]", '{"events": 1}'):
            file.write_text(broken)
            assert "is none that loveloop ingest --status writes" in status(desk)["sink"]["error"]


def test_without_a_sinks_file_it_says_nothing_of_the_sink(desk: Desk) -> None:
    assert status(desk)["sink"] is None


def test_a_key_opens_it_and_a_visitors_cookie_only_where_that_is_said(opened: Opened) -> None:
    for said, seen in (("", 403), ("operator.open = true\n", 200)):
        with opened(PAGE + said) as desk:
            cookie = cookie_of(desk.ask("/v1/session"))
            assert desk.ask("/operator/status").status == 401
            assert desk.ask("/operator/status", Cookie=cookie).status == seen
            assert desk.ask("/operator/status", **AUTHORISED).status == 200
            assert desk.ask("/operator").status == 200


def test_the_page_is_served_under_the_strict_policy(desk: Desk) -> None:
    page = desk.ask("/operator")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    for name in ("operator.js", "operator.css"):
        assert name.encode() in page.body
        assert desk.ask(f"/{name}").status == 200


def test_what_was_not_acknowledged_is_no_figure() -> None:
    moments = iter([0.0, 5.0, 7.0])
    lag = AcknowledgementLag(clock=lambda: next(moments))
    waits = {"waiting": 1, "oldest_seconds": 5.0, "measured": 0, "median_seconds": None, "slowest_seconds": None}
    with suppress(ConnectionError), lag.waiting():
        assert lag.told() == waits
        raise ConnectionError
    assert lag.told() == waits | {"waiting": 0, "oldest_seconds": 0.0}
