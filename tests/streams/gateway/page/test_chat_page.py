"""A person talks, loves, changes their mind, reloads, and is told what went wrong: in a browser, before a real gateway."""

import json
import time
from typing import Any

import pytest

pytestmark = pytest.mark.slow
LOVE, LIKE, DISLIKE = (f"[data-reaction={name}]" for name in ("love", "like", "dislike"))
UNSAVED = ".unsaved:not([hidden])"
FAIL_FIRST = """
{ const real = fetch; window.keys = [];
  window.fetch = (path, options) => {
    if (!path.endsWith(PATH)) return real(path, options);
    window.keys.push(options.headers["Idempotency-Key"] ?? "");
    return window.keys.length > 1 ? real(path, options) : ANSWER; } }"""


def failing_first(path: str, answer: str = 'Promise.reject(new TypeError("no network"))') -> str:
    """A script that has the first request to a path fail."""
    return FAIL_FIRST.replace("PATH", json.dumps(path)).replace("ANSWER", answer)


def refusing(status: int, code: str) -> str:
    error = json.dumps({"error": {"message": "words for programmers", "code": code}})
    return f"Promise.resolve(new Response({json.dumps(error)}, {{status: {status}}}))"


def visitor(page: Any) -> str:
    return str(page.run("fetch('v1/session').then((answer) => answer.json()).then((told) => told.user)"))


def reactions(page: Any, desk: Any, count: int) -> list[tuple[str, str]]:
    """The visitor's reactions at the broker, once there are so many."""
    user, deadline = visitor(page), time.monotonic() + 10
    while True:
        found = [event for event in desk.events(user) if event["type"] == "reaction_changed"]
        if len(found) >= count or time.monotonic() > deadline:
            return [(event["reaction"], event["action"]) for event in found]
        time.sleep(0.05)


def test_a_reply_is_read_while_it_is_written(page: Any, desk: Any) -> None:
    desk.model.pause = 0.3
    page.ask(ends=False)
    page.until("document.querySelector('.reply .text')?.textContent === 'Water it '")
    assert page.run("document.querySelector('.reply article').getAttribute('aria-busy')") == "true"
    assert not page.visible(".signs")
    page.until("document.querySelector('.reply .signs:not([hidden])')")
    assert page.text(".user .text") == "How do I keep basil alive?"
    assert page.text(".reply .text") == "Water it from below."
    page.until("document.querySelector('#status').textContent === 'Water it from below.'")


def test_a_second_question_carries_the_conversation(page: Any, desk: Any) -> None:
    page.ask()
    page.ask("And mint?")
    assert [each["role"] for each in desk.model.asked[-1]["messages"]] == ["user", "assistant", "user"]
    served = [event for event in desk.events(visitor(page)) if event["type"] == "response_served"]
    assert [event["turn"] for event in served] == [0, 1]
    assert len({event["conversation_id"] for event in served}) == 1


def test_a_heart_is_given_counted_taken_back_and_stored_each_time(page: Any, desk: Any) -> None:
    page.ask()
    page.click(LOVE)
    page.until("document.querySelector('#hearts').textContent === '1 heart given'")
    assert page.pressed() == ["love"]
    page.click(LOVE)
    page.until("document.querySelector('#hearts').textContent === '0 hearts given'")
    assert reactions(page, desk, 2) == [("love", "added"), ("love", "removed")]


def test_a_dislike_takes_love_and_like_back(page: Any, desk: Any) -> None:
    page.ask()
    page.click(LOVE)
    page.click(LIKE)
    assert page.pressed() == ["love", "like"]
    page.click(DISLIKE)
    assert page.pressed() == ["dislike"]
    said = reactions(page, desk, 5)
    assert said[:2] == [("love", "added"), ("like", "added")]
    assert said[2:] == [("love", "removed"), ("like", "removed"), ("dislike", "added")]


