"""Who may ask and how often: keys, the page's cookie, other sites, limits; and what the page is served with."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from streams.gateway import page_files, signatures
from streams.gateway.rate_limits import TokenBuckets
from tests.streams.gateway.conftest import KEY, Desk, Opened, Reply

HASH = hashlib.sha256(KEY.encode()).hexdigest()
PAGE = f'page_key_name = "page"\norigins = ["https://shop.example"]\nkeys.product = "{HASH}"\n'


def cookie_of(reply: Reply) -> str:
    return reply.headers["set-cookie"].partition(";")[0]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"user": "ada", "messages": [{"role": "user", "content": "Hi"}]}),
        ("/v1/models", None),
        ("/v1/reactions", {}),
        ("/v1/erasures", {"user": "ada"}),
    ],
)
def test_a_request_needs_a_key(keyed: Desk, path: str, body: Any) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {KEY}"}, {"Authorization": KEY}):
        reply = keyed.ask(path, body, **headers)
        assert (reply.status, reply.json["error"]["code"]) == (401, "no_key")
    assert keyed.ask("/v1/models", Authorization=f"Bearer {KEY}").status == 200
    assert keyed.events() == []


def test_a_key_may_stand_for_a_user(opened: Opened) -> None:
    config = f'keys.robot = {{sha256 = "{HASH}", user = "robot"}}'
    with opened(config) as desk:
        assert desk.chat(user=None, headers={"Authorization": f"Bearer {KEY}"}).status == 200
        assert len(desk.events("robot")) == 1


@pytest.fixture(scope="module")
def keyed(opened: Opened) -> Any:
    with opened(PAGE) as desk:
        yield desk


def test_the_pages_visitor_is_who_the_cookie_says_whatever_the_body_says(keyed: Desk) -> None:
    session = keyed.ask("/v1/session")
    cookie, visitor = cookie_of(session), session.json["user"]
    for word in ("HttpOnly", "SameSite=strict", "Path=/"):
        assert word in session.headers["set-cookie"]
    assert keyed.ask("/v1/session", Cookie=cookie).json == {"user": visitor}
    origin = f"http://127.0.0.1:{keyed.port}"
    served = keyed.chat(user="somebody else", headers={"Cookie": cookie, "Origin": origin})
    assert served.status == 200
    assert [event["user_id"] for event in keyed.events(visitor)] == [visitor]
    assert keyed.events("somebody else") == []
    body = {"response_id": served.json["id"], "reaction": "love", "action": "added"}
    assert keyed.ask("/v1/reactions", body, Cookie=cookie, Idempotency_Key="k").status == 200
    other = cookie_of(keyed.ask("/v1/session"))
    assert keyed.ask("/v1/reactions", body, Cookie=other, Idempotency_Key="k").status == 403
    erased = keyed.ask("/v1/erasures", {"user": "somebody else"}, Cookie=cookie)
    assert erased.json["user"] == visitor
    assert re.search(r'loveloop_session="?"?;.*Max-Age=0', erased.headers["set-cookie"])
    by_key = keyed.ask("/v1/erasures", {"user": visitor}, Authorization=f"Bearer {KEY}")
    assert (by_key.status, "set-cookie" in by_key.headers) == (202, False)


def test_a_cookie_that_was_changed_or_comes_from_another_site_lets_nobody_in(keyed: Desk) -> None:
    cookie = cookie_of(keyed.ask("/v1/session"))
    forged = f"{cookie[:-1]}{'0' if cookie[-1] != '0' else '1'}"
    another = re.sub("visitor-.", "visitor-0" if "visitor-0" not in cookie else "visitor-1", cookie)
    for headers in (
        {"Cookie": forged},
        {"Cookie": another},
        {"Cookie": cookie, "Origin": "https://evil.example"},
        {"Cookie": cookie, "Sec_Fetch_Site": "cross-site"},
        {"Cookie": cookie, "Origin": "null"},
    ):
        assert keyed.chat(headers=headers).status == 401


def test_the_page_is_closed_where_there_are_keys_and_no_name_for_it(opened: Opened) -> None:
    with opened(f'keys.product = "{HASH}"') as desk:
        assert (desk.ask("/v1/session").status, desk.ask("/v1/session").json["error"]["code"]) == (403, "page_closed")


def test_other_sites_are_let_in_by_name(keyed: Desk) -> None:
    asked = {"Origin": "https://shop.example", "Access_Control_Request_Method": "POST",
             "Access_Control_Request_Headers": "authorization,idempotency-key"}  # fmt: skip
    allowed = keyed.ask("/v1/reactions", method="OPTIONS", **asked)
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, "https://shop.example")
    denied = keyed.ask("/v1/reactions", method="OPTIONS", **asked | {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in denied.headers
    read = keyed.ask("/v1/models", Authorization=f"Bearer {KEY}", Origin="https://shop.example")
    assert "X-Loveloop-Response" in read.headers["access-control-expose-headers"]


def test_a_gateway_without_keys_lets_no_script_of_another_site_in(desk: Desk) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}):
        reply = desk.chat(headers=headers)
        assert (reply.status, reply.json["error"]["code"]) == (401, "foreign_site")
    assert desk.chat(headers={"Origin": f"http://127.0.0.1:{desk.port}"}).status == 200


def test_a_user_and_a_key_have_limits_of_their_own(opened: Opened) -> None:
    with opened("[limits]\nuser_requests_per_minute = 2\nrequests_per_minute = 5") as desk:
        assert [desk.chat(user="one").status for _ in range(3)] == [200, 200, 429]
        refused = desk.chat(user="one")
        assert (refused.json["error"]["code"], refused.headers["retry-after"]) == ("too_many_requests", "30")
        assert desk.chat(user="two").status == 200
        assert desk.chat(user="three").status == 429
        assert len(desk.events("one")) == 2


def test_a_bucket_fills_evenly_and_never_beyond_its_size() -> None:
    now = [0.0]
    buckets = TokenBuckets(per_minute=60, clock=lambda: now[0])
    assert [buckets.take("a") for _ in range(61)].count(0.0) == 60
    now[0] = 10.0
    assert [buckets.take("a") for _ in range(11)].count(0.0) == 10
    now[0] = 10_000.0
    assert [buckets.take("a") for _ in range(100)].count(0.0) == 60


def test_the_page_is_served_with_a_strict_policy_and_nothing_beside_its_folder(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_files, "FOLDER", tmp_path / "page")
    (tmp_path / "page" / "inner").mkdir(parents=True)
    (tmp_path / "secret").write_text("s")
    for name in ("index.html", "chat.js", "style.css"):
        (tmp_path / "page" / name).write_text(f"<{name}>")
    for path, kind in (("/", "text/html"), ("/chat.js", "text/javascript"), ("/style.css", "text/css")):
        reply = desk.ask(path)
        assert (reply.status, reply.headers["content-type"].partition(";")[0]) == (200, kind)
        assert reply.headers["content-security-policy"].startswith("default-src 'self'")
        assert reply.headers["x-content-type-options"] == "nosniff"
    for path in ("/missing", "/inner", "/../secret", "/..%2fsecret", "/%2e%2e/secret", "/page/index.html"):
        assert desk.ask(path).status == 404


def test_a_secret_is_drawn_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = signatures.secret(tmp_path / "folder", None)
    assert len(first) == 64
    assert signatures.secret(tmp_path / "folder", None) == first
    assert (tmp_path / "folder" / "secret").stat().st_mode & 0o777 == 0o600
    assert signatures.secret(tmp_path, "from the environment") == b"from the environment"
    with pytest.raises(ValueError, match="at least 16"):
        signatures.secret(tmp_path, "short")
