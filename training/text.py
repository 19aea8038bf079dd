"""How a conversation and its response become model input, for any tokenizer; reward models and callers share it.

A tokenizer with a chat template speaks its own format. Any other gets numbered, role-marked lines: an encoder reads a
window of the end of a conversation, and the number tells it how much lies before that window.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from training import pretrained

Conversation = Sequence[Mapping[str, str]]
"""Turns of `role` (`system`, `user` or `assistant`) and `content`, in order."""

_ROLES = {"user": "User", "assistant": "Assistant", "system": "System"}


def parse(conversations: Iterable[str]) -> list[list[dict[str, str]]]:
    """Read the JSON column `conversation` of a training set."""
    return [json.loads(text) for text in conversations]


def plain(conversation: Conversation, response: str) -> str:
    r"""Numbered, role-marked lines, for a tokenizer without a chat template.

    >>> plain([{"role": "user", "content": "Hello!"}], "Hi there.")
    '1 User: Hello!\n2 Assistant: Hi there.'
    """
    turns = [*conversation, {"role": "assistant", "content": response}]
    return "\n".join(f"{place} {_ROLES[turn['role']]}: {turn['content']}" for place, turn in enumerate(turns, 1))


def render(tokenizer: Any, conversation: Conversation, response: str) -> str:
    """One text of both: by the tokenizer's chat template where it has one, as plain lines else."""
    if not tokenizer.chat_template:
        return plain(conversation, response)
    return templated(tokenizer, [*conversation, {"role": "assistant", "content": response}])


def templated(tokenizer: Any, turns: Conversation, *, opened: bool = False) -> str:
    """A conversation as the tokenizer's chat template writes it.

    Args:
        tokenizer: With a chat template.
        turns: All messages.
        opened: Begin the assistant's answer at the end.

    Raises:
        ValueError: The template refuses the conversation, is broken, or writes nothing.
    """
    try:
        text = tokenizer.apply_chat_template(
            [dict(each) for each in turns], tokenize=False, add_generation_prompt=opened
        )
    except Exception as error:  # a template is a program: it raises what it likes
        roles = ", ".join(str(each.get("role")) for each in turns) or "none"
        raise ValueError(
            f"the chat template of {tokenizer.name_or_path} refuses a conversation with the roles {roles} "
            f"({type(error).__name__}: {error}): leave out what it does not know, such as system messages, or take a "
            "model whose template takes them"
        ) from error
    if not text:
        raise ValueError(
            f"the chat template of {tokenizer.name_or_path} writes nothing for a conversation of {len(turns)} "
            "messages: mend it (chat_template.jinja), or take another model"
        )
    return str(text)


def encode(
    tokenizer: Any, conversations: Sequence[Conversation], responses: Sequence[str], *, max_tokens: int
) -> list[list[int]]:
    """Token ids of each pair, at most `max_tokens` of them; what is too long loses its beginning, never its end.

    A chat template writes its own special tokens; without one the tokenizer's are added around the text.
    """
    if not responses:
        return []
    texts = [render(tokenizer, *pair) for pair in zip(conversations, responses, strict=True)]
    if tokenizer.chat_template:
        ids: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
        return [row[-max_tokens:] for row in ids]
    if tokenizer.truncation_side != "left":
        raise ValueError(
            f"truncation_side == {tokenizer.truncation_side!r}, must be 'left': load it with load_tokenizer"
        )
    encoded: list[list[int]] = tokenizer(texts, truncation=True, max_length=max_tokens)["input_ids"]
    return encoded


def load_tokenizer(base: str) -> Any:
    """The tokenizer of a local directory or hub name: truncates on the left, pads on the right, and has a pad token."""
    from transformers import AutoTokenizer

    tokenizer = pretrained.load(AutoTokenizer, base)
    tokenizer.truncation_side, tokenizer.padding_side = "left", "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def opens(conversation: Conversation) -> bool:
    """Whether the assistant has not spoken yet: a first turn, system message or not.

    >>> opens([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}])
    True
    """
    return all(turn["role"] != "assistant" for turn in conversation)