def test_a_reload_keeps_conversation_and_hearts(page: Any, desk: Any) -> None:
    page.ask()
    page.click(LOVE)
    reactions(page, desk, 1)
    page.reload()
    assert page.text(".reply .text") == "Water it from below."
    assert page.pressed() == ["love"]
    assert page.text("#hearts") == "1 heart given"
    page.ask("And mint?")
    assert len({event["conversation_id"] for event in desk.events(visitor(page)) if "turn" in event}) == 1
    assert reactions(page, desk, 1) == [("love", "added")]


def test_all_of_it_works_by_the_keyboard(page: Any, desk: Any) -> None:
    page.press("Tab")
    assert page.run("document.activeElement.className") == "skip"
    page.press("Enter")
    assert page.run("document.activeElement.id") == "message"
    page.type("one line")
    page.press("Enter", 8)
    page.type("another")
    page.press("Enter")
    page.until("document.querySelector('.signs:not([hidden])')")
    assert page.run("document.querySelector('.user .text').textContent") == "one line\nanother"
    page.press("Tab", 8)
    assert page.run("document.activeElement.dataset.reaction") == "dislike"
    for _ in range(3):
        page.press("Tab", 8)
    assert page.run("document.activeElement.getAttribute('aria-label')") == "Reply 1"
    page.press("h")
    assert page.pressed() == ["love"]
    page.until("document.querySelector('#status').textContent === 'love given. 1 heart given.'")
    page.press("u")
    assert page.pressed() == []
    page.press("Tab")
    page.press(" ")
    assert page.pressed() == ["love"]
    assert reactions(page, desk, 3) == [("love", "added"), ("love", "removed"), ("love", "added")]


def test_letters_in_the_message_give_no_heart(page: Any) -> None:
    page.ask()
    page.run("document.querySelector('#message').focus()")
    page.press("h")
    assert page.run("document.querySelector('#message').value") == "h"
    assert page.pressed() == []


def test_undoing_a_dislike_gives_the_heart_back(page: Any, desk: Any) -> None:
    page.ask()
    page.click(LOVE)
    page.click(DISLIKE)
    page.press("u")
    assert page.pressed() == ["love"]
    assert reactions(page, desk, 5)[3:] == [("dislike", "removed"), ("love", "added")]


def test_a_reaction_that_was_not_saved_says_so_and_is_sent_again_under_its_key(page: Any, desk: Any) -> None:
    page.before(failing_first("v1/reactions"))
    page.open("/?")
    page.ask()
    page.click(LOVE)
    page.until(f"document.querySelector({UNSAVED!r})")
    assert page.text(f"{UNSAVED} p").startswith("Your love was not saved. The server cannot be reached.")
    assert page.pressed() == ["love"]
    assert reactions(page, desk, 0) == []
    page.click(f"{UNSAVED} button")
    page.until(f"!document.querySelector({UNSAVED!r})")
    assert reactions(page, desk, 1) == [("love", "added")]
    first, second = page.run("window.keys")
    assert first == second != ""
    assert page.run("document.activeElement.getAttribute('aria-label')") == "Reply 1"


def test_a_reaction_that_was_not_saved_is_sent_after_a_reload(page: Any, desk: Any) -> None:
    page.ask()
    page.run("window.fetch = () => Promise.reject(new TypeError('no network'))")
    page.click(LOVE)
    page.until(f"document.querySelector({UNSAVED!r})")
    page.reload()
    assert reactions(page, desk, 1) == [("love", "added")]
    page.until(f"!document.querySelector({UNSAVED!r})")
    assert page.pressed() == ["love"]


def test_a_reaction_that_is_refused_for_good_is_taken_back_in_words(page: Any) -> None:
    page.before(failing_first("v1/reactions", refusing(403, "not_shown")))
    page.open("/?")
    page.ask()
    page.click(LOVE)
    page.until(f"document.querySelector({UNSAVED!r})")
    assert page.pressed() == []
    assert page.text("#hearts") == "0 hearts given"
    assert page.text(UNSAVED) == "Your love was not saved. This belongs to another visitor, or the page is closed."


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (429, "too_many_requests", "That was too much at once. Wait 60 seconds."),
        (502, "model_failed", "The model cannot be reached at the moment."),
        (503, "not_stored", "What was said could not be saved, so it did not come to its end."),
        (504, "model_timeout", "The model took too long to answer."),
    ],
)
def test_a_failed_request_is_told_in_words_and_tried_again(status: int, code: str, words: str, page: Any) -> None:
    page.before(failing_first("v1/chat/completions", refusing(status, code)))
    page.open("/?")
    page.ask(ends=False)
    page.until("!document.querySelector('#problem').hidden")
    assert page.text("#problem p") == words
    page.click("#problem button")
    page.until("document.querySelector('.signs:not([hidden])')")
    assert not page.visible("#problem")
    assert page.text(".reply .text") == "Water it from below."


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


