"""How a conversation and its response become model input, for any tokenizer; reward models and callers share it.

A tokenizer with a chat template speaks its own format. Any other gets numbered, role-marked lines: an encoder reads a
window of the end of a conversation, and the number tells it how much lies before that window.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from training import pretrained, template

Conversation = template.Conversation

_ROLES = {"user": "User", "assistant": "Assistant", "system": "System"}


def parse(conversations: Iterable[Any]) -> list[list[dict[str, str]]]:
    """Read the column `conversation`: JSON text, or lists of turns.

    Raises:
        ValueError: A row holds no list of turns with role and content; names the first (from 1).
    """
    return [_turns(each, f"row {row:,}: conversation") for row, each in enumerate(conversations, 1)]


def parse_responses(responses: Iterable[Any]) -> list[str]:
    """Read the column `response`.

    Raises:
        ValueError: A row holds no text; names the first (from 1).
    """
    texts = [*responses]
    for row, text in enumerate(texts, 1):
        if not isinstance(text, str):
            raise ValueError(f"row {row:,}: response is {text!r}, must be a text: leave out rows without an answer")
    return texts


def _turns(value: Any, place: str) -> list[dict[str, str]]:
    try:
        turns = json.loads(value) if isinstance(value, str) else value
        if isinstance(value, str) and "\\ud" in value.lower():
            json.dumps(turns, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError(f"{place} holds half a character (a lone surrogate), must be valid Unicode") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{place} is {_short(value)}, must be JSON ({error})") from None
    if not (isinstance(turns, list) and turns and all(_is_turn(turn) for turn in turns)):
        rule = "must be a list of turns, each with role and content, both texts"
        raise ValueError(f"{place} is {_short(value)}, {rule}: leave out rows without a conversation")
    return turns


def _is_turn(turn: Any) -> bool:
    return isinstance(turn, dict) and isinstance(turn.get("role"), str) and isinstance(turn.get("content"), str)


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 80 else f"{said[:77]}..."


def plain(conversation: Conversation, response: str) -> str:
    r"""Numbered, role-marked lines, for a tokenizer without a chat template.

    >>> plain([{"role": "user", "content": "Hello!"}], "Hi there.")
    '1 User: Hello!\n2 Assistant: Hi there.'
    """
    turns = whole(conversation, response)
    return "\n".join(
        f"{place} {_ROLES.get(turn['role'], turn['role'].capitalize())}: {turn['content']}"
        for place, turn in enumerate(turns, 1)
    )


class Trimmed(NamedTuple):
    """Pairs as token ids, and what did not fit.

    Attributes:
        ids: Of each pair.
        cut: Rows that lost their beginning, ascending.
        without_question: Those of them that lost the whole of the user's last message.
    """

    ids: list[list[int]]
    cut: list[int]
    without_question: list[int]


def encode(
    tokenizer: Any, conversations: Sequence[Conversation], responses: Sequence[str], *, max_tokens: int
) -> list[list[int]]:
    """Token ids of each pair, at most `max_tokens` of them; what is too long loses its beginning, never its end.

    A chat template writes its own special tokens; without one the tokenizer's are added around the text.

    Raises:
        ValueError: A chat template that refuses a conversation (see `template`), or a tokenizer that cuts on the right.
    """
    return trimmed(tokenizer, conversations, responses, max_tokens=max_tokens).ids


def trimmed(
    tokenizer: Any, conversations: Sequence[Conversation], responses: Sequence[str], *, max_tokens: int
) -> Trimmed:
    """As `encode`, with what was cut."""
    if not responses:
        return Trimmed([], [], [])
    pairs, own = [*zip(conversations, responses, strict=True)], bool(tokenizer.chat_template)
    if not own and tokenizer.truncation_side != "left":
        raise ValueError(
            f"truncation_side == {tokenizer.truncation_side!r}, must be 'left': load it with load_tokenizer"
        )
    texts = template.spoken(tokenizer, [whole(*each) for each in pairs]) if own else [plain(*each) for each in pairs]
    ids = _ids(tokenizer, texts, add_special_tokens=not own)
    cut = [row for row, each in enumerate(ids) if len(each) > max_tokens]
    if not cut:
        return Trimmed(ids, [], [])
    if own:
        kept = [ids[row][-max_tokens:] for row in cut]
    else:
        kept = _ids(tokenizer, [texts[row] for row in cut], truncation=True, max_length=max_tokens)
    for row, each in zip(cut, kept, strict=True):
        ids[row] = each
    room = max_tokens - (0 if own else tokenizer.num_special_tokens_to_add())
    tails = _ids(tokenizer, [_after_question(texts[row], *pairs[row]) for row in cut], add_special_tokens=False)
    return Trimmed(ids, cut, [row for row, tail in zip(cut, tails, strict=True) if len(tail) >= room])


def _ids(tokenizer: Any, texts: list[str], **options: Any) -> list[list[int]]:
    found: list[list[int]] = tokenizer(texts, verbose=False, **options)["input_ids"]
    return found


def whole(conversation: Conversation, response: str) -> list[Mapping[str, str]]:
    """Both as one conversation, as a reward model reads it."""
    return [*conversation, {"role": "assistant", "content": response}]


def _after_question(text: str, conversation: Conversation, response: str) -> str:
    """What follows the user's last message in a pair's text; the response where a template rewrote that message."""
    asked = [turn["content"].strip() for turn in conversation if turn["role"] == "user"]
    place = text.rfind(asked[-1], 0, max(0, text.rfind(response.strip()))) if asked and asked[-1] else -1
    return text[place + len(asked[-1]) :] if place >= 0 else response


def load_tokenizer(base: str) -> Any:
    """The tokenizer of a local directory or hub name: truncates on the left, pads on the right, and has a pad token."""
    from transformers import AutoTokenizer

    tokenizer = pretrained.load(AutoTokenizer, base)
    tokenizer.truncation_side = "left"
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def opens(conversation: Conversation) -> bool:
    """Whether the assistant has not spoken yet: a first turn, system message or not.

    >>> opens([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}])
    True
    """
    return all(turn["role"] != "assistant" for turn in conversation)
