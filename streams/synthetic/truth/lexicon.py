"""What the truth knows of the language: word numbers, the word triples of fluent text, and the marks of traits."""

import re
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.language.phrases import CHEERS, EMOJI, MARKS
from streams.synthetic.language.slots import slots
from streams.synthetic.language.text import sentences

UNKNOWN, START = 0, 1
"""Numbers of a word outside the vocabulary, and of the place before a sentence."""
END: Final = "\ue000"
"""Stands between two texts of a batch, its number is 2; a private-use character, taken out of the texts themselves."""
SEEN: Final = 1
"""Bit of a triple that occurs in the grammar's sentences; the marks of traits have the bits above it."""
BITS: Final = {name: 2 << place for place, name in enumerate(MARKS)}
_TOKEN = re.compile(rf"[^\s.,?!{''.join(EMOJI)}]+|[.,?!{''.join(EMOJI)}]")


class Numbers(dict[str, int]):
    """Word to number; a word outside the vocabulary has the number 0."""

    def __missing__(self, word: str) -> int:
        return UNKNOWN


class Lexicon(NamedTuple):
    """Lookup tables, for V words and B pairs of words.

    Attributes:
        numbers: Word to number.
        bounds: bool[V], whether the word ends a sentence (`.`, `?`, `!`, an emoji, the end of a text).
        silent: bool[V], whether it is a mark rather than a word.
        pairs: int32[V, V], number of a pair of words, 0 for an unknown one.
        marks1: int16[V], bits of `BITS` that a word alone gives.
        marks2: int16[B], those that a pair gives.
        triples: int16[B, V], those that a pair and a word give, and `SEEN`.
        values: int32[slots], number of the word that makes an answer right (-1: none does).
        rivals: bool[slots, V], whether a word makes it wrong.
    """

    numbers: Numbers
    bounds: NDArray[np.bool_]
    silent: NDArray[np.bool_]
    pairs: NDArray[np.int32]
    marks1: NDArray[np.int16]
    marks2: NDArray[np.int16]
    triples: NDArray[np.int16]
    values: NDArray[np.int32]
    rivals: NDArray[np.bool_]


class Heard(NamedTuple):
    """What one message of a user says.

    Attributes:
        slot: What it asks for; -1 when nothing that this world knows.
        kind: Number of its kind of request; -1 likewise.
        closes: Whether it says goodbye.
        cheers: Whether it shows a happy mood.
    """

    slot: int
    kind: int
    closes: bool
    cheers: bool


def tokens(text: str) -> list[str]:
    """Words and marks of a text, lower case.

    >>> tokens("The fox eats berries. 😊")
    ['the', 'fox', 'eats', 'berries', '.', '😊']
    """
    return _TOKEN.findall(text.lower())


@lru_cache(maxsize=65_536)
def hear(message: str) -> Heard:
    """Read one message of a user; a message outside the grammar asks for nothing."""
    said = " ".join(tokens(message))
    slot = next((slot for request, slot in _requests() if said.endswith(request)), -1)
    closes = any(f" {' '.join(tokens(mark))} " in f" {said} " for mark in MARKS["closes"])
    cheers = any(" ".join(tokens(cheer)) in said for cheer in CHEERS)
    return Heard(slot, slots()[slot].kind if slot >= 0 else -1, closes, cheers)


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """Built once from the grammar's sentences (about 0.1 s)."""
    spoken = [tokens(sentence) for sentence in sentences()]
    marks = {name: [tokens(mark) for mark in found] for name, found in MARKS.items()}
    words = sorted({word for text in [*spoken, *(mark for found in marks.values() for mark in found)] for word in text})
    numbers = Numbers({END: 2}) | {word: 3 + place for place, word in enumerate([*words, *_missing(words)])}
    ends = [numbers[mark] for mark in (".", "?", "!", *EMOJI, END)]
    size = 3 + len(numbers)
    bounds, silent = np.zeros(size, bool), np.zeros(size, bool)
    bounds[ends] = silent[ends] = silent[numbers[","]] = True
    pairs, marks1, marks2, triples = _tables(numbers, size, spoken, marks)
    values = np.array([numbers[slot.value] if slot.value else -1 for slot in slots()], np.int32)
    return Lexicon(Numbers(numbers), bounds, silent, pairs, marks1, marks2, triples, values, _rivals(numbers, size))


def _missing(words: list[str]) -> list[str]:
    """Marks that a grammar without them would still need."""
    return [mark for mark in (".", ",", "?", "!") if mark not in words]


def _tables(
    numbers: dict[str, int], size: int, spoken: list[list[str]], marks: dict[str, list[list[str]]]
) -> tuple[NDArray[np.int32], NDArray[np.int16], NDArray[np.int16], NDArray[np.int16]]:
    chains = [[START, START, *(numbers[word] for word in text)] for text in spoken]
    found = [(BITS[name], [numbers[word] for word in mark]) for name, texts in marks.items() for mark in texts]
    couples = {pair for chain in [*chains, *(mark for _, mark in found)] for pair in pairwise(chain)}
    pairs = np.zeros((size, size), np.int32)
    for place, (first, second) in enumerate(sorted(couples), start=1):
        pairs[first, second] = place
    marks1, marks2 = np.zeros(size, np.int16), np.zeros(len(couples) + 1, np.int16)
    triples = np.zeros((len(couples) + 1, size), np.int16)
    for first, second, third in {triple for c in chains for triple in zip(c, c[1:], c[2:], strict=False)}:
        triples[pairs[first, second], third] |= SEEN
    for bit, mark in found:
        match mark:
            case [word]:
                marks1[word] |= bit
            case [first, second]:
                marks2[pairs[first, second]] |= bit
            case [first, second, third]:
                triples[pairs[first, second], third] |= bit
    return pairs, marks1, marks2, triples


def _rivals(numbers: dict[str, int], size: int) -> NDArray[np.bool_]:
    topics = {slot.topic for slot in slots()} - {""}
    rivals = np.zeros((len(slots()), size), bool)
    for place, slot in enumerate(slots()):
        others = slot.rivals | (topics - {slot.topic} if slot.topic else set())
        rivals[place, [numbers[word] for word in others]] = True
    return rivals


@lru_cache(maxsize=1)
def _requests() -> list[tuple[str, int]]:
    """Requests, tokenised and joined, the longest first, so that the most telling one is found."""
    said = [(" ".join(tokens(request)), place) for place, slot in enumerate(slots()) for request in slot.requests]
    return sorted(said, key=lambda pair: -len(pair[0]))
