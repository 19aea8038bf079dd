"""A person talks, loves, changes their mind, reloads: in a browser, before a real gateway."""

from typing import Any

import pytest

pytestmark = pytest.mark.slow
LOVE, LIKE, DISLIKE = (f"[data-reaction={name}]" for name in ("love", "like", "dislike"))


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
    served = [event for event in desk.events(page.visitor()) if event["type"] == "response_served"]
    assert [event["turn"] for event in served] == [0, 1]
    assert len({event["conversation_id"] for event in served}) == 1


def test_a_heart_is_given_counted_taken_back_and_stored_each_time(page: Any, reacted: Any) -> None:
    page.ask()
    page.click(LOVE)
    page.until("document.querySelector('#hearts').textContent === '1 heart given'")
    assert page.pressed() == ["love"]
    page.click(LOVE)
    page.until("document.querySelector('#hearts').textContent === '0 hearts given'")
    assert reacted(page, 2) == [("love", "added"), ("love", "removed")]


def test_a_dislike_takes_love_and_like_back(page: Any, reacted: Any) -> None:
    page.ask()
    page.click(LOVE)
    page.click(LIKE)
    assert page.pressed() == ["love", "like"]
    page.click(DISLIKE)
    assert page.pressed() == ["dislike"]
    said = reacted(page, 5)
    assert said[:2] == [("love", "added"), ("like", "added")]
    assert said[2:] == [("love", "removed"), ("like", "removed"), ("dislike", "added")]


def test_a_reload_keeps_conversation_and_hearts(page: Any, desk: Any, reacted: Any) -> None:
    page.ask()
    page.click(LOVE)
    reacted(page, 1)
    page.reload()
    assert page.text(".reply .text") == "Water it from below."
    assert page.pressed() == ["love"]
    assert page.text("#hearts") == "1 heart given"
    page.ask("And mint?")
    assert len({event["conversation_id"] for event in desk.events(page.visitor()) if "turn" in event}) == 1
    assert reacted(page, 1) == [("love", "added")]


def test_all_of_it_works_by_the_keyboard(page: Any, reacted: Any) -> None:
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
    assert reacted(page, 3) == [("love", "added"), ("love", "removed"), ("love", "added")]


def test_letters_in_the_message_give_no_heart(page: Any) -> None:
    page.ask()
    page.run("document.querySelector('#message').focus()")
    page.press("h")
    assert page.run("document.querySelector('#message').value") == "h"
    assert page.pressed() == []


def test_undoing_a_dislike_gives_the_heart_back(page: Any, reacted: Any) -> None:
    page.ask()
    page.click(LOVE)
    page.click(DISLIKE)
    page.press("u")
    assert page.pressed() == ["love"]
    assert reacted(page, 5)[3:] == [("dislike", "removed"), ("love", "added")]


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
    served = [event for event in desk.events(page.visitor()) if event["type"] == "response_served"]
    assert len({event["conversation_id"] for event in served}) == 2


def test_who_wants_to_be_forgotten_is_asked_first(page: Any, desk: Any) -> None:
    page.ask()
    user = page.visitor()
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
    assert page.call("Network.getCookies")["cookies"] == []
    page.ask("And mint?")
    (served,) = [event for event in desk.events(page.visitor()) if event["type"] == "response_served"]
    assert served["user_id"] != user
    assert len(desk.events(user)) == 2


def test_what_was_shown_before_a_wish_to_be_forgotten_is_stored_before_it(page: Any, desk: Any) -> None:
    user = page.visitor()
    desk.model.pause = 0.5
    page.ask(ends=False)
    page.until("document.querySelector('.reply .text')?.textContent")
    page.click("#forget")
    page.click("#forgetting [value=yes]")
    page.until("!document.querySelector('#forgetting').open")
    told = [(event["type"], event.get("cut")) for event in desk.events(user)]
    assert told == [("response_served", "client_left"), ("erasure_requested", None)]
    assert page.run("document.querySelectorAll('.turn').length") == 0
    assert page.visible("#send")


def test_only_operators_see_who_answered(page: Any) -> None:
    page.ask()
    assert "v7" not in page.run("document.body.textContent")
    page.open("/?operator")
    assert page.run("document.querySelector('.served').open") is False
    page.click(".served summary")
    assert "v7" in page.text(".served dl").split()


def test_a_page_with_a_key_s_name_lets_visitors_in_without_one(opened: Any, tab: Any, reacted: Any) -> None:
    with opened(f'page_key_name = "page"\nkeys.product = "{"0" * 64}"\n') as desk:
        page = tab(f"http://127.0.0.1:{desk.port}")
        page.open()
        page.ask()
        page.call("Network.clearBrowserCookies")
        page.ask("And mint?")
        page.click(".turn:nth-child(4) [data-reaction=love]")
        assert reacted(page, 1) == [("love", "added")]
