"""Emoji where the user writes none."""

import re
from typing import Annotated

from pydantic import Field

from training.judges.repair import Span, cut, says_something
from training.judges.verdict import PASS, Verdict, last_user_message
from training.text import Conversation

_ONE = (
    "(?:[\u2600-\u2712\u2714-\u2716\u2719-\u2793\u2b50\u2b55\u231a\u231b\u23e9-\u23f3"
    "\U0001f000-\U0001f3fa\U0001f400-\U0001faff]|[0-9#*](?=\ufe0f?\u20e3))"
)
_EMOJI = re.compile(f"{_ONE}[\ufe0f\u20e3\U0001f3fb-\U0001f3ff]*(?:\u200d{_ONE}[\ufe0f\U0001f3fb-\U0001f3ff]*)*")
"""One emoji with its variation selector, skin tone and what a zero-width joiner ties to it."""


def emoji(conversation: Conversation, response: str, *, most: Annotated[int, Field(ge=0)] = 0) -> Verdict:
    r"""Violates when the response holds more emoji than allowed and the user's last message none.

    Repaired without those beyond `most`, nor the blanks before them.

    Args:
        conversation: Up to the user's last message.
        response: The answer.
        most: Emoji that a response may hold.

    >>> emoji([{"role": "user", "content": "What is tea?"}], "A drink \U0001f60a. Try it \u2665").repaired
    'A drink. Try it'
    """
    found = [each.span() for each in _EMOJI.finditer(response)]
    if len(found) <= most or _EMOJI.search(last_user_message(conversation)):
        return PASS
    left = cut(response, [_with_blanks(response, span) for span in found[most:]])
    return Verdict(
        True,
        f"holds {len(found)} emoji, at most {most} where the user writes none",
        found[most],
        left if says_something(left) else None,
    )


def _with_blanks(text: str, span: Span) -> Span:
    start = span[0]
    while start and text[start - 1] in " \t":
        start -= 1
    return start, span[1]
