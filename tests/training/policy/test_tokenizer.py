from pathlib import Path

import pytest
from transformers import AutoTokenizer

from training.policy.tokenizer import UNKNOWN, build_tokenizer

TEXTS = ["what does the fox eat?", "the fox eats berries, it's true. 😊 (yes)", 'hello... "you"']


@pytest.mark.parametrize("text", [*TEXTS, "", "it's the fox (yes)..."])
def test_decoding_gives_back_what_was_encoded(text: str) -> None:
    tokenizer = build_tokenizer(TEXTS, size=100)
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_case_and_runs_of_spaces_are_not_kept() -> None:
    tokenizer = build_tokenizer(TEXTS, size=100)
    assert tokenizer.decode(tokenizer(" The  FOX\n eats").input_ids) == "the fox eats"


def test_one_word_is_one_token_and_an_unseen_one_is_unknown() -> None:
    tokenizer = build_tokenizer(TEXTS, size=100)
    ids = tokenizer("the zebra eats").input_ids
    assert len(ids) == 3
    assert ids[1] == tokenizer.convert_tokens_to_ids(UNKNOWN)


def test_the_vocabulary_is_capped_at_the_most_frequent_words() -> None:
    tokenizer = build_tokenizer(["fox fox fox owl owl bee"], size=8)
    assert len(tokenizer) == 8
    assert {" fox", " owl"} <= set(tokenizer.get_vocab())


def test_every_turn_of_a_conversation_is_closed_and_the_assistant_is_asked() -> None:
    tokenizer = build_tokenizer(TEXTS, size=100)
    talk = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "eat"},
    ]
    shown = tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
    assert shown == "<|user|>hello<|end|><|assistant|>yes<|end|><|user|>eat<|end|><|assistant|>"


def test_a_saved_tokenizer_reads_the_same(tmp_path: Path) -> None:
    tokenizer = build_tokenizer(TEXTS, size=100)
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again("hello, the fox!").input_ids == tokenizer("hello, the fox!").input_ids
    assert again.chat_template == tokenizer.chat_template
    assert again.decode(again("the fox, it's").input_ids) == "the fox, it's"
