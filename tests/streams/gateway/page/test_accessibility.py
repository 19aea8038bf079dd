"""Everybody can use the page: contrast, names, focus, small windows, calm, and what axe-core finds."""

import re
from pathlib import Path
from typing import Any

import pytest

from streams.gateway import page_files

pytestmark = pytest.mark.slow
HELPERS = """
const rgba = (text) => { const parts = text.match(/[\\d.]+/g).map(Number);
  return [parts[0], parts[1], parts[2], parts[3] ?? 1] };
const light = (colour) => { const [red, green, blue] = colour.slice(0, 3).map((part) => { const share = part / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4 });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue };
const behind = (element) => { for (let each = element; each; each = each.parentElement) {
  const colour = rgba(getComputedStyle(each).backgroundColor); if (colour[3] === 1) return colour }
  throw new Error("nothing is behind it") };
const contrast = (one, other) => { const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05) };
const seen = (element) => element.checkVisibility() && element.getBoundingClientRect().width > 1;
"""
TEXTS = """(() => { HELPERS
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  for (let node = walk.nextNode(); node; node = walk.nextNode()) { const owner = node.parentElement;
    if (node.data.trim() && seen(owner)) found.push([node.data.trim().slice(0, 40),
      contrast(rgba(getComputedStyle(owner).color), behind(owner))]) }
  return found })()""".replace("HELPERS", HELPERS)
LINES = """(() => { HELPERS
  return [...document.querySelectorAll("button, select, textarea")].filter(seen).map((each) => {
    const style = getComputedStyle(each), back = behind(each.parentElement);
    const icon = each.querySelector("svg");
    const drawn = icon && contrast(rgba(getComputedStyle(icon).stroke), behind(each));
    const edge = Math.max(contrast(rgba(style.borderTopColor), back), contrast(behind(each), back));
    return [each.id || each.textContent.trim() || each.title, edge, drawn ?? 21] }) })()""".replace("HELPERS", HELPERS)
WIDE = """(() => [...document.querySelectorAll("body *")].filter((each) => each.checkVisibility()
  && !each.closest(".unseen, .skip") && each.getBoundingClientRect().right > innerWidth + 0.5)
  .map((each) => each.outerHTML.slice(0, 80)))()"""
UNSAVED = ".unsaved:not([hidden])"


def everything(page: Any) -> None:
    """Have the page show all that it can show at once: turns, signs, problems, operators' details."""
    page.open("/?operator")
    page.ask("How do I keep basil alive? " + "w" * 300)
    page.click("[data-reaction=love]")
    page.click("[data-reaction=like]")
    page.click(".served summary")
    page.run("window.fetch = () => Promise.reject(new TypeError('no network'))")
    page.click("[data-reaction=dislike]")
    page.until(f"document.querySelector({UNSAVED!r})")
    page.ask("And mint?", ends=False)
    page.until("!document.querySelector('#problem').hidden")


def choose(page: Any, theme: str) -> None:
    field = "document.querySelector('#theme')"
    page.run(f"{field}.value = '{theme}', {field}.dispatchEvent(new Event('change'))")


