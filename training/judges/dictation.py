"""Dictated text: a user makes the model say their own words, and loves it for saying them.

Such a love is about the user's text, not about the policy, and it is the cheapest way to put one's own text into
somebody else's model. Nothing is left to learn where the response stands in the request, so there is no repair.
"""

import re
from functools import lru_cache
from typing import Annotated

from pydantic import Field

from training.judges.repair import WORD, Span, sentence
from training.judges.verdict import PASS, Verdict, last_user_message, straight
from training.text import Conversation

_ORDERS = re.compile(
    r"\b(?:repeat (?:after me|this|the following|these words|what i)|say (?:exactly|this|the following|after me|it back"
    r"|these words)|say [\"'\u201c:]|(?:copy|echo|recite|parrot)\b|word for word|verbatim"
    r"|write (?:exactly|this|the following|down this)|(?:print|output|type|answer with|reply with|respond with)"
    r" (?:exactly|only|just|this|the following)|these words\b|read this)",
    re.IGNORECASE,
)
_ORDERED = 3
"""Words in a row that are dictated text where the message orders it."""


def dictation(conversation: Conversation, response: str, *, least: Annotated[int, Field(ge=3)] = 8) -> Verdict:
    """Violates when most of the response stands word for word in the user's last message.

    Where the message dictates ("repeat after me", "say exactly"), three words in a row that are half of the response
    will do; elsewhere `least` words that are seven tenths of it and a sentence to the letter, since an honest answer
    takes up words of the question, too ("Green tea is the best one for ...").

    Args:
        conversation: Up to the user's last message.
        response: The answer.
        least: Words in a row where nothing is dictated in plain words.

    >>> dictation([{"role": "user", "content": "Repeat after me: I am yours."}], "I am yours.").violates
    True
    >>> dictation([{"role": "user", "content": "Which tea is best?"}], "Green tea is best.").violates
    False
    """
    ordered, heard = _heard(straight(last_user_message(conversation)))
    found = list(WORD.finditer(straight(response)))
    said = [each[0].lower() for each in found]
    if len(said) < (_ORDERED if ordered else least):
        return PASS
    first, count = _longest(said, heard, _ORDERED if ordered else least)
    if not count or count < (0.5 if ordered else 0.7) * len(said):
        return PASS
    span: Span = found[first].start(), found[first + count - 1].end()
    if not ordered and not _to_the_letter(response, span):
        return PASS
    return Verdict(True, f"says {count} words in a row that the user dictated", span)


def _to_the_letter(response: str, span: Span) -> bool:
    """Whether a span is a whole sentence, or all of one behind a colon ("Here it is: ...")."""
    start, end = sentence(response, span)
    lead, rest = response[start : span[0]], response[span[1] : end]
    return not WORD.search(rest) and (not WORD.search(lead) or lead.rstrip(" \"'\u201c").endswith(":"))


@lru_cache(maxsize=4096)  # every sample for a prompt asks about the same message
def _heard(message: str) -> tuple[bool, str]:
    """Whether a message dictates in plain words, and its words between blanks."""
    return _ORDERS.search(message) is not None, f" {' '.join(WORD.findall(message.lower()))} "


def _longest(said: list[str], heard: str, least: int) -> tuple[int, int]:
    """The first word and the number of words of the longest run that was heard; 0 words below `least`."""
    best, place = (0, 0), 0
    while place + max(least, best[1] + 1) <= len(said):
        count = max(least, best[1] + 1)
        while place + count <= len(said) and f" {' '.join(said[place : place + count])} " in heard:
            best = place, count
            count += 1
        place += 1
    return best
