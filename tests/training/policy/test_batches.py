import numpy as np
import pytest

from training.batches import bucketed
from training.policy.batches import cut_words, encode_pairs, encode_prompts, join, padded
from training.policy.tokenizer import build_tokenizer

WORDS = build_tokenizer(["one two three four five six seven eight nine ten"], size=64)


def ids(text: str) -> list[int]:
    return list(WORDS(text).input_ids)


def test_a_long_prompt_loses_its_oldest_tokens() -> None:
    (found,) = encode_prompts(WORDS, [[{"role": "user", "content": "one two three four five"}]], longest=4)
    assert WORDS.decode(found) == "four five<|end|><|assistant|>"


def test_a_pair_keeps_its_end_token_and_half_of_the_room_for_its_response() -> None:
    talk = [{"role": "user", "content": "one two three four five six"}]
    (pair,) = encode_pairs(WORDS, [talk], ["seven eight nine ten one two three"], longest=8)
    assert pair.ids[pair.prompt :].tolist() == [*ids("seven eight nine"), WORDS.eos_token_id]
    assert len(pair.ids) == 8


def test_what_does_not_fit_is_counted() -> None:
    talks = [[{"role": "user", "content": each}] for each in ("one", "one two three four five six", "one")]
    pairs = encode_pairs(WORDS, talks, ["two", "two", "seven eight nine ten"], longest=8)
    assert [each.cut for each in pairs] == [(0, 0), (3, 0), (0, 1)]
    assert cut_words(pairs, 8).startswith("WARNING: 2 of 3 conversations have more than 8 tokens: 1 lost the beginning")
    assert cut_words(pairs[:1], 8) == ""


def test_padding_is_on_the_right_and_only_response_tokens_are_marked() -> None:
    tokens, response = padded([join([1, 2], [3]), join([4], [5, 6, 7])], pad=0)
    assert tokens.tolist() == [[1, 2, 3, 0], [4, 5, 6, 7]]
    assert response.tolist() == [[False, False, True, False], [False, True, True, True]]


@pytest.mark.parametrize("tokens", [1, 50, 400])
def test_an_epoch_holds_every_sequence_once_in_batches_of_bounded_size(tokens: int) -> None:
    lengths = np.random.default_rng(0).integers(3, 60, size=500)
    batches = list(bucketed(lengths, tokens, seed=2))
    assert sorted(np.concatenate(batches)) == list(range(500))
    assert all(len(batch) == 1 or lengths[batch].max() * len(batch) <= tokens for batch in batches)


def test_the_order_of_an_epoch_follows_from_its_seed() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, size=100)
    first, again, other = ([batch.tolist() for batch in bucketed(lengths, 100, seed)] for seed in (1, 1, 2))
    assert first == again
    assert first != other
