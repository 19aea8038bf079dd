"""What can be counted in a conversation and its response without a model: place, length, questions, repetition.

Nothing here looks at who wrote the response, at a reaction, or at anything after it.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from stats.estimate import Floats
from streams.closing import leaves
from training.text import Conversation

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")  # noqa: RUF001
_PICTURE = re.compile("[☀-➿\U0001f300-\U0001faff]|[:;]-?[)(DPp]")

PLACE: Final = ("turns", "user turns", "opens", "log turns")
"""Where the response stands: the same for every response to a conversation."""
_TEXT: Final = (
    "letters", "words", "letters a word", "questions", "exclamations", "pictures", "digits", "capitals", "starts small",
    "ends open", "distinct words", "sentences", "you", "i",
)  # fmt: skip
_RESPONSE: Final = (
    "said before", "likest earlier turn", "likest earlier pair", "shared with message", "longer than message",
    "longer than usual",
)  # fmt: skip
_TALK: Final = (
    "words of user so far",
    "user's message against before",
    "user repeats",
    "questions so far",
    "user asks",
    "user closes",
)
SURFACE: Final = (
    *(f"response: {name}" for name in _TEXT),
    *(f"response: {name}" for name in _RESPONSE),
    *(f"message: {name}" for name in _TEXT),
    *(f"talk: {name}" for name in _TALK),
)
"""Names of what `surface` counts, in order."""


def place(conversations: Sequence[Conversation]) -> Floats:
    """Where each response stands, by `PLACE`, shape [conversations, 4].

    >>> place([[{"role": "user", "content": "Hi"}]]).round(2).tolist()
    [[1.0, 1.0, 1.0, 0.69]]
    """
    rows = []
    for turns in conversations:
        asked = sum(turn["role"] == "user" for turn in turns)
        spoken = any(turn["role"] == "assistant" for turn in turns)
        rows.append((len(turns), asked, not spoken, np.log1p(len(turns))))
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(PLACE))


def surface(conversations: Sequence[Conversation], responses: Sequence[str]) -> Floats:
    """Counts of each pair, by `SURFACE`, shape [pairs, 40].

    >>> row = surface([[{"role": "user", "content": "Tea?"}]], ["Yes, tea!"])[0]
    >>> told = dict(zip(SURFACE, row.tolist()))
    >>> told["response: words"], told["response: exclamations"], told["message: questions"]
    (2.0, 1.0, 1.0)
    """
    rows = [_row(*pair) for pair in zip(conversations, responses, strict=True)]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(SURFACE))


def _row(turns: Conversation, response: str) -> list[float]:
    asked = [turn["content"] for turn in turns if turn["role"] == "user"]
    said = [turn["content"] for turn in turns if turn["role"] == "assistant"]
    message = asked[-1] if asked else ""
    return [*_text(response), *_against(response, message, said), *_text(message), *_talk(asked, said)]


def _text(text: str) -> list[float]:
    words = _words(text)
    letters = sum(map(str.isalpha, text))
    return [
        len(text),
        len(words),
        letters / max(1, len(words)),
        text.count("?"),
        text.count("!"),
        len(_PICTURE.findall(text)),
        sum(map(str.isdigit, text)),
        sum(map(str.isupper, text)) / max(1, letters),
        text[:1].islower(),
        not text.rstrip().endswith((".", "!", "?")),
        len(set(words)) / max(1, len(words)),
        len(re.findall(r"[.!?]+", text)),
        sum(word in ("you", "your", "u") for word in words),
        sum(word in ("i", "my", "me") or word.startswith("i'") for word in words),
    ]


def _against(response: str, message: str, said: list[str]) -> list[float]:
    words, pairs = _words(response), _adjacent(response)
    usual = float(np.mean([len(_words(each)) for each in said])) if said else float("nan")
    return [
        any(each.strip().lower() == response.strip().lower() for each in said),
        max((_shared(set(words), set(_words(each))) for each in said), default=0.0),
        max((_shared(pairs, _adjacent(each)) for each in said), default=0.0),
        _shared(set(words), set(_words(message))),
        len(words) - len(_words(message)),
        len(words) - usual,
    ]


def _talk(asked: list[str], said: list[str]) -> list[float]:
    lengths = [len(_words(each)) for each in asked]
    mean = float(np.mean(lengths)) if lengths else 0.0
    before = float(np.mean(lengths[:-1])) if len(lengths) > 1 else float("nan")
    return [
        mean,
        lengths[-1] - before if lengths else float("nan"),
        asked[-1].strip().lower() in {each.strip().lower() for each in asked[:-1]} if asked else False,
        sum("?" in each for each in said) / max(1, len(said)),
        sum("?" in each for each in asked) / max(1, len(asked)),
        bool(asked) and leaves(asked[-1]),
    ]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _adjacent(text: str) -> set[tuple[str, str]]:
    words = _words(text)
    return set(pairwise(words))


def _shared(one: set[object] | set[str] | set[tuple[str, str]], other: set[str] | set[tuple[str, str]]) -> float:
    """Jaccard's share of what is in both."""
    return len(one & other) / len(one | other) if one and other else 0.0
