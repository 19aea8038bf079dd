import re
from typing import Any

import pytest

from training.policy.tokenizer import build_tokenizer
from training.text import Trimmed, encode, parse, parse_responses, trimmed

WORDS = build_tokenizer(["one two three four five six seven eight nine ten"], size=64)
ASKED = [{"role": "user", "content": "one two three"}]


def test_rows_that_lose_their_beginning_and_their_question_are_counted() -> None:
    """Whole: `<|user|> one two three <|end|> <|assistant|> four five <|end|>`, 9 tokens; after the question 5."""
    found = {most: trimmed(WORDS, [ASKED], ["four five"], max_tokens=most) for most in (9, 8, 6, 5, 2)}
    assert [(each.cut, each.without_question) for each in found.values()] == [
        ([], []), ([0], []), ([0], []), ([0], [0]), ([0], [0]),
    ]  # fmt: skip
    assert WORDS.decode(found[6].ids[0]) == "three<|end|><|assistant|> four five<|end|>"


def test_the_question_is_the_last_one_although_the_answer_repeats_it() -> None:
    talk = [*ASKED, {"role": "assistant", "content": "six"}, *ASKED]
    found = trimmed(WORDS, [talk, ASKED], ["one two three", "four"], max_tokens=6)
    assert (found.cut, found.without_question) == ([0, 1], [0])


def test_plain_lines_between_special_tokens_are_counted_alike() -> None:
    plain = build_tokenizer(["one two three four five six user assistant : 1 2 User Assistant"], size=64)
    plain.chat_template, plain.truncation_side = None, "left"
    long, short = (trimmed(plain, [ASKED], ["four five"], max_tokens=most) for most in (32, 4))
    assert (long.cut, short.cut, short.without_question) == ([], [0], [0])
    assert short.ids[0] == long.ids[0][-4:]
    assert encode(plain, [ASKED], ["four five"], max_tokens=4) == short.ids
    plain.truncation_side = "right"
    with pytest.raises(ValueError, match="truncation_side == 'right', must be 'left'"):
        encode(plain, [ASKED], ["four"], max_tokens=4)


def test_nothing_is_nothing() -> None:
    assert trimmed(WORDS, [], [], max_tokens=4) == Trimmed([], [], [])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "row 2: conversation is None, must be a list of turns"),
        (float("nan"), "row 2: conversation is nan, must be a list of turns"),
        ("hello", "row 2: conversation is 'hello', must be JSON"),
        ("NaN", "row 2: conversation is 'NaN', must be a list of turns"),
        (
            "[]",
            "row 2: conversation is '[]', must be a list of turns, each with role and content, both texts: leave out",
        ),
        ('[{"role": "user"}]', "must be a list of turns"),
        ('[{"role": "user", "content": null}]', "must be a list of turns"),
        ([{"role": "user", "content": float("nan")}], "must be a list of turns"),
        ('[{"role": "user", "content": "\\ud83d"}]', "row 2: conversation holds half a character"),
    ],
)
def test_a_conversation_that_is_none_is_named_with_its_row(given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse([ASKED, given])


def test_a_whole_emoji_by_two_halves_is_no_fault() -> None:
    assert parse(['[{"role": "user", "content": "\\ud83d\\ude00"}]'])[0][0]["content"] == "\U0001f600"


@pytest.mark.parametrize("given", [None, float("nan"), 3])
def test_a_response_that_is_no_text_is_named_with_its_row(given: Any) -> None:
    with pytest.raises(ValueError, match=r"row 2: response is .*, must be a text: leave out rows without an answer"):
        parse_responses(["yes", given])
