import pytest

from training.judges.instructions import RULES, instructions
from training.judges.verdict import Verdict


def judged(message: str, response: str) -> Verdict:
    return instructions([{"role": "user", "content": message}], response)


BROKEN = [
    ("Explain tea in at most 5 words.", "Tea is a drink. It is hot.", "Tea is a drink."),
    ("Explain tea in five words or less.", "Tea is a drink. It is hot.", "Tea is a drink."),
    ("Explain tea in fewer than six words.", "Tea is a drink. It is hot.", "Tea is a drink."),
    ("Explain tea in under 4 words.", "Tea is a hot drink.", None),
    ("Use at least 10 words: what is tea?", "A drink.", None),
    ("Explain tea in exactly 3 words.", "Tea is hot and good.", None),
    ("What is tea? Answer in one sentence.", "A drink. It is hot.", "A drink."),
    ("Tell me in 4 words: what is tea?", "It is a hot drink.", None),
    ("Limit your answer to five words.", "Tea is a drink. It is hot.", "Tea is a drink."),
    ("What is tea? No commas, please.", "A hot, bitter drink.", "A hot bitter drink."),
    ("What is tea? Don't use any commas.", "A hot, bitter drink.", "A hot bitter drink."),
    ("All lowercase please: what is tea?", "A Drink.", "a drink."),
    ("ANSWER IN ALL CAPS: what is tea?", "A Drink.", "A DRINK."),
    ('What is tea? End your answer with "So be it."', "A drink.", "A drink. So be it."),
    ('What is tea? Start your reply with "Well"', "A drink.", "Well A drink."),
    ('What is tea? Include the word "hot".', "A drink.", None),
    ('What is tea? Do not use the word "hot".', "A drink. It is hot.", "A drink."),
    ("What is tea? Don\u2019t mention \u201chot\u201d.", "It is hot.", None),
    ("Is tea hot? Answer yes or no.", "Yes, it is, mostly.", "Yes"),
    ("Is tea hot? Just yes or no.", "It depends.", None),
    ("No commas, all lowercase: what is tea?", "A hot, bitter drink.", "a hot bitter drink."),
    ("At most 3 words, in lower case: what is tea?", "It Is Hot. Very much so.", "it is hot."),
]


@pytest.mark.parametrize(("message", "response", "repaired"), BROKEN)
def test_what_was_asked_of_the_form_and_is_not_there_violates(
    message: str, response: str, repaired: str | None
) -> None:
    verdict = judged(message, response)
    assert verdict.violates
    assert verdict.repaired == repaired
    assert verdict.span is not None
    assert 0 <= verdict.span[0] < verdict.span[1] <= len(response)
    if repaired is not None:
        assert not judged(message, repaired).violates


@pytest.mark.parametrize(
    ("message", "response"),
    [
        ("Explain tea in exactly 4 words.", "Tea is a drink."),
        ("Explain tea in 4 words or less.", "Tea is hot."),
        ("Answer in one sentence: what is tea?", "A drink."),
        ("Answer in two sentences: what is tea?", "A drink."),
        ("Explain tea in fifty words.", "Tea is a hot drink of leaves."),
        ("Is tea hot? Answer yes or no.", "Yes."),
        ("Don't answer yes or no: is tea hot?", "It depends."),
        ("He said it in ten words or so. Why?", "He was in a hurry."),
        ("How do commas work?", "They part words, clauses, and lists."),
        ("What is a lower case letter?", "A small one, such as Z is not."),
        ('What is tea? End with "bye."', "A drink. Bye!"),
        ("I learnt five words today.", "Good, and which?"),
        ("Can I end the letter with love?", "Yes, You can."),
    ],
)
def test_what_is_as_asked_or_was_not_asked_passes(message: str, response: str) -> None:
    assert judged(message, response) == Verdict(False)


def test_only_the_last_message_asks() -> None:
    conversation = [
        {"role": "user", "content": "No commas from now on."},
        {"role": "assistant", "content": "Good."},
        {"role": "user", "content": "What is tea?"},
    ]
    assert not instructions(conversation, "A hot, bitter drink.").violates


def test_the_reason_names_what_was_asked_for() -> None:
    assert judged("At most 2 words!", "It is so hot.").reason == "was asked for at most 2 words"
    assert len(RULES) == 13
