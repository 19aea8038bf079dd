"""The operator page in a real browser: what it shows, on a phone too, and that a key opens it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.streams.gateway.conftest import KEY, Desk, Opened, route, until
from tests.streams.gateway.page.test_accessibility import TEXTS, WIDE, violations
from tests.streams.gateway.test_admission import HASH
from tests.streams.gateway.test_operator import STORED

pytestmark = pytest.mark.slow
SHOWN = "!document.querySelector('#status').hidden"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_shows_counts_and_experiments_on_a_phone_and_can_be_read(theme: str, tab: Any, desk: Desk) -> None:
    desk.write_routes(route("a-name-that-is-longer-than-a-telephone-is-wide-and-has-no-end"))
    until(lambda: desk.ask("/operator/status").json["experiments"])
    desk.react(desk.chat().json["id"])
    page = tab(f"http://127.0.0.1:{desk.port}")
    page.size(320, 640)
    page.media(prefers_color_scheme=theme)
    page.open("/operator")
    page.until(SHOWN)
    said = page.text("#status")
    for words in ("connected", "a-name-that-is-longer", "coverage 100 %", "Hearts given", "digest of v8"):
        assert words in said
    assert page.run("document.scrollingElement.scrollWidth <= innerWidth")
    assert [each for each in page.run(WIDE) if not each.startswith(("<t", "<cap"))] == []
    assert [each for each in page.run(TEXTS) if each[1] < 4.5] == []


def test_its_figures_follow_what_happens(tab: Any, desk: Desk) -> None:
    page = tab(f"http://127.0.0.1:{desk.port}")
    page.open("/operator")
    page.until(SHOWN)
    served = "[...document.querySelectorAll('#figures div')].find((each) => each.innerText.startsWith('Responses'))"
    page.until(served)
    before = int(page.run(f"{served}.querySelector('dd').innerText"))
    desk.chat()
    page.until(f"{served}.querySelector('dd').innerText === '{before + 1}'")


def test_what_the_sink_tells_and_the_way_to_dagster_are_shown_on_a_phone(
    tab: Any, opened: Opened, axe: str, tmp_path: Path
) -> None:
    file = tmp_path / "sink.json"
    file.write_text(json.dumps(STORED))
    with opened(f'[operator]\nsink = "{file}"\ndagster = "http://127.0.0.1:3000/"\n') as desk:
        desk.write_routes(route())
        until(lambda: desk.ask("/operator/status").json["experiments"])
        desk.react(desk.chat().json["id"])
        page = tab(f"http://127.0.0.1:{desk.port}")
        page.size(320, 640)
        page.open("/operator")
        page.until("document.querySelector('#sink-figures').children.length > 0")
        said = " ".join(page.text("#status").split())
        for words in (
            "Dead letters 3",
            "Reactions that wait for their response 2",
            "Messages to be read 7",
            "not_json 3",
        ):
            assert words in said
        assert page.run("[...document.querySelectorAll('#dagster a')].map((each) => each.href)") == [
            f"http://127.0.0.1:3000/{path}" for path in ("runs", "assets", "automation")
        ]
        assert page.run("document.scrollingElement.scrollWidth <= innerWidth")
        for theme in ("light", "dark"):
            page.media(prefers_color_scheme=theme)
            assert violations(page, axe) == []


def test_a_key_opens_it(tab: Any, opened: Opened) -> None:
    with opened(f'keys.product = "{HASH}"\n') as desk:
        page = tab(f"http://127.0.0.1:{desk.port}")
        page.open("/operator")
        page.until("document.querySelector('#sign-in').checkVisibility()")
        assert not page.visible("#status")
        for key, shown in (("wrong", "!document.querySelector('#problem').hidden"), (KEY, SHOWN)):
            page.run("document.querySelector('#key').focus()")
            page.type(key)
            page.press("Enter")
            page.until(shown)
        assert not page.visible("#sign-in")
