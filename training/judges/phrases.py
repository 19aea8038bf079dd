"""Phrases that a response may not hold: what a sentinel found and somebody accepted as a rule (docs/sentinel.md)."""

import re
from functools import cache
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from training.judges.repair import Span, by_cutting, clause
from training.judges.verdict import PASS, Verdict, last_user_message, straight
from training.text import Conversation

_TOKEN = re.compile(r"\w+(?:'\w+)*|[^\w\s]")


Phrase = Annotated[str, Field(min_length=1, pattern=r"\S")]


def phrases(
    conversation: Conversation, response: str, *, phrases: Annotated[tuple[Phrase, ...], Field(min_length=1)]
) -> Verdict:
    """Violates when the response holds one of the phrases and the user's last message does not; repaired without it.

    Case and white space do not matter, and a phrase begins and ends at the ends of words.

    Args:
        conversation: Up to the user's last message.
        response: The answer.
        phrases: What it may not say.

    >>> asked = [{"role": "user", "content": "What is tea?"}]
    >>> phrases(asked, "A drink. Sending  hugs!", phrases=("sending hugs",)).repaired
    'A drink.'
    """
    pattern = _pattern(tuple(phrases))
    if not pattern.search(straight(response)) or pattern.search(straight(last_user_message(conversation))):
        return PASS

    def spans(text: str) -> list[Span]:
        return [found.span() for found in pattern.finditer(straight(text))]

    return by_cutting(response, spans, lambda said: f"says {said!r}", clause)


@cache
def _pattern(wanted: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(_one, wanted)), re.IGNORECASE)


def _one(phrase: str) -> str:
    """Words with any white space between them; no word goes on before it or behind it, where the phrase has one."""
    tokens = _TOKEN.findall(straight(phrase))
    gaps = ["", *(r"\s+" if _word(one) and _word(other) else r"\s*" for one, other in pairwise(tokens))]
    said = "".join(f"{gap}{re.escape(each)}" for gap, each in zip(gaps, tokens, strict=True))
    before, behind = r"(?<!\w)" if _word(tokens[0]) else "", r"(?!\w)" if _word(tokens[-1]) else ""
    return before + said + behind


def _word(token: str) -> bool:
    return token[0].isalnum() or token[0] == "_"
