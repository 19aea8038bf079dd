import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streams import collector, producer
from streams.conversations import normalised
from streams.drafts import complete, to_line
from streams.events import ContractError, ResponseServed, decode

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def messages(conversation: Any) -> Any:
    return normalised({"conversation": conversation, "response": "9"})["conversation"]


SERVED: dict[str, Any] = {
    "type": "response_served", "user_id": "u", "response_id": "r", "conversation_id": "c", "turn": 1,
    "session_id": "s", "policy": "p", "response": "It is 9 degrees.",
}  # fmt: skip
TOOL_CALLS = [{"id": "call-1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]
SPOKEN: list[dict[str, Any]] = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "name": "ann", "content": [
        {"type": "text", "text": "Is it cold"}, {"type": "text", "text": "there?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 9_000}},
    ]},
    {"role": "assistant", "content": None, "tool_calls": TOOL_CALLS},
    {"role": "tool", "tool_call_id": "call-1", "content": "9 C"},
]  # fmt: skip


def test_messages_of_openai_become_messages_of_the_contract() -> None:
    told = [(each["role"], each["content"]) for each in messages(SPOKEN)]
    assert told == [
        ("system", "Be brief."), ("user", "Is it cold\nthere?\n[image]"), ("assistant", ""), ("system", "9 C"),
    ]  # fmt: skip


def test_what_was_changed_stays_beside_the_event_without_the_bulk_of_pictures() -> None:
    event, extra = decode(to_line(SERVED | {"conversation": SPOKEN}, NOW).line, received_at=NOW)
    assert isinstance(event, ResponseServed)
    kept = extra["conversation"]
    assert [each.get("original", {}).get("role") for each in kept] == ["developer", None, None, "tool"]
    assert kept[2]["tool_calls"] == TOOL_CALLS
    assert kept[1]["original"]["content"][:2] == SPOKEN[1]["content"][:2]
    assert kept[1]["name"] == "ann"
    assert len(json.dumps(extra)) < 1_500


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ({"role": "assistant", "content": None, "refusal": "I cannot."}, "I cannot."),
        ({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, "No."),
        ({"role": "user", "content": ["a", "b"]}, "a\nb"),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}, 7]}, "[audio]\n[part]"),
        ({"role": "function", "name": "f", "content": "x"}, "x"),
    ],
)
def test_other_forms_of_a_content_are_its_text(message: dict[str, Any], content: str) -> None:
    assert messages([message])[0]["content"] == content


def test_messages_of_the_contract_stay_as_they_are() -> None:
    plain = [{"role": "system", "content": "a"}, {"role": "user", "content": "b", "name": "ann"}]
    assert messages(plain) == plain
    assert messages("How are you?") == [{"role": "user", "content": "How are you?"}]


def test_an_openai_client_s_own_objects_are_taken() -> None:
    class Reply:
        def model_dump(self, *, exclude_none: bool) -> dict[str, Any]:
            return {"role": "assistant", "content": "hi"} if exclude_none else {}

    assert messages([Reply()]) == [{"role": "assistant", "content": "hi"}]


@pytest.mark.parametrize(
    "message", [{"role": "robot", "content": "x"}, {"role": "user", "content": None}, {"role": "user"}, 7]
)
def test_what_no_rule_knows_is_left_for_the_judge_to_refuse(message: Any) -> None:
    with pytest.raises(ContractError, match=r"conversation\[0\]"):
        to_line(SERVED | {"conversation": [message]}, NOW)


def test_what_is_left_out_is_filled_in() -> None:
    event = complete({"type": "erasure_requested", "user_id": "u", "note": None}, NOW)
    assert event["requested_at"] == NOW
    assert event["event_id"][:13] == "019ca945-0a00"
    assert (event["schema_version"], "note" in event) == (2, False)


def test_a_draft_with_its_own_moment_sent_again_is_a_copy() -> None:
    draft = SERVED | {"conversation": "hi", "served_at": NOW}
    later = NOW + timedelta(seconds=9)
    assert to_line(draft, NOW).event_id == to_line(dict(reversed(draft.items())), later).event_id
    assert to_line(draft, NOW).event_id != to_line(draft | {"response": "No."}, NOW).event_id
    del draft["served_at"]
    assert to_line(draft, NOW).event_id != to_line(draft, NOW).event_id


def test_a_naive_moment_is_refused_with_the_cure() -> None:
    with pytest.raises(ContractError, match=r"served_at == .* its time zone: .*datetime.now\(UTC\)"):
        to_line(SERVED | {"conversation": "hi", "served_at": datetime(2026, 3, 1)}, NOW)


def test_a_body_with_a_byte_order_mark_is_read_by_the_collector() -> None:
    draft = json.dumps(SERVED | {"conversation": "hi"}).encode()
    for body in (draft, b"[" + draft + b"]", draft + b"\n\xef\xbb\xbf" + draft):
        judged = collector.judge(b"\xef\xbb\xbf" + body, NOW)
        assert (len(judged.lines), judged.bad) == (body.count(b"It is"), [])


def test_a_file_to_be_sent_loses_its_byte_order_mark_and_utf_16_is_told(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\xef\xbb\xbf{}\r\n{}\n")
    assert [line for _, line in producer.numbered_lines(file, progress=False)] == [b"{}", b"{}"]
    file.write_text("{}", "utf-16")
    with pytest.raises(ValueError, match="UTF-16"):
        list(producer.numbered_lines(file, progress=False))


def test_a_file_that_is_one_json_array_is_refused_with_the_way_out(tmp_path: Path) -> None:
    file = tmp_path / "events.json"
    file.write_text('\n [{"type": "reaction_changed"}]\n')
    with pytest.raises(ValueError, match="is a JSON array, the wire takes one event a line: `loveloop import` reads"):
        list(producer.numbered_lines(file, progress=False))
    file.write_text('{"type": "reaction_changed"}\n[1]\n')
    assert len(list(producer.numbered_lines(file, progress=False))) == 2
