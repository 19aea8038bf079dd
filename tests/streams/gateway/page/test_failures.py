"""What goes wrong on the chat page is said in words, and can be tried again."""

from typing import Any

import pytest

pytestmark = pytest.mark.slow
LOVE = "[data-reaction=love]"
UNSAVED = ".unsaved:not([hidden])"


def test_a_reaction_that_was_not_saved_says_so_and_is_sent_again_under_its_key(page: Any, reacted: Any) -> None:
    page.fail_first("v1/reactions")
    page.ask()
    page.click(LOVE)
    page.until(f"document.querySelector({UNSAVED!r})")
    assert page.text(f"{UNSAVED} p").startswith("Your love was not saved. The server cannot be reached.")
    assert page.pressed() == ["love"]
    assert reacted(page, 0) == []
    page.click(f"{UNSAVED} button")
    page.until(f"!document.querySelector({UNSAVED!r})")
    assert reacted(page, 1) == [("love", "added")]
    first, second = page.run("window.keys")
    assert first == second != ""
    assert page.run("document.activeElement.getAttribute('aria-label')") == "Reply 1"


def test_a_reaction_that_was_not_saved_is_sent_after_a_reload(page: Any, reacted: Any) -> None:
    page.ask()
    page.run("window.fetch = () => Promise.reject(new TypeError('no network'))")
    page.click(LOVE)
    page.until(f"document.querySelector({UNSAVED!r})")
    page.reload()
    assert reacted(page, 1) == [("love", "added")]
    page.until(f"!document.querySelector({UNSAVED!r})")
    assert page.pressed() == ["love"]


def test_a_reaction_that_is_refused_for_good_is_taken_back_in_words(page: Any) -> None:
    page.fail_first("v1/reactions", 403, "not_shown")
    page.ask()
    page.click(LOVE)
    page.until(f"document.querySelector({UNSAVED!r})")
    assert page.pressed() == []
    assert page.text("#hearts") == "0 hearts given"
    assert page.text(UNSAVED) == "Your love was not saved. It belongs to another visitor."


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (429, "too_many_requests", "That was too much at once. Wait 60 seconds."),
        (502, "model_failed", "The model cannot be reached at the moment."),
        (503, "not_stored", "Nothing can be saved at the moment, so this was not done."),
        (504, "model_timeout", "The model took too long to answer."),
    ],
)
def test_a_failed_request_is_told_in_words_and_tried_again(status: int, code: str, words: str, page: Any) -> None:
    page.fail_first("v1/chat/completions", status, code)
    page.ask(ends=False)
    page.until("!document.querySelector('#problem').hidden")
    assert page.text("#problem p") == words
    page.click("#problem button")
    page.until("document.querySelector('.signs:not([hidden])')")
    assert not page.visible("#problem")
    assert page.text(".reply .text") == "Water it from below."


def test_messages_without_a_reply_reach_the_model_as_one(page: Any, desk: Any) -> None:
    page.fail_first("v1/chat/completions", 502, "model_failed")
    page.ask("How do I keep basil", ends=False)
    page.until("!document.querySelector('#problem').hidden")
    page.ask("and mint alive?")
    said = [{"role": "user", "content": "How do I keep basil\n\nand mint alive?"}]
    assert desk.model.asked[-1]["messages"] == said
    assert not page.visible("#problem")


def test_a_reply_that_breaks_off_stays_readable_and_is_asked_again(page: Any, desk: Any) -> None:
    page.ask("break", ends=False)
    page.until("!document.querySelector('#problem').hidden")
    assert page.text(".reply .text").strip() == "Water it"
    assert page.text(".reply .note") == "It broke off here."
    page.reload()
    page.until("!document.querySelector('#problem').hidden")
    assert page.text("#problem p") == "The last reply broke off before its end."
    page.click("#problem button")
    page.until("document.querySelectorAll('.reply').length === 1 && !document.querySelector('#problem').hidden")
    assert [each["content"] for each in desk.model.asked[-1]["messages"]] == ["break"]


def test_a_wish_to_be_forgotten_that_fails_says_so(page: Any) -> None:
    page.fail_first("v1/erasures")
    page.ask()
    page.click("#forget")
    page.click("#forgetting [value=yes]")
    page.until("!document.querySelector('#forgetting .problem').hidden")
    assert page.text("#forgetting .problem").startswith("You are not forgotten yet. The server cannot be reached.")
    assert page.visible(".reply")
    page.click("#forgetting [value=yes]")
    page.until("!document.querySelector('#forgetting').open")


def test_a_closed_page_says_so(opened: Any, tab: Any) -> None:
    with opened(f'keys.product = "{"0" * 64}"\n') as desk:
        page = tab(f"http://127.0.0.1:{desk.port}")
        page.open()
        page.until("!document.querySelector('#problem').hidden")
        assert page.text("#problem") == "This page is closed: its operators let no visitors in."


def test_a_visitor_whose_cookie_is_gone_gets_a_new_one(page: Any) -> None:
    before = page.visitor()
    page.call("Network.clearBrowserCookies")
    page.ask()
    assert page.visitor() != before