def test_a_reply_is_stopped(page: Any, desk: Any) -> None:
    desk.model.pause = 0.4
    page.ask(ends=False)
    page.until("document.querySelector('.reply .text')?.textContent")
    page.click("#stop")
    page.until("document.querySelector('.reply .note')?.textContent === 'Stopped here.'")
    assert page.visible("#send")
    assert not page.visible("#stop")
    assert not page.visible("#problem")


def test_text_of_a_person_or_a_model_stays_text(page: Any, desk: Any) -> None:
    attack = "<img src=x onerror=alert(1)><script>window.hacked = 1</script><b>bold</b>"
    desk.model.words = (attack[:20], attack[20:])
    page.ask(attack)
    assert page.run("document.querySelector('.user .text').textContent") == attack
    assert page.run("document.querySelector('.reply .text').textContent") == attack
    page.reload()
    assert page.run("document.querySelectorAll('#talk img, #talk script, #talk b').length") == 0
    assert page.run("window.hacked ?? null") is None


def test_a_new_conversation_forgets_the_turns_and_keeps_the_count(page: Any, desk: Any) -> None:
    page.ask()
    page.click(LOVE)
    page.click("#new")
    assert page.run("document.querySelectorAll('.turn').length") == 0
    assert page.visible("#empty")
    assert page.text("#hearts") == "1 heart given"
    page.ask("Something else")
    assert len(desk.model.asked[-1]["messages"]) == 1
    served = [event for event in desk.events(visitor(page)) if event["type"] == "response_served"]
    assert len({event["conversation_id"] for event in served}) == 2


def test_who_wants_to_be_forgotten_is_asked_first(page: Any, desk: Any) -> None:
    page.ask()
    user = visitor(page)
    page.click("#forget")
    assert page.run("document.activeElement.textContent") == "Keep everything"
    page.press("Escape")
    assert not page.visible("#forgetting")
    assert page.visible(".reply")
    page.click("#forget")
    page.click("#forgetting [value=yes]")
    page.until("!document.querySelector('#forgetting').open")
    assert [event["type"] for event in desk.events(user)] == ["response_served", "erasure_requested"]
    assert page.run("document.querySelectorAll('.turn').length") == 0
    assert page.text("#empty").startswith("You have asked to be forgotten")
    assert "basil" not in page.run("JSON.stringify(sessionStorage) + JSON.stringify(localStorage)")


def test_a_wish_to_be_forgotten_that_fails_says_so(page: Any) -> None:
    page.ask()
    page.run(failing_first("v1/erasures"))
    page.click("#forget")
    page.click("#forgetting [value=yes]")
    page.until("!document.querySelector('#forgetting .problem').hidden")
    assert page.text("#forgetting .problem").startswith("You are not forgotten yet. The server cannot be reached.")
    assert page.visible(".reply")
    page.click("#forgetting [value=yes]")
    page.until("!document.querySelector('#forgetting').open")


def test_only_operators_see_who_answered(page: Any) -> None:
    page.ask()
    assert "v7" not in page.run("document.body.textContent")
    page.open("/?operator")
    assert page.run("document.querySelector('.served').open") is False
    page.click(".served summary")
    assert "v7" in page.text(".served dl").split()


def test_a_visitor_whose_cookie_is_gone_gets_a_new_one(page: Any) -> None:
    before = visitor(page)
    page.call("Network.clearBrowserCookies")
    page.ask()
    assert visitor(page) != before