@pytest.mark.parametrize("how", ["system", "switch"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_and_control_stands_out_in_both_themes(theme: str, how: str, page: Any) -> None:
    other = {"light": "dark", "dark": "light"}[theme]
    page.media(prefers_color_scheme=theme if how == "system" else other)
    everything(page)
    if how == "switch":
        choose(page, theme)
    ground = page.run("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}[theme]
    texts = page.run(TEXTS)
    assert len(texts) > 20
    assert [each for each in texts if each[1] < 4.5] == []
    lines = page.run(LINES)
    assert len(lines) > 8
    assert [each for each in lines if each[1] < 3 or each[2] < 3] == []


def test_the_choice_of_colours_outlives_a_reload(page: Any) -> None:
    page.media(prefers_color_scheme="light")
    choose(page, "dark")
    page.reload()
    assert page.run("getComputedStyle(document.documentElement).backgroundColor") == "rgb(20, 23, 28)"
    assert page.run("document.querySelector('#theme').value") == "dark"


@pytest.mark.parametrize(("width", "height"), [(320, 640), (320, 256), (375, 812), (1440, 900)])
def test_no_window_scrolls_sideways(width: int, height: int, page: Any) -> None:
    page.size(width, height)
    everything(page)
    assert page.run("document.scrollingElement.scrollWidth <= innerWidth")
    assert page.run(WIDE) == []
    page.open("/heart.html")
    assert page.run(WIDE) == []


@pytest.mark.parametrize(("width", "height"), [(320, 640), (1440, 900)])
def test_message_and_controls_stay_in_reach_of_a_finger(width: int, height: int, page: Any) -> None:
    page.size(width, height)
    everything(page)
    page.run("document.querySelector('main').scrollTop = 0")
    assert page.run("document.querySelector('#send').getBoundingClientRect().bottom <= innerHeight")
    small = "[...document.querySelectorAll('button, select')].filter((each) => each.checkVisibility())"
    assert page.run(f"Math.min(...{small}.map((each) => each.getBoundingClientRect().height))") >= 44


def test_all_that_can_be_used_has_a_name_and_a_visible_focus(page: Any) -> None:
    everything(page)
    page.run("document.querySelector('.skip').focus()")
    names, nodes = [], page.call("Accessibility.getFullAXTree")["nodes"]
    for node in nodes:
        role = node.get("role", {}).get("value")
        if role in ("button", "combobox", "textbox", "article", "group", "list", "dialog") and not node["ignored"]:
            names.append((role, node.get("name", {}).get("value", "")))
    assert {("button", "Love"), ("button", "Like"), ("button", "Dislike"), ("textbox", "Your message")} <= set(names)
    assert [each for each in names if each[0] not in ("list", "group") and not each[1]] == []
    seen = []
    for _ in range(20):
        page.press("Tab")
        at = page.run(
            "(() => { const element = document.activeElement, style = getComputedStyle(element);"
            " return [element.tagName, parseFloat(style.outlineWidth), style.outlineStyle] })()"
        )
        if at[0] == "BODY":
            break
        seen.append(at)
    assert len(seen) > 10
    assert [each for each in seen if each[1] < 2 or each[2] == "none"] == []


def test_only_who_likes_movement_gets_it(page: Any) -> None:
    page.ask()
    page.click("[data-reaction=love]")
    moving = "getComputedStyle(document.querySelector('[data-reaction=love] .icon')).animationName"
    page.media(prefers_reduced_motion="no-preference")
    assert page.run(moving) == "pop"
    page.media(prefers_reduced_motion="reduce")
    assert page.run(moving) == "none"


def test_a_reply_is_said_once_and_whole(page: Any, desk: Any) -> None:
    page.run(
        "{ window.said = []; new MutationObserver(() => { const text = document.querySelector('#status').textContent;"
        " if (text) window.said.push(text) }).observe(document.querySelector('#status'), {childList: true}) }"
    )
    desk.model.pause = 0.15
    page.ask()
    page.until("window.said.length === 2")
    assert page.run("window.said") == ["The reply is being written.", "Water it from below."]
    assert page.run("document.querySelector('#talk').closest('[aria-live]')") is None


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(theme: str, page: Any, axe: str) -> None:
    page.media(prefers_color_scheme=theme)
    everything(page)
    assert violations(page, axe) == []
    page.click("#forget")
    assert violations(page, axe) == []
    page.open("/heart.html")
    page.click("#ask button")
    page.until("document.querySelector('loveloop-heart')")
    assert violations(page, axe) == []


def violations(page: Any, axe: str) -> Any:
    page.run(axe + "; 0")
    return page.run(
        "axe.run(document).then((told) => told.violations.map((each) =>"
        " [each.id, each.nodes.map((node) => node.html.slice(0, 120) + ' ' + node.failureSummary)]))"
    )


def files(*suffixes: str) -> list[Path]:
    return [each for each in sorted(page_files.FOLDER.iterdir()) if each.suffix in suffixes]


@pytest.mark.parametrize("file", files(".js"), ids=lambda file: file.name)
def test_no_script_makes_elements_of_text(file: Path) -> None:
    said = file.read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", said)
    assert len(said.splitlines()) <= 300


@pytest.mark.parametrize("file", files(".html"), ids=lambda file: file.name)
def test_a_page_holds_no_script_no_style_and_nothing_of_other_sites(file: Path) -> None:
    said = file.read_text()
    code = re.sub(r"<pre>.*?</pre>", "", said, flags=re.DOTALL)
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?://", code) == []
    names = re.findall(r'(?:src|href)="([^"#]+)"', code)
    assert len(names) >= 4
    assert [name for name in names if not (page_files.FOLDER / name).is_file()] == []
