"""Conversations as tokens, and padded tensors of them: what pretraining, likelihoods and optimisation share."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from training import template
from training.text import Conversation

WHOLE = 2**31
"""A length that cuts nothing."""


class EncodedAnswer(NamedTuple):
    """A prompt and a response as one sequence.

    Attributes:
        ids: int64, shape [length]; prompt tokens, then response tokens with the end token.
        prompt: How many of them are the prompt's.
        cut: Tokens that did not fit: of the prompt's beginning, and of the response's end.
    """

    ids: np.ndarray
    prompt: int
    cut: tuple[int, int] = (0, 0)


def encode_prompts(tokenizer: Any, conversations: Sequence[Conversation], longest: int) -> list[list[int]]:
    """Token ids of each conversation up to where the assistant speaks; the oldest tokens beyond `longest` are cut.

    Raises:
        ValueError: The chat template refuses a conversation in every form, see `template`.
    """
    drawn = template.spoken(tokenizer, conversations, prompt=True)
    encoded = tokenizer(drawn, add_special_tokens=False, return_attention_mask=False).input_ids if drawn else []
    return [ids[-longest:] for ids in encoded]


def encode_pairs(
    tokenizer: Any, conversations: Sequence[Conversation], responses: Sequence[str], longest: int
) -> list[EncodedAnswer]:
    """Encode (conversation, response) pairs, each closed by the end token and at most `longest` tokens long.

    A response keeps at most half of the room; a prompt loses its oldest tokens.
    """
    tokens = (
        tokenizer(list(responses), add_special_tokens=False, return_attention_mask=False).input_ids if responses else []
    )
    prompts = encode_prompts(tokenizer, conversations, WHOLE)
    return [_fitted(*each, tokenizer.eos_token_id, longest) for each in zip(prompts, tokens, strict=True)]


def _fitted(prompt: list[int], response: list[int], end: int, longest: int) -> EncodedAnswer:
    answer = [*response[: longest // 2 - 1], end]
    room = longest - len(answer)
    cut = max(0, len(prompt) - room), len(response) + 1 - len(answer)
    return join(prompt[-room:], answer)._replace(cut=cut)


def cut_words(pairs: Sequence[EncodedAnswer], longest: int) -> str:
    """How many pairs did not fit, in a sentence; nothing where all did.

    >>> pair = EncodedAnswer(np.arange(8), 4)
    >>> cut_words([pair, pair, pair._replace(cut=(3, 0)), pair._replace(cut=(0, 1))], 8)
    '2 of 4 conversations have more than 8 tokens: 1 lost the beginning of the prompt, 1 the end of the response'
    """
    prompts, responses = (sum(each.cut[place] > 0 for each in pairs) for place in (0, 1))
    rows = sum(any(each.cut) for each in pairs)
    if not rows:
        return ""
    told = f"{rows:,} of {len(pairs):,} conversations have more than {longest:,} tokens"
    lost = f"{prompts:,} lost the beginning of the prompt, {responses:,} the end of the response"
    return f"{'WARNING: ' if 2 * rows > len(pairs) else ''}{told}: {lost}"


def join(prompt: Sequence[int], response: Sequence[int]) -> EncodedAnswer:
    """One sequence of a prompt's and a response's tokens."""
    return EncodedAnswer(np.asarray([*prompt, *response], dtype=np.int64), len(prompt))


def padded(sequences: Sequence[EncodedAnswer], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
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
