"""A refused event names every wrong field, the rule and the cure: in the producer's error, and in the dead letter."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import topics
from streams.events import (
    SCHEMA_VERSION,
    ContractError,
    ErasureRequested,
    Message,
    ReactionChanged,
    ResponseServed,
    decode,
    encode,
    new_event_id,
)
from streams.outgoing import encode_checked
from streams.producer import EventProducer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVED: dict[str, Any] = {
    "event_id": new_event_id(NOW, randomness=1), "user_id": "u", "served_at": NOW, "response_id": "r",
    "conversation_id": "c", "turn": 0, "session_id": "s", "policy": "p", "conversation": [Message("user", "hi")],
    "response": "hello",
}  # fmt: skip
REACTED: dict[str, Any] = {
    "event_id": new_event_id(NOW, randomness=2), "user_id": "u", "reacted_at": NOW, "response_id": "r",
    "reaction": "love", "action": "added", "session_id": "s",
}  # fmt: skip
UUID4 = str(uuid.UUID(int=7, version=4))

WRONG = [
    (SERVED, {"event_id": UUID4}, "is a UUIDv4, must be a UUIDv7", "new_event_id"),
    (SERVED, {"event_id": SERVED["event_id"].upper()}, "small letters", "str(uuid)"),
    (SERVED, {"event_id": "4711"}, "must be a UUIDv7", "new_event_id"),
    (SERVED, {"user_id": ""}, "has 0 characters", "leave none empty"),
    (SERVED, {"user_id": 7}, "must be text", '"7"'),
    (SERVED, {"user_id": "u" * 300}, "has 300 characters, must be text of 1 to 256", "a hash"),
    (SERVED, {"served_at": datetime(2026, 3, 1)}, "must be a moment with its time zone", "datetime.now(UTC)"),
    (SERVED, {"turn": -1}, "turn == -1, must be a whole number from 0", "from 0"),
    (SERVED, {"conversation": []}, "at least one message", "up to the user's last message"),
    (SERVED, {"conversation": [Message("robot", "x")]}, '.role == "robot"', "say whose words"),  # type: ignore[arg-type]
    (SERVED, {"conversation": [{"role": "user", "content": 7}]}, "must be text", "give its text"),
    (SERVED, {"conversation": [{"role": "user", "content": None}]}, "content == null", "give its text"),
    (SERVED, {"response": None}, "response is missing", "the user was shown"),
    (SERVED, {"arm": "b"}, "go together", "both or neither"),
    (REACTED, {"reaction": "\u2764\ufe0f"}, 'version 2 writes it "love"', "write that name"),
    (REACTED, {"action": "toggled"}, 'must be "added" or "removed"', "say which"),
    (REACTED, {"dwell_ms": -4}, "dwell_ms == -4", "leave it out"),
    (SERVED, {"response": "\ud800"}, "JSON cannot hold it", "whole characters"),
    (SERVED, {"policy": object()}, "JSON cannot hold it", "text"),
]  # fmt: skip


def built(fields: dict[str, Any], **changes: Any) -> ResponseServed | ReactionChanged:
    return (ResponseServed if "served_at" in fields else ReactionChanged)(**fields | changes)


@pytest.mark.parametrize(("fields", "changes", "rule", "cure"), WRONG)
def test_a_wrong_field_is_told_with_its_name_the_rule_and_the_cure(
    fields: dict[str, Any], changes: dict[str, Any], rule: str, cure: str
) -> None:
    with pytest.raises(ContractError) as caught:
        encode_checked(built(fields, **changes), now=NOW)
    ((name, seen, told),) = caught.value.faults
    assert name.startswith(next(iter(changes)))
    assert rule in seen
    assert cure in told
    assert f"{seen}: {told}" in str(caught.value)


def test_every_wrong_field_is_told_at_once() -> None:
    event = built(
        SERVED, event_id=UUID4, user_id="", served_at=datetime(2026, 3, 1), turn=-1, conversation=[], response=None
    )
    with pytest.raises(ContractError) as caught:
        encode_checked(event, now=NOW)
    names = {fault.field for fault in caught.value.faults}
    assert names == {"event_id", "user_id", "served_at", "turn", "conversation", "response"}
    assert all(name in str(caught.value) for name in names)


def test_what_json_cannot_hold_hides_no_other_fault() -> None:
    with pytest.raises(ContractError) as caught:
        encode_checked(built(SERVED, policy=object(), turn=-1), now=NOW)
    assert [fault.field for fault in caught.value.faults] == ["policy", "turn"]


def test_a_sound_event_is_encoded_as_ever() -> None:
    for event in (built(SERVED, experiment="e", arm="a"), built(REACTED, dwell_ms=0)):
        assert encode_checked(event, now=NOW) == encode(event)


def test_a_moment_out_of_range_and_a_thing_that_is_no_event_are_told() -> None:
    with pytest.raises(ContractError, match="must lie between 2000-01-01"):
        encode_checked(built(SERVED, served_at=datetime(1999, 1, 1, tzinfo=UTC)), now=NOW)
    with pytest.raises(ContractError, match="a dict, must be one of ResponseServed"):
        encode_checked({}, now=NOW)  # type: ignore[arg-type]


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.just(2**70), st.just(1.5), st.text(max_size=4), st.just("x" * 300),
    st.sampled_from(["love", "Love", "added", UUID4, "2026-03-01T12:00:00", "2026-03-01T12:00:00Z"]),
    st.lists(st.sampled_from([None, 1, {}, {"role": "tool", "content": None}, {"role": "user", "content": "a"}])),
)  # fmt: skip


def refusal(line: bytes) -> ContractError | None:
    try:
        decode(line, received_at=NOW)
    except ContractError as error:
        return error
    return None


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from([SERVED, REACTED]),
    st.dictionaries(st.sampled_from(sorted({*SERVED, *REACTED, "dwell_ms", "arm"})), ODD),
)
def test_whatever_the_judge_refuses_for_its_fields_has_a_fault_and_nothing_else_has(
    fields: dict[str, Any], odd: dict[str, Any]
) -> None:
    kind = "response_served" if "served_at" in fields else "reaction_changed"
    line = json.dumps(msgspec.to_builtins(fields) | odd | {"type": kind, "schema_version": SCHEMA_VERSION}).encode()
    error = refusal(line)
    assert error is None or bool(error.faults) == (error.reason == "invalid_field")


def test_the_faults_of_a_very_bad_line_are_counted_not_all_told() -> None:
    line = json.dumps({"type": "response_served", "conversation": [7] * 1000}).encode()
    with pytest.raises(ContractError, match=r"and \d*,?\d\d\d more$") as caught:
        decode(line, received_at=NOW)
    assert len(caught.value.detail) < 3_000


def test_the_producer_refuses_a_bad_event_and_sends_the_next(tansu: str, stream: topics.Topics) -> None:
    topics.create_topics(tansu, topics=stream)
    with EventProducer(tansu, topic=stream.events) as sender:
        with pytest.raises(ValueError, match=r"reaction == .*writes it .love.: .*; action == .toggled"):
            sender.send(built(REACTED, reaction="\u2764\ufe0f", action="toggled"))
        sender.send(ErasureRequested(event_id=new_event_id(NOW), user_id="u", requested_at=NOW))
    assert sender.events == 1
