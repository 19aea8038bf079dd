import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from streams import conversations, drafts
from streams.conversations import (
    CUT_OFF,
    GOES_ON,
    JSON,
    NULL,
    PARTS,
    PROMPT,
    RENAMED,
    ROLE,
    SAID_BEFORE,
    SHAPE,
    TAKEN,
    TRANSCRIPT,
    normalised,
)
from streams.events import ContractError, ResponseServed, decode

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
USER = {"role": "user", "content": "What is the weather in Oslo?"}
ASKED = [("user", "What is the weather in Oslo?")]
CALLS = [{"id": "a", "type": "function", "function": {"name": "w", "arguments": "{}"}}]


def line(conversation: Any, response: Any = "4 degrees.", **more: Any) -> bytes:
    fields = {
        "type": "response_served", "schema_version": 2, "event_id": "019ca945-0a00-7000-8000-000000000001",
        "user_id": "u", "served_at": "2026-03-01T12:00:00Z", "response_id": "r", "conversation_id": "c", "turn": 0,
        "session_id": "s", "policy": "p", "conversation": conversation, "response": response,
    }  # fmt: skip
    return json.dumps({name: value for name, value in (fields | more).items() if value is not None}).encode()


def read(*arguments: Any, **more: Any) -> tuple[list[tuple[str, str]], str, dict[str, Any], set[str]]:
    """Messages, response, unknown fields and rules used, of a line that came as it is."""
    told: Counter[str] = Counter()
    event, extra = decode(line(*arguments, **more), received_at=NOW, told=told)
    assert isinstance(event, ResponseServed)
    return [(each.role, each.content) for each in event.conversation], event.response, extra, set(told)


@pytest.mark.parametrize(
    ("messages", "expected", "rules"),
    [
        ([USER], ASKED, set()),
        ([{"role": "developer", "content": "Be brief."}, USER], [("system", "Be brief."), *ASKED], {ROLE}),
        ([USER, {"role": "function", "name": "w", "content": "4 C"}], [*ASKED, ("system", "4 C")], {ROLE}),
        (
            [USER, {"role": "assistant", "content": "", "tool_calls": CALLS}, {"role": "tool", "content": "4 C"}],
            [*ASKED, ("assistant", ""), ("system", "4 C")], {ROLE},
        ),
        ([USER, {"role": "assistant", "content": None, "tool_calls": []}, USER], [*ASKED, ("assistant", ""), *ASKED],
         {NULL}),
        ([USER, {"role": "assistant", "content": "A moment.", "tool_calls": CALLS}],
         [*ASKED, ("assistant", "A moment.")], set()),
        ([{"role": "user", "content": [{"type": "text", "text": "This?"}, {"type": "image_url", "image_url": {}}]}],
         [("user", "This?\n[image]")], {PARTS}),
        ([{"from": "human", "value": "hi"}], [("user", "hi")], {SHAPE, ROLE}),
        ([{"from": "system", "value": "x"}, {"from": "human", "value": "a"}, {"from": "gpt", "value": "b"},
          {"from": "human", "value": "c"}], [("system", "x"), ("user", "a"), ("assistant", "b"), ("user", "c")],
         {SHAPE, ROLE}),
        ([{"role": "USER", "content": "hi"}], [("user", "hi")], {ROLE}),
        ([{"role": "user", "parts": [{"text": "hi"}]}], [("user", "hi")], {SHAPE, PARTS}),
        ([{"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["hi"]}}], [("user", "hi")],
         {SHAPE, PARTS}),
        ([{"type": "human", "content": "hi"}], [("user", "hi")], {SHAPE, ROLE}),
        ({"messages": [USER], "temperature": 0.7}, ASKED, {JSON}),
        ({"system": "Be kind.", "messages": [USER]}, [("system", "Be kind."), *ASKED], {JSON}),
        (json.dumps({"messages": [USER]}), ASKED, {JSON}),
        (json.dumps([USER]), ASKED, {JSON}),
        (USER, ASKED, set()),
        ("hi", [("user", "hi")], {PROMPT}),
        ('{"a": [1, 2]} - why is this no JSON?', [("user", '{"a": [1, 2]} - why is this no JSON?')], {PROMPT}),
        ('[{"a": 1}]', [("user", '[{"a": 1}]')], {PROMPT}),
        ("\n\nHuman: hi\n\nAssistant: hello\n\nHuman: and?\nmore\n\nAssistant:",
         [("user", "hi"), ("assistant", "hello"), ("user", "and?\nmore")], {TRANSCRIPT}),
        ("### Human: hi\n### Assistant: hello\n### Human: and?",
         [("user", "hi"), ("assistant", "hello"), ("user", "and?")], {TRANSCRIPT}),
        ("User: hi\nBot:", [("user", "hi")], {TRANSCRIPT}),
        ("User: hi", [("user", "User: hi")], {PROMPT}),
        (str([USER]), ASKED, {JSON}),
        (json.dumps(json.dumps([USER])), ASKED, {JSON}),
        ("[{'a': 1}]", [("user", "[{'a': 1}]")], {PROMPT}),
        ("[{[{[{" * 5_000, [("user", "[{[{[{" * 5_000)], {PROMPT}),
        ([USER, {"role": "assistant", "content": "4 degrees."}, USER], [*ASKED, ("assistant", "4 degrees."), *ASKED],
         {SAID_BEFORE}),
    ],
)  # fmt: skip
def test_a_conversation_of_a_product_is_read_on_the_wire(messages: Any, expected: Any, rules: set[str]) -> None:
    talk, response, _, told = read(messages)
    assert (talk, response, told) == (expected, "4 degrees.", rules)


@pytest.mark.parametrize("answer", ["4 degrees.", " 4 degrees.\n"])
def test_a_conversation_that_ends_with_the_response_is_cut_before_it(answer: str) -> None:
    talk, response, extra, told = read([USER, {"role": "assistant", "content": answer, "model": "m"}])
    assert (talk, response, told) == (ASKED, "4 degrees.", {CUT_OFF})
    assert extra["original"]["last"] == {"role": "assistant", "content": answer, "model": "m"}


@pytest.mark.parametrize(
    "messages",
    [[USER, {"role": "assistant", "content": "4  Degrees. More?"}], [{"role": "assistant", "content": "4 degrees."}]],
)
def test_a_conversation_that_ends_with_the_response_in_another_form_is_refused(messages: Any) -> None:
    with pytest.raises(ContractError, match=r"is the response in another form, .*: end the conversation with"):
        decode(line(messages), received_at=NOW)


def test_other_words_of_the_assistant_stay_at_the_end_and_are_told() -> None:
    talk, response, extra, told = read([USER, {"role": "assistant", "content": "Let me see."}])
    assert (talk, response) == ([*ASKED, ("assistant", "Let me see.")], "4 degrees.")
    assert (extra, told) == ({}, {GOES_ON})


def test_a_response_that_is_missing_is_the_conversation_s_last_message() -> None:
    talk = [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]
    found, response, extra, told = read(None, None, conversations=talk)
    assert (found, response, told) == ([("user", "hi")], "hello", {RENAMED, SHAPE, ROLE, TAKEN})
    assert "conversations" not in extra


def test_a_response_that_is_a_message_is_its_text() -> None:
    assert read([USER], {"role": "assistant", "content": "4 degrees."})[1] == "4 degrees."
    assert read([USER], [{"type": "output_text", "text": "4"}, {"type": "output_text", "text": "C"}])[1] == "4\nC"


def test_what_a_model_thought_is_no_part_of_what_was_shown() -> None:
    shown = {"type": "text", "text": "4 degrees."}
    assert read([USER], [{"type": "thinking", "thinking": "Cold?", "signature": "x"}, shown])[1] == "4 degrees."
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "4 degrees."}]}
    _, response, extra, _ = read([USER], [{"type": "reasoning", "summary": []}, message])
    assert response == "4 degrees."
    assert extra["original"]["response"] == [{"type": "reasoning", "summary": []}, message]


