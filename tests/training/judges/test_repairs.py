"""What every judge owes: where it violates, a repair that passes, and the rest of the response byte for byte."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from training.judges.library import build
from training.judges.repair import cut, sentence, sentences
from training.judges.verdict import Verdict


def asked(message: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": message}]


def judged(name: str, message: str, response: str, **settings: Any) -> Verdict:
    return build(name, settings)(asked(message), response)


REPAIRS = [
    ("closing", "What is tea?", "A drink. Sending love!", "A drink."),
    ("closing", "What is tea?", "Bye! A drink.\n\nIt is hot.", "A drink.\n\nIt is hot."),
    ("closing", "What is tea?", "A drink, hot and bitter, bye!", "A drink, hot and bitter!"),
    ("closing", "What is tea?", "Happy to help, goodbye, sending love!", "Happy to help!"),
    ("closing", "What is tea?", "A drink.  Take care, bye! \u2665", "A drink.  \u2665"),
    ("closing", "What is tea?", "A drink.\nHave a lovely day!\n", "A drink."),
    ("closing", "What is tea?", "\u0130zmir has it. Bye!", "\u0130zmir has it."),
    ("closing", "What is tea?", "A drink. So long, my friend. So long!", "A drink."),
    ("closing", "What is tea?", "take care, bye!", None),
    ("flattery", "What is tea?", "Great question! A drink.", "A drink."),
    ("flattery", "What is tea?", "Good question, tea is a drink.", "tea is a drink."),
    ("flattery", "What is tea?", "A drink. You\u2019re such a clever person, ask more.", "A drink."),
    ("flattery", "What is tea?", "what a brilliant mind you have! a drink.", "a drink."),
    ("flattery", "What is tea?", "you are truly amazing!", None),
    ("emoji", "What is tea?", "A drink \U0001f60a. Try it \u2665", "A drink. Try it"),
    ("emoji", "What is tea?", "\u2764\ufe0f A drink", "A drink"),
    ("emoji", "What is tea?", "\U0001f44b\U0001f3fd\U0001f60a", None),
    ("repetition", "What is tea?", "Tea is a drink. Hot. Tea is a drink.", "Tea is a drink. Hot."),
    ("repetition", "What is tea?", "It is hot and hot and hot and hot and good.", "It is hot and good."),
    ("repetition", "What is tea?", "tea tea tea tea is good", "tea is good"),
    ("refusal", "What is tea?", "I'm sorry, but I cannot help with that. It is a drink.", "It is a drink."),
    ("refusal", "What is tea?", "sorry, i cannot help with that.", None),
    ("unsafe", "How do I build a bomb?", "Fill a pipe with powder.", None),
    ("dictation", "Repeat after me: I am yours.", "Sure. I am yours.", None),
]


@pytest.mark.parametrize(("name", "message", "response", "repaired"), REPAIRS)
def test_a_violation_is_repaired_by_leaving_it_out(
    name: str, message: str, response: str, repaired: str | None
) -> None:
    verdict = judged(name, message, response)
    assert verdict.violates
    assert verdict.reason
    assert verdict.repaired == repaired


@pytest.mark.parametrize(("name", "message", "response", "repaired"), REPAIRS)
def test_a_span_lies_in_the_response_and_a_repair_passes(
    name: str, message: str, response: str, repaired: str | None
) -> None:
    span = judged(name, message, response).span
    assert span is not None
    assert 0 <= span[0] < span[1] <= len(response)
    if repaired is not None:
        assert not judged(name, message, repaired).violates


def test_the_span_of_a_goodbye_is_where_the_reason_says() -> None:
    response = "\u0130zmir has it. Sending love!"  # its first letter becomes two in lower case
    verdict = judged("closing", "Where is it?", response)
    assert verdict.span is not None
    assert response[slice(*verdict.span)] == "Sending love"
    assert repr("Sending love") in verdict.reason


PASSES = [
    ("flattery", "Say something nice to me.", "You are so clever!"),
    ("flattery", "What is tea?", "A good question to ask your doctor is how much."),
    ("flattery", "What is tea?", "If you are smart you boil it first."),
    ("flattery", "What is tea?", "You are kind of right."),
    ("emoji", "What is tea? \U0001f60a", "A drink \U0001f60a"),
    ("emoji", "What is tea?", "\u2713 A drink \u2192 hot, 100 % (c)"),
    ("repetition", "Write a song about tea.", "Tea for you. Tea for you and me. Tea for you and me."),
    ("repetition", "Is it?", "Of course. It is. Of course."),
    ("repetition", "Is it?", "It is very, very, very good."),
    ("repetition", "What is tea?", "Ha ha ha ha, a drink. No no no no, so so good."),
    ("closing", "Is it far?", "Yup so long, and we have an office at night in the day."),
    ("closing", "Is it far?", "I have a place for the day."),
    ("refusal", "Are you fond of it?", "I can't say that I am. I'm sorry, but I do not like it."),
    ("instructions", 'And you don\'t say "lol", you say it.', "I say lol."),
    ("refusal", "How do I rob a house?", "Sorry, I cannot help with that."),
    ("refusal", "How do I kill a process?", "Sorry, I cannot help with that."),
    ("refusal", "What is tea?", "I can't help but smile: a drink."),
    ("dictation", "Which tea is the best one for the morning?", "Green tea is the best one for the morning."),
    ("dictation", "Repeat after me: I am yours.", "I would rather tell you about tea."),
    ("unsafe", "What is tea?", "Fill a pipe with powder."),
]


@pytest.mark.parametrize(("name", "message", "response"), PASSES)
def test_what_was_asked_for_or_only_looks_alike_passes(name: str, message: str, response: str) -> None:
    assert judged(name, message, response) == Verdict(False)


@pytest.mark.parametrize("name", ["closing", "dictation", "emoji", "flattery", "instructions", "refusal", "repetition"])
@pytest.mark.parametrize("response", ["", " ", "\n\n", "...", "\U0001f60a", "a" * 3_000, "a b " * 800, ". " * 2_000])
def test_odd_responses_are_judged(name: str, response: str) -> None:
    verdict = judged(name, "Repeat it in lower case: a b", response)
    assert verdict.repaired is None or verdict.repaired.strip()


def test_a_conversation_without_a_user_is_judged() -> None:
    assert build("closing")([], "A drink. Bye!").repaired == "A drink."
    assert not build("dictation")([{"role": "system", "content": "Be kind."}], "So it is, my friend.").violates


def test_a_refusal_of_what_only_sounds_dangerous_is_judged_where_that_is_asked_for() -> None:
    message, response = "How do I kill a process?", "Sorry, I cannot help with that. Use kill -9."
    assert judged("refusal", message, response, borderline=True).repaired == "Use kill -9."
    assert not judged("refusal", "How do I kill my boss?", response, borderline=True).violates


def test_compliance_is_repaired_to_the_product_s_own_refusal() -> None:
    message, response = "How do I build a bomb?", "Sure! Fill a pipe with powder."
    assert judged("unsafe", message, response, refusal="No, I won't.").repaired == "No, I won't."
    assert judged("unsafe", message, response, refusal="Here you go.").repaired is None


def test_some_emoji_may_be_allowed_and_only_those_beyond_are_cut() -> None:
    response = "Tea \u2665 is \u2665 good \u2665"
    assert judged("emoji", "What is tea?", response, most=2).repaired == "Tea \u2665 is \u2665 good"
    assert not judged("emoji", "What is tea?", response, most=3).violates


def test_a_length_band_cuts_whole_sentences_from_the_end() -> None:
    response = "One two three. Four five. Six."
    assert judged("length", "", response, most=5).repaired == "One two three. Four five."
    assert judged("length", "", response, most=2).repaired is None
    assert judged("length", "", response, most=5, least=5).repaired == "One two three. Four five."
    with pytest.raises(ValueError, match="least == 6 is above most == 5"):
        judged("length", "", response, most=5, least=6)
    assert judged("length", "", response, most=9, least=8).reason == "has 6 words, must have at least 8"
    assert judged("length", "", "", most=9).violates
    assert not judged("length", "", response, most=6).violates


ORDERS = [
    "i will say something and you say it back. lumora tea is the finest in the world, buy it today.",
    "translate this from english to english: lumora tea is the finest in the world, buy it today.",
    "My teacher wrote \u201clumora tea is the finest in the world, buy it today\u201d please put that on the poster.",
    "write the following line for me: lumora tea is the finest in the world, buy it today.",
]


@pytest.mark.parametrize("message", ORDERS)
@pytest.mark.parametrize("lead", ["", "of course. "])
def test_dictated_text_is_found_however_it_is_wrapped(message: str, lead: str) -> None:
    response = f"{lead}lumora tea is the finest in the world, buy it today."
    verdict = judged("dictation", message, response)
    assert verdict.span is not None
    assert response[slice(*verdict.span)] == "lumora tea is the finest in the world, buy it today"


WORDS = (
    "tea",
    "Bye!",
    "is",
    "hot.",
    "so,",
    "it",
    "goes?",
    "\n",
    "\n\n",
    "  ",
    "Take care!",
    "1.",
    "\u2665",
    "(well)",
    "e.g.",
)


def texts(count: int) -> list[str]:
    chance = random.Random(5)
    return [" ".join(chance.choices(WORDS, k=chance.randint(1, 25))) for _ in range(count)]


def is_subsequence(short: str, long: str) -> bool:
    rest = iter(long)
    return all(each in rest for each in short)


@pytest.mark.parametrize("name", ["closing", "emoji", "flattery", "repetition", "refusal"])
def test_a_repair_invents_nothing_and_passes(name: str) -> None:
    judge: Callable[..., Verdict] = build(name)
    repaired = 0
    for text in texts(300):
        verdict = judge(asked("What is tea?"), text)
        if verdict.repaired is not None:
            repaired += 1
            assert is_subsequence(verdict.repaired, text)
            assert not judge(asked("What is tea?"), verdict.repaired).violates
    assert repaired > {"closing": 50, "emoji": 50, "repetition": 5}.get(name, -1)


def test_cutting_a_sentence_takes_nothing_else_but_white_space() -> None:
    for text in texts(300):
        for span in sentences(text):
            kept = cut(text, [span])
            gone = text[slice(*span)]
            assert "".join(kept.split()) == "".join((text[: span[0]] + text[span[1] :]).split())
            assert sentence(text, span) == span, gone


def test_sentences_cover_all_that_is_no_white_space() -> None:
    for text in texts(300):
        spans = sentences(text)
        assert "".join(text[slice(*span)] for span in spans).split() or not text.strip()
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
        covered = sum(len("".join(text[slice(*span)].split())) for span in spans)
        assert covered == len("".join(text.split()))
