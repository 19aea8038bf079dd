"""The chat page in a real browser, Chromium without a window, before a real gateway, broker and model server."""

import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("websockets")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-extensions", "--disable-background-networking", "--disable-component-update",
    "--remote-debugging-port=0",
)  # fmt: skip
AXE = "4.14.1"
KEYS = {"Enter": 13, "Tab": 9, "Escape": 27, " ": 32}


class Browser:
    """Chromium, asked by the DevTools protocol.

    Args:
        address: Of its socket.
    """

    def __init__(self, address: str) -> None:
        from websockets.sync.client import connect

        self._socket = connect(address, max_size=None)
        self._last = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Ask, and wait for the answer; events that come before it are kept."""
        self._last += 1
        asked = {"id": self._last, "method": method, "params": params} | ({"sessionId": session} if session else {})
        self._socket.send(json.dumps(asked))
        while (said := json.loads(self._socket.recv(90))).get("id") != self._last:
            self.events.append(said)
        assert "error" not in said, f"{method}: {said}"
        result: dict[str, Any] = said["result"]
        return result

    def close(self) -> None:
        self._socket.close()


@dataclass
class Page:
    """A tab with storage and cookies of its own.

    Attributes:
        browser: Where it is.
        context: What it shares with nobody.
        session: Its name in the protocol.
        url: Of the gateway.
    """

    browser: Browser
    context: str
    session: str
    url: str

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **params)

    def run(self, script: str) -> Any:
        """What an expression is worth; a promise is awaited."""
        said = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    def until(self, script: str, seconds: float = 60) -> None:
        """Wait until an expression is true: long, where three files of tests share two cores."""
        deadline = time.monotonic() + seconds
        while not self.run(f"Boolean({script})"):
            assert time.monotonic() < deadline, f"{script} did not come true; the page: {self.run(TEXT)}"
            time.sleep(0.02)

    def open(self, path: str = "/") -> None:
        self.call("Page.navigate", url=self.url + path)
        self.until(f"location.href === {json.dumps(self.url + path)} && document.readyState === 'complete'")

    def reload(self) -> None:
        self.run("window.old = true")
        self.call("Page.reload")
        self.until("!window.old && document.readyState === 'complete'")

    def size(self, width: int, height: int = 700, **more: Any) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False, **more
        )

    def media(self, **features: str) -> None:
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=named)

    def click(self, selector: str) -> None:
        """Press and let go where the middle of an element is; what lies over it gets it instead, as for a person."""
        where = f"""(() => {{ const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{block: "center"}}); const box = element.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2] }})()"""
        x, y = self.run(where)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def press(self, key: str, modifiers: int = 0) -> None:
        """Press a key and let go."""
        code = KEYS.get(key, ord(key.upper()[0]))
        text = {"Enter": "\r", "Tab": "", "Escape": ""}.get(key, key)
        about = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def ask(self, text: str = "How do I keep basil alive?", *, ends: bool = True) -> None:
        """Type a message and send it; wait for the end of its reply."""
        before = self.run("document.querySelectorAll('.reply').length")
        self.run("document.querySelector('#message').focus()")
        self.type(text)
        self.press("Enter")
        if ends:
            self.until(f"document.querySelectorAll('.reply .signs:not([hidden])').length > {before}")

    def pressed(self, reply: int = 0) -> list[str]:
        """The reactions that a reply shows."""
        found: list[str] = self.run(
            f"[...document.querySelectorAll('.reply')[{reply}].querySelectorAll('[aria-pressed=true]')]"
            ".map((each) => each.dataset.reaction)"
        )
        return found

    def text(self, selector: str) -> str:
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def visitor(self) -> str:
        return str(self.run("fetch('v1/session').then((answer) => answer.json()).then((told) => told.user)"))

    def fail_first(self, path: str, status: int | None = None, code: str = "") -> None:
        """Open the page anew, where the first request to a path fails."""
        self.call("Page.addScriptToEvaluateOnNewDocument", source=failing_first(path, status, code))
        self.open("/?")

    def visible(self, selector: str) -> bool:
        return bool(self.run(f"document.querySelector({json.dumps(selector)})?.checkVisibility() ?? false"))


TEXT = "document.body.innerText.slice(0, 2000)"
FAIL_FIRST = """
{ const real = fetch; window.keys = [];
  window.fetch = (path, options) => {
    if (!path.endsWith(PATH)) return real(path, options);
    window.keys.push(options.headers["Idempotency-Key"] ?? "");
    return window.keys.length > 1 ? real(path, options) : ANSWER; } }"""


def failing_first(path: str, status: int | None = None, code: str = "") -> str:
    """A script that has the first request to a path fail: by a refusal, or without one by the network."""
    error = json.dumps({"error": {"message": "words for programmers", "code": code}})
    answer = f"Promise.resolve(new Response({json.dumps(error)}, {{status: {status}}}))"
    if status is None:
        answer = 'Promise.reject(new TypeError("no network"))'
    return FAIL_FIRST.replace("PATH", json.dumps(path)).replace("ANSWER", answer)


@pytest.fixture(scope="module")  # it ends with its file: an idle browser costs the other tests a fifth of a core
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    folder = tmp_path_factory.mktemp("chromium")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [CHROMIUM, *OPTIONS, f"--user-data-dir={folder}", "about:blank"],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        made = Browser(_address(process, folder))
        yield made
        made.close()
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # with the processes of its tabs
        process.wait(30)


def _address(process: subprocess.Popen[bytes], folder: Path) -> str:
    file, deadline = folder / "DevToolsActivePort", time.monotonic() + 60
    while not (file.exists() and len(file.read_text().splitlines()) == 2):
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline, "Chromium does not say where it listens"
        time.sleep(0.05)
    port, path = file.read_text().splitlines()
    return f"ws://127.0.0.1:{port}{path}"


@pytest.fixture
def tab(browser: Browser) -> Iterator[Callable[[str], Page]]:
    """Opens a tab for a site; its errors and what its security policy stops fail the test."""
    contexts = []

    def open_(url: str) -> Page:
        context = browser.call("Target.createBrowserContext")["browserContextId"]
        contexts.append(context)
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(browser, context, session, url)
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        page.size(1000)
        return page

    browser.events.clear()
    yield open_
    faults = [told for event in browser.events if (told := _fault(event))]
    for context in contexts:
        browser.call("Target.disposeBrowserContext", browserContextId=context)
    assert faults == []


def _fault(event: dict[str, Any]) -> str | None:
    """What an event says of an error in a page; failed requests are the tests' own doing."""
    params = event.get("params", {})
    if event.get("method") == "Runtime.exceptionThrown":
        return str(params["exceptionDetails"])
    if event.get("method") == "Runtime.consoleAPICalled" and params["type"] == "error":
        return str(params["args"])
    entry = params.get("entry", {})
    return str(entry) if entry.get("level") == "error" and entry.get("source") != "network" else None


