"""The heart that a product puts under its own replies: on the gateway's site, on another, and when something fails."""

import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
BUTTON = "document.querySelector('loveloop-heart').shadowRoot.querySelector('button')"
NOTE = "document.querySelector('loveloop-heart').shadowRoot.querySelector('[role=alert]').textContent"
KEY = "the product's key"
CONTENT = """<!doctype html><html lang="en"><title>A product</title><link rel="icon" href="data:,">
<script src="GATEWAY/heart.js" defer></script>
<loveloop-heart response="RESPONSE" gateway="GATEWAY" user="USER"></loveloop-heart>
<script>document.querySelector("loveloop-heart").headers = {Authorization: "Bearer KEY"};
window.told = []; addEventListener("loveloop-reaction", (event) => told.push(event.detail.action));</script>"""


class Product(SimpleHTTPRequestHandler):
    """A site of static files that keeps no log."""

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def product(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A site of another origin than the gateway's, and the folder of its files."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Product, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", tmp_path
        server.shutdown()


def said(desk: Any, user: str) -> list[tuple[str, str]]:
    found = [event for event in desk.events(user) if event["type"] == "reaction_changed"]
    return [(event["reaction"], event["action"]) for event in found]


def press(page: Any) -> None:
    """Press the heart by the keyboard, as somebody without a mouse does."""
    page.run("document.querySelector('loveloop-heart').focus()")
    page.press(" ")


def test_the_demo_gives_a_heart_and_takes_it_back(page: Any, desk: Any) -> None:
    page.open("/heart.html")
    page.click("#ask button")
    page.until("document.querySelector('#answer loveloop-heart')")
    assert "Water it from below." in page.text("#answer")
    page.click("loveloop-heart")
    page.until("document.querySelector('#told').textContent === 'Love was added.'")
    assert page.run(f"{BUTTON}.getAttribute('aria-pressed')") == "true"
    page.click("loveloop-heart")
    page.until("document.querySelector('#told').textContent === 'Love was removed.'")
    assert page.run(f"{BUTTON}.getAttribute('aria-pressed')") == "false"
    assert said(desk, page.visitor()) == [("love", "added"), ("love", "removed")]


def test_the_heart_works_on_a_product_s_own_site(product: tuple[str, Path], opened: Any, tab: Any) -> None:
    site, folder = product
    key = hashlib.sha256(KEY.encode()).hexdigest()
    with opened(f'origins = ["{site}"]\nkeys.product = "{key}"\n') as desk:
        response = desk.chat(headers={"Authorization": f"Bearer {KEY}"}).json["id"]
        names = {"GATEWAY": f"http://127.0.0.1:{desk.port}", "RESPONSE": response, "USER": desk.user, "KEY": KEY}
        text = CONTENT
        for name, value in names.items():
            text = text.replace(name, value)
        (folder / "index.html").write_text(text)
        page = tab(site)
        page.open("/")
        press(page)
        page.until("window.told.length === 1")
        press(page)
        page.until("window.told.length === 2")
        assert page.run("window.told") == ["added", "removed"]
        assert said(desk, desk.user) == [("love", "added"), ("love", "removed")]


def test_a_heart_that_was_not_saved_says_so_and_keeps_its_key(page: Any, desk: Any) -> None:
    response = desk.chat().json["id"]
    page.fail_first("v1/reactions")
    page.open("/heart.html")
    about = json.dumps({"response": response, "user": desk.user})
    page.run(
        "{ const heart = document.createElement('loveloop-heart');"
        f" for (const [name, value] of Object.entries({about})) heart.setAttribute(name, value);"
        " document.querySelector('#answer').append(heart) }"
    )
    page.call("Network.clearBrowserCookies")
    press(page)
    page.until(f"{NOTE} === 'Not saved. Press again.'")
    assert page.run(f"{BUTTON}.getAttribute('aria-pressed')") == "false"
    assert said(desk, desk.user) == []
    press(page)
    page.until("document.querySelector('loveloop-heart').hasAttribute('loved')")
    assert page.run(NOTE) == ""
    assert said(desk, desk.user) == [("love", "added")]
    first, second = page.run("window.keys")
    assert first == second


def test_a_heart_that_a_product_has_stored_is_shown(page: Any) -> None:
    page.open("/heart.html")
    page.run("document.querySelector('#answer').innerHTML = '<loveloop-heart response=\"r-1\" loved></loveloop-heart>'")
    assert page.run(f"{BUTTON}.getAttribute('aria-pressed')") == "true"
    page.run("document.querySelector('loveloop-heart').removeAttribute('loved')")
    assert page.run(f"{BUTTON}.getAttribute('aria-pressed')") == "false"
