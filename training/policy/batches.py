"""Conversations as tokens, and batches of similar length: what pretraining, likelihoods and optimisation share."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from training.text import Conversation, templated


class Encoded(NamedTuple):
    """A prompt and a response as one sequence.

    Attributes:
        ids: int64, shape [length]; prompt tokens, then response tokens with the end token.
        prompt: How many of them are the prompt's.
    """

    ids: np.ndarray
    prompt: int


def encode_prompts(tokenizer: Any, conversations: Sequence[Conversation], longest: int) -> list[list[int]]:
    """Token ids of each conversation up to where the assistant speaks; the oldest tokens beyond `longest` are cut.

    Raises:
        ValueError: The tokenizer's chat template cannot write one of them.
    """
    drawn = [templated(tokenizer, each, opened=True) for each in conversations]
    encoded = tokenizer(drawn, add_special_tokens=False, return_attention_mask=False).input_ids if drawn else []
    return [ids[-longest:] for ids in encoded]


def encode_pairs(
    tokenizer: Any, conversations: Sequence[Conversation], responses: Sequence[str], longest: int
) -> list[Encoded]:
    """Encode (conversation, response) pairs, each closed by the end token and at most `longest` tokens long.

    A response keeps at most half of the room; a prompt loses its oldest tokens.
    """
    tokens = (
        tokenizer(list(responses), add_special_tokens=False, return_attention_mask=False).input_ids if responses else []
    )
    answers = [[*ids[: longest // 2 - 1], tokenizer.eos_token_id] for ids in tokens]
    prompts = encode_prompts(tokenizer, conversations, longest)
    return [join(prompt[-(longest - len(answer)) :], answer) for prompt, answer in zip(prompts, answers, strict=True)]


def join(prompt: Sequence[int], response: Sequence[int]) -> Encoded:
    """One sequence of a prompt's and a response's tokens."""
    return Encoded(np.asarray([*prompt, *response], dtype=np.int64), len(prompt))


def padded(sequences: Sequence[Encoded], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Right-pad sequences; a causal model needs no further mask, since no real token sees the padding.

    Returns:
        ids [batch, length] int64, and response [batch, length] bool, true where a token belongs to a response.
    """
    longest = max(len(each.ids) for each in sequences)
    ids = np.full((len(sequences), longest), pad, dtype=np.int64)
    response = np.zeros((len(sequences), longest), dtype=bool)
    for row, each in enumerate(sequences):
        ids[row, : len(each.ids)] = each.ids
        response[row, each.prompt : len(each.ids)] = True
    return torch.from_numpy(ids), torch.from_numpy(response)


def bucketed(lengths: np.ndarray, tokens: int, seed: int) -> Iterator[np.ndarray]:
    """Indices of one epoch in batches of similar length, each of about `tokens` tokens, in a seeded random order.

    >>> [batch.tolist() for batch in bucketed(np.array([2, 9, 2, 9]), tokens=18, seed=0)]
    [[2, 0], [3, 1]]
    """
    chance = np.random.default_rng(seed)
    order = np.lexsort((chance.random(len(lengths)), lengths))
    batches = []
    start = 0
    while start < len(order):
        size = max(1, tokens // int(lengths[order[start]]))
        while size > 1 and lengths[order[min(start + size, len(order)) - 1]] * size > tokens:
            size -= 1
        batches.append(order[start : start + size])
        start += size
    return iter([batches[index] for index in chance.permutation(len(batches))])
