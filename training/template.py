"""A conversation as one text by a tokenizer's chat template, also where the template refuses its turns as they came.

Chat logs hold turns that some templates refuse: Gemma's knows no system turn, and Mistral's wants user and assistant by
turns, the user first. What is refused is tried again in other forms, and the first that passes is taken, so that no
more is changed than need be:

1. Neighbours of one role become one turn, a blank line between them.
2. Turns of any role but user and assistant become the user's, and are joined as in 1: a system turn is folded into the
   first user turn.
3. Where the assistant speaks first, a user's turn without words goes before it.

None of them loses a word. `changed` counts beforehand what will be told otherwise than it came.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Conversation = Sequence[Mapping[str, str]]
"""Turns of `role` (`system`, `user`, `assistant`, or another that a log may hold) and `content`, in order."""
Turns = list[dict[str, str]]
_SHOWN = 5
"""Rows that an error names."""


def spoken(tokenizer: Any, conversations: Sequence[Conversation], *, prompt: bool = False) -> list[str]:
    """The text of each conversation.

    Args:
        tokenizer: With a chat template.
        conversations: Turns of role and content.
        prompt: Whether to end with what the assistant's next turn begins with.

    Raises:
        ValueError: The template refuses every form of some of them; names their rows (from 1), what the template said,
            and what to do.
    """
    found = [_accepted(tokenizer, conversation, prompt=prompt) for conversation in conversations]
    refused = {row: each for row, each in enumerate(found, 1) if isinstance(each, Exception)}
    if refused:
        raise _refusal(tokenizer, refused, conversations)
    return [each[1] for each in found if not isinstance(each, Exception)]


def changed(tokenizer: Any, conversations: Sequence[Conversation]) -> int:
    """How many conversations the template refuses as they came, and gets in another form.

    Nothing where the tokenizer has no template. Templates look at roles, so each order of roles is tried once.

    Raises:
        ValueError: As `spoken`, before anything is trained.
    """
    if not tokenizer.chat_template:
        return 0
    orders: dict[tuple[str, ...], list[int]] = {}
    for row, conversation in enumerate(conversations, 1):
        orders.setdefault(tuple(turn["role"] for turn in conversation), []).append(row)
    tried = {rows[0]: _accepted(tokenizer, conversations[rows[0] - 1], prompt=False) for rows in orders.values()}
    refused = {row: each for rows in orders.values() for row in rows if isinstance(each := tried[rows[0]], Exception)}
    if refused:
        raise _refusal(tokenizer, dict(sorted(refused.items())), conversations)
    forms = {first: each[0] for first, each in tried.items() if not isinstance(each, Exception)}
    return sum(len(rows) for rows in orders.values() if forms[rows[0]])


def words(number: int, of: int) -> str:
    """What is told of conversations that were changed; nothing where none was.

    >>> words(3, 600)
    '3 of 600 conversations are given to the chat template in another form, since it refuses theirs'
    """
    told = f"{number:,} of {of:,} conversations are given to the chat template in another form, since it refuses theirs"
    return told if number else ""


def _accepted(tokenizer: Any, conversation: Conversation, *, prompt: bool) -> tuple[int, str] | Exception:
    """The number of the first form that the template takes (0: as it came), and its text; else what the template said.

    One that writes nothing has refused, too.
    """
    said: Exception | None = None
    for number, form in enumerate(_FORMS):
        turns = form(conversation)
        try:
            text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=prompt)
        except Exception as error:  # a template is a program from elsewhere: it raises what it likes
            said = said or error
            continue
        if text:
            return number, str(text)
        said = said or ValueError("it writes nothing")
    return said or ValueError("no form")


def _as_it_came(conversation: Conversation) -> Turns:
    return [dict(turn) for turn in conversation]


def _joined(conversation: Sequence[Mapping[str, str]]) -> Turns:
    r"""Neighbours of one role as one turn.

    >>> _joined([{"role": "user", "content": "hi"}, {"role": "user", "content": "there?"}])
    [{'role': 'user', 'content': 'hi\n\nthere?'}]
    """
    turns: Turns = []
    for turn in conversation:
        if turns and turns[-1]["role"] == turn["role"]:
            turns[-1]["content"] = "\n\n".join(filter(None, (turns[-1]["content"], turn["content"])))
        else:
            turns.append(dict(turn))
    return turns


def _of_two(conversation: Conversation) -> Turns:
    """Turns of user and assistant alone."""
    return _joined([turn if turn["role"] == "assistant" else {**turn, "role": "user"} for turn in conversation])


def _user_first(conversation: Conversation) -> Turns:
    turns = _of_two(conversation)
    return turns if turns and turns[0]["role"] == "user" else [{"role": "user", "content": ""}, *turns]


_FORMS: tuple[Callable[[Any], Turns], ...] = (_as_it_came, _joined, _of_two, _user_first)


def _refusal(tokenizer: Any, refused: Mapping[int, Exception], conversations: Sequence[Conversation]) -> ValueError:
    rows = [*refused]
    named = ", ".join(f"{row:,}" for row in rows[:_SHOWN]) + (", ..." if len(rows) > _SHOWN else "")
    roles = ", ".join(turn["role"] for turn in conversations[rows[0] - 1]) or "no turn"
    return ValueError(
        f"the chat template of {tokenizer.name_or_path or 'the tokenizer'} refuses {len(rows):,} of "
        f"{len(conversations):,} conversations (row{'s' if len(rows) > 1 else ''} {named}; "
        f"turns of row {rows[0]:,}: {roles}): {refused[rows[0]]}. It must take turns of user and assistant: "
        "leave those rows out, or take a base with another template"
    )
