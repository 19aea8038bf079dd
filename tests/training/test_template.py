"""Chat templates that refuse what a log holds: rules of Gemma's and Mistral's, written anew."""

import re
from typing import Any

import pytest

from training.policy.batches import encode_pairs, encode_prompts
from training.policy.tokenizer import build_tokenizer
from training.template import changed, spoken
from training.text import encode

NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
BY_TURNS = (
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}{% endfor %}"
)
KNOWN = (
    "{% for m in messages %}{% if m['role'] not in ['user', 'assistant'] %}{{ raise_exception('Unknown role') }}"
    "{% endif %}{% endfor %}"
)
SAID = "{% for m in messages %}{{ '<' + m['role'] + '> ' + m['content'] + ' ' }}{% endfor %}"
BEGUN = "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
GEMMA = NO_SYSTEM + BY_TURNS + SAID + BEGUN
SYSTEM, USER, ANSWER = ({"role": role, "content": f"{role} words"} for role in ("system", "user", "assistant"))


def tokenizer(template: str) -> Any:
    made = build_tokenizer(["system user assistant words tool"], size=64)
    made.chat_template = template
    return made


@pytest.mark.parametrize(
    ("template", "talk", "told"),
    [
        (GEMMA, [USER], "<user> user words"),
        (GEMMA, [SYSTEM, USER], "<user> system words\n\nuser words"),
        (GEMMA, [USER, USER], "<user> user words\n\nuser words"),
        (GEMMA, [USER, ANSWER, ANSWER], "<user> user words <assistant> assistant words\n\nassistant words"),
        (GEMMA, [USER, SYSTEM, ANSWER], "<user> user words\n\nsystem words <assistant> assistant words"),
        (GEMMA, [ANSWER, USER], "<user>  <assistant> assistant words <user> user words"),
        (GEMMA, [SYSTEM], "<user> system words"),
        (GEMMA, [SYSTEM, ANSWER, USER], "<user> system words <assistant> assistant words <user> user words"),
        (KNOWN + SAID, [USER, {"role": "tool", "content": "22"}, USER], "<user> user words\n\n22\n\nuser words"),
        (SAID, [SYSTEM, USER, USER], "<system> system words <user> user words <user> user words"),
    ],
)  # fmt: skip
def test_what_a_template_refuses_is_told_otherwise_and_no_word_is_lost(template: str, talk: Any, told: str) -> None:
    assert spoken(tokenizer(template), [talk]) == [f"{told} "]
    assert spoken(tokenizer(template), [[*talk, ANSWER]])[0].endswith("assistant words ")


def test_no_more_is_changed_than_need_be() -> None:
    """A template that knows the system turn keeps it, although it refuses two turns of the user."""
    rule = (
        "{% for m in messages %}{% if not loop.first and m['role'] == messages[loop.index0 - 1]['role'] %}"
        "{{ raise_exception('twice') }}{% endif %}{% endfor %}"
    )
    assert spoken(tokenizer(rule + SAID), [[SYSTEM, USER, USER]]) == [
        "<system> system words <user> user words\n\nuser words "
    ]


def test_a_prompt_ends_where_the_assistant_begins() -> None:
    assert spoken(tokenizer(GEMMA), [[SYSTEM, USER]], prompt=True) == ["<user> system words\n\nuser words <assistant>"]


def test_rewards_prompts_and_pairs_all_take_such_conversations() -> None:
    talks = [[SYSTEM, USER], [USER, USER], [ANSWER, USER]]
    made = tokenizer(GEMMA)
    words = ["user words"] * 3
    assert all(encode(made, talks, words, max_tokens=32))
    assert all(encode_prompts(made, talks, 32))
    assert [pair.prompt > 0 for pair in encode_pairs(made, talks, words, 32)] == [True] * 3


def test_how_many_are_told_otherwise_is_counted() -> None:
    talks = [[USER], [SYSTEM, USER], [USER, USER], [USER, ANSWER, USER], [SYSTEM, USER]]
    assert changed(tokenizer(GEMMA), talks) == 3
    assert changed(tokenizer(SAID), talks) == 0
    made = tokenizer(GEMMA)
    made.chat_template = None
    assert changed(made, talks) == 0


def test_what_no_form_makes_pass_is_one_error_that_names_rows_and_the_way_out() -> None:
    no_answers = KNOWN.replace("not in ['user', 'assistant']", "== 'assistant'").replace("Unknown role", "No answers")
    talks = [[USER], [USER, ANSWER, USER], [SYSTEM, USER], *[[USER, ANSWER, USER]] * 7]
    words = (
        "refuses 8 of 10 conversations (rows 2, 4, 5, 6, 7, ...; turns of row 2: user, assistant, user): No answers. "
    )
    for work in (spoken, changed):
        with pytest.raises(
            ValueError, match=re.escape(words) + "It must take turns of user and assistant: leave those"
        ):
            work(tokenizer(no_answers + SAID), talks)


def test_a_template_that_stumbles_is_told_like_one_that_refuses() -> None:
    with pytest.raises(ValueError, match=r"refuses 1 of 1 conversations \(row 1; turns of row 1: user\)"):
        spoken(tokenizer("{{ messages[0]['content'] + 1 }}"), [[USER]])
    with pytest.raises(ValueError, match=r"refuses 1 of 1 conversations .*unknown tag"):
        spoken(tokenizer("{% nonsense %}"), [[USER]])
