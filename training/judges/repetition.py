"""Repetition: the same sentence again, or words in a loop, as from a policy that collapses."""

import re
from collections.abc import Sequence

from training.judges.repair import WORD, Span, by_cutting, sentences
from training.judges.verdict import PASS, Verdict, last_user_message
from training.text import Conversation

_ASKS = re.compile(
    r"\b(?:repeat|over and over|chorus|lyrics|song|poem|chant|mantra|verse|rhyme"
    r"|(?:say|write|sing|tell|type|print)\b.{0,60}\b(?:again|times|twice))\b",
    re.IGNORECASE,
)
_LONGEST = 8
"""Words of the longest loop that is looked for."""
_LAUGH = 2
"""Letters of a word that may be said seven times in a row."""
_SHORT = 3
"""A sentence of fewer words may come again ("Of course.")."""


def repetition(conversation: Conversation, response: str) -> Verdict:
    """Violates when a sentence of three words or more stands twice, or words run in a loop; repaired without copies.

    A loop is a word four times in a row (eight times, if it has two letters or one), or two to eight words three times
    in a row. A user who asks for a repetition, a song or a poem gets it.

    >>> repetition([{"role": "user", "content": "What is tea?"}], "Tea is a drink. It is hot. Tea is a drink.").repaired
    'Tea is a drink. It is hot.'
    >>> repetition([{"role": "user", "content": "Do you agree?"}], "I do and I do and I do and I do.").repaired
    'I do and I do.'
    """
    if not _again(response) or not _spans(response) or _ASKS.search(last_user_message(conversation)):
        return PASS
    return by_cutting(response, _spans, lambda said: f"says {_short(said)} again", lambda _, span: span)


def _again(text: str) -> bool:
    """Whether three words in a row come twice, as they do in every repetition there is: the quick look."""
    words = WORD.findall(text.lower())
    threes = list(zip(words, words[1:], words[2:], strict=False))
    return len({*threes}) < len(threes)


def _spans(text: str) -> list[Span]:
    return _sentences(text) or _loops(text)


def _sentences(text: str) -> list[Span]:
    """Copies of sentences, but for the first of each."""
    seen, copies = set(), []
    for start, end in sentences(text):
        words = tuple(WORD.findall(text[start:end].lower()))
        if len(words) >= _SHORT:
            if words in seen:
                copies.append((start, end))
            seen.add(words)
    return copies


def _loops(text: str) -> list[Span]:
    """The first loop's copies, from the end of its first round to the end of its last whole one."""
    found = list(WORD.finditer(text))
    words = [each[0].lower() for each in found]
    for period in range(1, min(_LONGEST, len(words) // 3) + 1):
        place = _loop(words, period)
        if place is not None:
            first, last = place
            return [(found[first + period - 1].end(), found[last - 1].end())]
    return []


def _loop(words: Sequence[str], period: int) -> tuple[int, int] | None:
    """Places of the first word of a loop and of the one after its last whole round."""
    same = 0
    for place in range(period, len(words) + 1):
        if place < len(words) and words[place] == words[place - period]:
            same += 1
        elif same >= period * (_rounds(words[place - 1], period) - 1):
            first = place - same - period
            return first, first + period * ((place - first) // period)
        else:
            same = 0
    return None


def _rounds(word: str, period: int) -> int:
    """Rounds that make a loop: people laugh and stress in short words ("ha ha ha ha", "no no no no")."""
    return 3 if period > 1 else 8 if len(word) <= _LAUGH else 4


def _short(said: str) -> str:
    words = " ".join(said.split())
    return repr(words if len(words) <= 60 else f"{words[:57]}...")
