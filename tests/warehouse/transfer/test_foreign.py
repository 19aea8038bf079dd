import json
import math
from datetime import UTC, date, datetime
from typing import Any

import pytest

from streams.events import ContractError, ReactionChanged, ResponseServed, decode
from warehouse.transfer.foreign import Columns, to_line

NOW = datetime(2026, 3, 10, tzinfo=UTC)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVED = {
    "type": "response_served", "user_id": "ann", "served_at": NOON, "response_id": "r1", "conversation_id": "c1",
    "turn": 0, "session_id": "s", "policy": "v7", "conversation": [{"role": "user", "content": "hi"}],
    "response": "hello",
}  # fmt: skip


def event(row: dict[str, Any], **columns: Any) -> Any:
    return decode(to_line(row, Columns(**columns)), received_at=NOW)


def fields(row: dict[str, Any], **columns: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(to_line(row, Columns(**columns)))
    return found


def test_columns_constants_and_the_kind_make_an_event() -> None:
    row = {"uid": 7, "message": {"id": "r1", "tags": ["x", "y"]}, "emoji": "\u2764\ufe0f", "at": NOON, "junk": 1}
    mapping = {
        "user_id": "uid",
        "response_id": "message.id",
        "reaction": "emoji",
        "reacted_at": "at",
        "tag": "message.tags.1",
    }
    found, extra = event(
        row, fields=mapping, constants={"action": "added", "session_id": "none"}, kind="reaction_changed"
    )
    assert isinstance(found, ReactionChanged)
    assert (found.user_id, found.response_id, found.reaction, found.reacted_at) == ("7", "r1", "love", NOON)
    assert (found.action, found.session_id, extra) == ("added", "none", {"tag": "y"})


def test_a_column_whose_name_has_a_dot_comes_before_a_path() -> None:
    row = SERVED | {"a.b": "flat", "a": {"b": "deep"}}
    assert fields(row, fields={"response": "a.b"})["response"] == "flat"
    assert "response" not in fields(row, fields={"response": "a.c.d"})
    assert "response" not in fields(row, fields={"response": "conversation.9"})


def test_without_a_mapping_unknown_columns_are_unknown_fields() -> None:
    assert event(SERVED | {"mood": "glad", "none": None}).extra == {"mood": "glad"}
    columns = Columns(constants={"turn": "3"})
    assert event(SERVED | {"mood": "glad"}, constants={"turn": "3"}).extra == {}
    assert columns.left_out(["turn", "mood", "user_id"]) == ["mood"]
    assert Columns().left_out(["mood"]) == []
    assert Columns({"response": "a.b"}).left_out(["a", "b"]) == ["b"]


@pytest.mark.parametrize(
    ("told", "messages"),
    [
        ("How do I grow roses?", [{"role": "user", "content": "How do I grow roses?"}]),
        ('[{"role": "user", "content": "hi"}]', [{"role": "user", "content": "hi"}]),
        ("[sigh] roses", [{"role": "user", "content": "[sigh] roses"}]),
        ([{"role": "user", "content": "hi", "name": None}], [{"role": "user", "content": "hi"}]),
    ],
)
def test_a_conversation_is_messages_their_json_or_a_prompt(told: Any, messages: list[dict[str, str]]) -> None:
    found = event(SERVED | {"conversation": told}).event
    assert isinstance(found, ResponseServed)
    assert [{"role": each.role, "content": each.content} for each in found.conversation] == messages


def test_messages_of_openai_are_taken_as_the_client_takes_them() -> None:
    spoken = [{"role": "developer", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "b"}]}]
    for told in (spoken, json.dumps(spoken)):
        made = fields({"conversation": told}, kind="response_served")["conversation"]
        assert [(each["role"], each["content"]) for each in made] == [("system", "a"), ("user", "b")]


@pytest.mark.parametrize(
    "told",
    [
        NOON, NOON.isoformat(), "2026-03-01 14:00:00+02:00", NOON.timestamp(), int(NOON.timestamp()) * 1000,
        int(NOON.timestamp()) * 10**6, int(NOON.timestamp()) * 10**9,
    ],
)  # fmt: skip
def test_a_moment_is_a_time_stamp_a_text_or_a_number_since_1970(told: Any) -> None:
    assert event(SERVED | {"served_at": told}).event.served_at == NOON


@pytest.mark.parametrize("told", [datetime(2026, 3, 1, 13), "2026-03-01T13:00:00", "2026-03-01 13:00"])
def test_a_moment_without_a_zone_needs_one(told: Any) -> None:
    assert event(SERVED | {"served_at": told}, zone="Europe/Berlin").event.served_at == NOON
    with pytest.raises(ContractError, match="served_at"):
        event(SERVED | {"served_at": told})


def test_a_date_is_its_midnight() -> None:
    assert event(SERVED | {"served_at": date(2026, 3, 1)}, zone="UTC").event.served_at == NOON.replace(hour=0)


@pytest.mark.parametrize("told", [True, "soon", 1e300, math.inf, [1], {}, -5])
def test_what_is_no_moment_is_left_to_the_judge(told: Any) -> None:
    with pytest.raises(ContractError):
        event(SERVED | {"served_at": told}, zone="UTC")


def test_numbers_for_names_and_names_for_numbers_are_converted() -> None:
    found = event(SERVED | {"user_id": 12.0, "turn": 2.0, "session_id": 5}).event
    assert (found.user_id, found.turn, found.session_id) == ("12", 2, "5")
    assert event(SERVED | {"turn": "4"}).event.turn == 4
    with pytest.raises(ContractError):
        event(SERVED | {"turn": 2.5})
    with pytest.raises(ContractError):
        event(SERVED | {"user_id": True})


def test_no_value_and_not_a_number_are_absent() -> None:
    assert event(SERVED | {"experiment": math.nan, "arm": None}) == event(SERVED)


def test_a_row_has_the_same_id_in_whatever_form_it_comes() -> None:
    ids = {
        fields(row)["event_id"]
        for row in (
            SERVED,
            dict(reversed(SERVED.items())),
            SERVED | {"served_at": NOON.timestamp(), "conversation": json.dumps(SERVED["conversation"]), "arm": None},
        )
    }
    assert len(ids) == 1
    assert fields(SERVED | {"response": "hello!"})["event_id"] not in ids
    assert event(SERVED).event.event_id[:13] == "019ca945-0a00"


def test_an_id_of_the_contract_is_kept_and_another_one_names_the_event() -> None:
    own = "019ca945-0a00-7000-8000-000000000001"
    assert fields(SERVED | {"event_id": own})["event_id"] == own
    first, again = (fields(SERVED | {"event_id": 4711, "response": text})["event_id"] for text in "ab")
    assert first == again != fields(SERVED | {"event_id": 4712})["event_id"]
    assert event(SERVED | {"event_id": 4711}).event.event_id == first


def test_the_mapping_has_an_identity_of_its_own() -> None:
    assert Columns({"a": "b"}).identity == Columns({"a": "b"}).identity != Columns({"a": "c"}).identity