@pytest.fixture
def reacted(desk: Any) -> Callable[..., list[tuple[str, str]]]:
    """Tells the visitor's reactions that the broker has, once there are so many."""

    def wait(page: Page, count: int) -> list[tuple[str, str]]:
        user, deadline = page.visitor(), time.monotonic() + 10
        while True:
            found = [event for event in desk.events(user) if event["type"] == "reaction_changed"]
            if len(found) >= count or time.monotonic() > deadline:
                return [(event["reaction"], event["action"]) for event in found]
            time.sleep(0.05)

    return wait


@pytest.fixture
def page(tab: Callable[[str], Page], desk: Any) -> Page:
    """The chat page, opened by a visitor who was never there."""
    found = tab(f"http://127.0.0.1:{desk.port}")
    found.open()
    return found


@pytest.fixture(scope="module")
def axe(kept: Callable[[str], Path], fetch: Callable[..., None]) -> str:
    """The script of axe-core (MPL-2.0), fetched once and kept outside of the repository."""
    folder = kept("axe")
    packed = folder / f"axe-core-{AXE}.tgz"
    if not packed.exists():
        fetch("npm", "pack", f"axe-core@{AXE}", "--silent", folder=folder)
    with tarfile.open(packed) as opened:
        found = opened.extractfile("package/axe.min.js")
        assert found is not None
        return found.read().decode()
