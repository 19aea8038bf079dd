"""Reactions and erasures: each one event, however often it is sent, and only from whom the response was shown to."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from streams.events import new_event_id
from streams.gateway.reaction_keys import KEPT_SECONDS, ReactionKeys, RememberedKey
from tests.streams.gateway.conftest import Desk, Opened


def reactions(desk: Desk) -> list[dict[str, Any]]:
    return [event for event in desk.events() if event["type"] == "reaction_changed"]


def test_a_reaction_is_an_event_of_the_same_session_as_its_response(desk: Desk) -> None:
    served = desk.chat().json["loveloop"]
    reply = desk.react(served["response_id"], "\u2764\ufe0f", dwell_ms=1_500)
    assert reply.status == 200
    (event,) = reactions(desk)
    assert (event["reaction"], event["action"], event["dwell_ms"]) == ("love", "added", 1_500)
    assert (event["response_id"], event["session_id"]) == (served["response_id"], served["session_id"])
    assert reply.json == {each: event[each] for each in ("event_id", "response_id", "reaction", "action")}


def test_the_same_key_and_body_give_the_same_answer_and_nothing_is_written_twice(desk: Desk) -> None:
    response = desk.chat().json["id"]
    first, again = desk.react(response), desk.react(response)
    assert (first.status, first.body) == (again.status, again.body)
    assert len(reactions(desk)) == 1


def test_copies_that_come_at_once_are_one_event(desk: Desk) -> None:
    response = desk.chat().json["id"]
    with ThreadPoolExecutor(8) as pool:
        replies = [*pool.map(lambda _: desk.react(response, key="at once"), range(24))]
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    assert len(reactions(desk)) == 1


@pytest.mark.parametrize("change", [{"reaction": "dislike"}, {"action": "removed"}, {"dwell_ms": 3}])
def test_the_same_key_with_another_body_is_409(desk: Desk, change: dict[str, Any]) -> None:
    response = desk.chat().json["id"]
    assert desk.react(response).status == 200
    reply = desk.react(response, **change)
    assert (reply.status, reply.json["error"]["code"]) == (409, "key_taken")
    assert len(reactions(desk)) == 1


def test_a_key_belongs_to_its_user(desk: Desk) -> None:
    other = f"u-{uuid.uuid4().hex}"
    assert desk.react(desk.chat().json["id"], key="shared").status == 200
    assert desk.react(desk.chat(user=other).json["id"], key="shared", user=other).status == 200


def test_a_refused_reaction_does_not_take_its_key(desk: Desk) -> None:
    response = desk.chat().json["id"]
    assert desk.react(response, action="loved").status == 400
    assert desk.react(response).status == 200


def test_a_love_and_its_removal_are_two_events(desk: Desk) -> None:
    response = desk.chat().json["id"]
    desk.react(response, key="a")
    desk.react(response, key="b", action="removed")
    assert [event["action"] for event in reactions(desk)] == ["added", "removed"]
    assert len({event["event_id"] for event in reactions(desk)}) == 2


def test_a_response_that_was_shown_to_somebody_else_is_403(desk: Desk) -> None:
    response = desk.chat().json["id"]
    reply = desk.react(response, user="somebody else")
    assert (reply.status, reply.json["error"]["code"]) == (403, "not_shown")
    forged = f"{response[:-1]}{'0' if response[-1] != '0' else '1'}"
    assert desk.react(forged).status == 403
    assert reactions(desk) == []


@pytest.mark.parametrize(
    "response", ["", "r1", "r-xyz", f"r-{'0' * 32}-{'0' * 19}", f"r-{'G' * 32}-{'0' * 20}", 7, None]
)
def test_an_id_that_no_gateway_made_is_400(desk: Desk, response: Any) -> None:
    reply = desk.react(response)
    assert (reply.status, reply.json["error"]["code"]) == (400, "malformed_id")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"reaction": None}, "invalid_request"),
        ({"reaction": "l" * 65}, "invalid_request"),
        ({"action": "toggled"}, "invalid_request"),
        ({"dwell_ms": -1}, "invalid_request"),
        ({"arm": "treatment"}, "unknown_fields"),
        ({"event_id": new_event_id.__name__}, "unknown_fields"),
        ({"loveloop": {}}, "forged_fields"),
    ],
)
def test_a_bad_reaction_is_refused(desk: Desk, change: dict[str, Any], code: str) -> None:
    reply = desk.react(desk.chat().json["id"], **change)
    assert (reply.status, reply.json["error"]["code"]) == (400, code)
    assert reactions(desk) == []


def test_a_whole_number_with_a_point_is_one(desk: Desk) -> None:
    assert desk.react(desk.chat().json["id"], dwell_ms=154.0).status == 200
    assert desk.react(desk.chat().json["id"], key="k2", dwell_ms=154.5).status == 400
    assert [each["dwell_ms"] for each in reactions(desk)] == [154]


@pytest.mark.parametrize("key", ["", "k" * 257])
def test_a_reaction_without_a_key_is_refused(desk: Desk, key: str) -> None:
    reply = desk.react(desk.chat().json["id"], key=key)
    assert reply.status == 400
    assert "Idempotency-Key" in reply.json["error"]["message"]


def test_a_restart_remembers_what_was_answered(opened: Opened) -> None:
    with opened() as first:
        response = first.chat().json["id"]
        answer = first.react(response)
    with opened() as second:
        second.user = first.user
        again = second.react(response)
        assert (again.status, again.body) == (200, answer.body)
        assert second.react(response, "dislike").status == 409
        assert len(reactions(second)) == 1


def test_a_second_replica_gives_a_copy_the_same_event_id(opened: Opened) -> None:
    with opened() as first:
        response = first.chat().json["id"]
        answer = first.react(response).json
    for file in first.folder.glob("reactions.sqlite*"):  # another machine's memory, with the same secret
        file.unlink()
    with opened() as second:
        second.user = first.user
        assert second.react(response).json == answer
        assert len({event["event_id"] for event in reactions(second)}) == 1


def test_an_erasure_is_taken(desk: Desk) -> None:
    reply = desk.ask("/v1/erasures", {"user": desk.user})
    assert (reply.status, reply.json["user"]) == (202, desk.user)
    (event,) = desk.events()
    assert (event["type"], event["event_id"]) == ("erasure_requested", reply.json["event_id"])


def test_an_erasure_of_nobody_is_refused(desk: Desk) -> None:
    assert desk.ask("/v1/erasures", {}).status == 400


def test_keys_are_forgotten_after_their_time_and_not_before(tmp_path: Path) -> None:
    now = [1_000_000.0]
    keys = ReactionKeys(tmp_path / "keys.sqlite", lambda: now[0])
    first, other = (RememberedKey(body, 1.0, "s", False) for body in ("one", "other"))
    assert keys.first("k", first) == first
    keys.note_stored("k")
    now[0] += 24 * 3_600
    assert keys.first("k", other) == first._replace(stored=True)
    now[0] += KEPT_SECONDS
    assert keys.first("k", other) == other
    keys.close()


def test_the_memory_of_keys_holds_no_user_and_no_reaction(desk: Desk) -> None:
    response = desk.chat().json["id"]
    desk.react(response, "a-rare-sign")
    held = b"".join(file.read_bytes() for file in desk.folder.glob("reactions.sqlite*"))
    assert held
    for text in (desk.user, response, "a-rare-sign"):
        assert text.encode() not in held