def test_what_was_changed_is_kept() -> None:
    _, _, extra, _ = read({"messages": [{"from": "human", "value": "hi"}], "temperature": 0.7}, original={"mine": 1})
    assert extra == {
        "original": {"conversation": {"temperature": 0.7}, "mine": 1},
        "conversation": [{"role": "user", "content": "hi", "original": {"from": "human"}}],
    }
    transcript = "Human: hi\nAssistant: yes?\nHuman: bye"
    assert read(transcript)[2] == {"original": {"conversation": transcript}}


@pytest.mark.parametrize(
    "messages",
    [[{"role": "robot", "content": "x"}], [{"role": "user", "content": None}], [{"role": "user"}], [7], [], {}],
)  # fmt: skip
def test_what_no_rule_knows_is_refused(messages: Any) -> None:
    with pytest.raises(ContractError, match="conversation"):
        decode(line(messages), received_at=NOW)


def test_what_was_read_is_read_again_as_the_same() -> None:
    first = normalised(
        json.loads(
            line({"messages": [{"role": "tool", "content": "x"}, USER, {"role": "ai", "content": "4 degrees."}]})
        )
    )
    told: Counter[str] = Counter()
    assert normalised(first, told) is first
    assert not told


def test_every_path_reads_the_same() -> None:
    talk = {"messages": [{"role": "developer", "content": "x"}, USER, {"role": "ai", "content": "4 degrees."}]}
    on_the_wire = decode(line(talk), received_at=NOW)
    by_client = decode(drafts.to_line(json.loads(line(talk)), NOW).line, received_at=NOW)
    assert on_the_wire == by_client
    assert conversations.ends_with_another_form({"conversation": []}) is False


@pytest.mark.parametrize("levels", [320, 480, 600, 985, 995])
def test_values_within_one_another_are_refused_and_stop_nobody(levels: int) -> None:
    plain = json.loads(line([USER]))
    inner = "[" * levels + "]" * levels
    deep = '[{"type":"message","content":' * levels + '"x"' + "}]" * levels
    odd = [{"conversation": [{"role": "user", "content": "@"}]}, {"conversation": {"messages": [USER], "z": "@"}},
           {"response": "@"}, {"user_id": "@"}, {"x": "@", "y": float("nan")}, {"x": "@", "y": "\ud83d"}]  # fmt: skip
    for each in odd:
        for value in (inner, deep):
            body = json.dumps(plain | each).replace('"@"', value).encode()
            with pytest.raises(ContractError):
                decode(body, received_at=NOW)
