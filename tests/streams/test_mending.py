"""A number or a character that no JSON can hold loses its field, not its event."""

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from streams import mending
from streams.collector import judge
from streams.events import ContractError, decode
from streams.live.reading import read

RECEIVED = datetime(2026, 3, 10, tzinfo=UTC)
SERVED = {
    "type": "response_served", "schema_version": 2, "event_id": "019ca945-0a00-755d-abf1-fd784592c495", "user_id": "u",
    "served_at": "2026-03-01T12:00:00Z", "response_id": "r", "conversation_id": "c", "turn": 0, "session_id": "s",
    "policy": "p", "conversation": [{"role": "user", "content": "Hi"}], "response": "Hello.",
}  # fmt: skip
LOVE = {
    "type": "reaction_changed", "schema_version": 2, "event_id": "019ca945-0a00-755d-abf1-fd784592c495", "user_id": "u",
    "reacted_at": "2026-03-01T12:00:00Z", "response_id": "r", "reaction": "love", "action": "added", "session_id": "s",
}  # fmt: skip
HALF = "\ud83d"


def line(event: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps(event | changes).encode()


@pytest.mark.parametrize(
    ("text", "kept", "lost"),
    [
        (line(SERVED, score=float("nan")), {}, {"score": "NaN"}),
        (line(SERVED, scores=[1, float("-inf")]), {"scores": [1, None]}, {"scores.1": "-Infinity"}),
        (line(SERVED, note=HALF), {"note": "\ufffd"}, {"note": "half a character"}),
        (line(SERVED, note="x").replace(b'"x"', b'"\xed\xa0\xbd"'), {"note": "\ufffd"}, {"note": "half a character"}),
        (line(SERVED, size=1)[:-2] + b"1e999}", {}, {"size": "a number too large"}),
    ],
)
def test_an_unknown_field_is_mended_and_noted(text: bytes, kept: dict[str, Any], lost: dict[str, str]) -> None:
    found = decode(text, received_at=RECEIVED)
    assert found.extra == kept | {"mended": lost}
    assert read(text, RECEIVED) == found.event == decode(line(SERVED), received_at=RECEIVED).event


def test_a_text_keeps_all_but_the_half_and_two_halves_are_a_whole() -> None:
    cut = decode(line(SERVED, response=f"cut {HALF}"), received_at=RECEIVED)
    assert cut.event.response == "cut \ufffd"  # type: ignore[union-attr]
    assert cut.extra == {"mended": {"response": "half a character"}}
    talk = [{"role": "user", "content": f"{HALF}\ude00 and {HALF}"}]
    told = decode(line(SERVED, conversation=talk), received_at=RECEIVED)
    assert told.event.conversation[0].content == "\U0001f600 and \ufffd"  # type: ignore[union-attr]
    assert told.extra["mended"] == {"conversation.0.content": "half a character"}


def test_an_optional_number_is_absent_and_half_a_name_of_a_device_is_none() -> None:
    found = decode(line(LOVE, dwell_ms=float("nan"), device_id=f"d{HALF}"), received_at=RECEIVED)
    assert (found.event.dwell_ms, found.event.device_id) == (None, None)  # type: ignore[union-attr]
    assert found.extra == {"mended": {"dwell_ms": "NaN", "device_id": "half a character"}}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"turn": float("nan")}, "turn is NaN"),
        ({"user_id": float("inf")}, "user_id is Infinity"),
        ({"conversation": [{"role": "user", "content": float("nan")}]}, "conversation.0.content is NaN"),
    ],
)
def test_what_an_event_cannot_do_without_is_refused_with_a_reason_of_its_own(changes: Any, path: str) -> None:
    with pytest.raises(ContractError, match=path) as refused:
        decode(line(SERVED, **changes), received_at=RECEIVED)
    assert refused.value.reason == "not_a_number"


def test_half_a_character_in_a_name_is_refused_since_two_names_would_become_one() -> None:
    with pytest.raises(ContractError, match=r"user_id == .* half a character") as refused:
        decode(line(SERVED, user_id=f"u{HALF}"), received_at=RECEIVED)
    assert refused.value.reason == "invalid_field"


def test_another_fault_keeps_its_own_reason() -> None:
    with pytest.raises(ContractError) as refused:
        decode(line(SERVED, score=float("nan"), turn="three"), received_at=RECEIVED)
    assert refused.value.reason == "invalid_field"
    with pytest.raises(ContractError, match="not_json"):
        decode(line(SERVED, score=float("nan"))[:-1], received_at=RECEIVED)


def test_the_collector_keeps_the_events_of_an_array_too() -> None:
    array = (
        b'[{"type":"erasure_requested","user_id":"a","score":NaN},{"type":"erasure_requested","user_id":"b\\ud83d"}]'
    )
    for body in (array, array.replace(b"},{", b"}\n{")[1:-1]):
        found = judge(body, RECEIVED)
        assert [json.loads(each)["mended"] for each in found.lines] == [{"score": "NaN"}]
        assert [(bad["line"], bad["reason"]) for bad in found.bad] == [(2, "invalid_field")]


def test_what_was_lost_is_told_once_a_row_and_rule() -> None:
    told: Counter[str] = Counter()
    decode(line(SERVED, scores=[float("nan")] * 2, note=HALF), received_at=RECEIVED, told=told)
    with pytest.raises(ContractError):
        decode(line(SERVED, user_id=HALF), received_at=RECEIVED, told=told)
    assert told == {mending.NO_NUMBER: 1, mending.HALVES: 1}


def test_a_half_beside_the_sign_that_stands_for_one_is_refused_in_a_name_as_well() -> None:
    with pytest.raises(ContractError, match="half a character"):
        decode(line(SERVED, user_id=f"\ufffd{HALF}"), received_at=RECEIVED)
