"""Phrases: runs of words that responses hold, as features that nobody had to name before."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, hstack

WORDS = r"(?u)\w+(?:['\u2019]\w+)*|[^\w\s]"
"""A word, or a sign that stands for itself: an emoji or an exclamation mark is a word here."""
_FEWEST = 5
"""Responses that a phrase must occur in."""
_NONE = -1
Ints = npt.NDArray[np.int64]


class _Words(NamedTuple):
    """Every word of every response in order: its code and its response, int64 [words], and the words by code."""

    codes: Ints
    rows: Ints
    names: list[str]


class _Runs(NamedTuple):
    """The phrases of one length: at which word each begins (int64 [words], -1 for none), names, holders of each."""

    at: Ints
    names: list[str]
    counts: Ints


def phrases(responses: Sequence[str], *, longest: int, least: float, most: int) -> tuple[list[str], csr_array]:
    """The phrases of one to `longest` words, and which response holds which.

    A longer phrase is looked for where its beginning is frequent enough alone (Agrawal and Srikant 1994).

    Args:
        responses: Of both sides together, so that the choice says nothing of either (independent filtering: Bourgon,
            Gentleman and Huber 2010).
        longest: Words.
        least: Share of the responses that must hold a phrase, and that must lack it.
        most: Phrases to keep, the most frequent ones.

    Returns:
        Names, and float64 [responses, phrases] of 1 and 0.

    >>> names, held = phrases(["Bye now!"] * 5 + ["Tea."] * 5, longest=2, least=0.1, most=9)
    >>> sorted(names)
    ['!', '.', 'bye', 'bye now', 'now', 'now !', 'tea', 'tea .']
    """
    count = len(responses)
    fewest = max(_FEWEST, math.ceil(least * count))
    said = [re.findall(WORDS, text.lower()) for text in responses]
    places: dict[str, int] = {}
    codes = np.array([places.setdefault(word, len(places)) for several in said for word in several], np.int64)
    rows = np.repeat(np.arange(count), [len(several) for several in said])
    words = _Words(codes, rows, [*places])
    found, names = [csr_array((count, 0))], list[str]()
    runs = _frequent(codes, words, words.names, fewest)
    for length in range(1, longest + 1):
        kept = np.flatnonzero(runs.counts <= count - fewest)
        names += [runs.names[place] for place in kept]
        found.append(_held(runs, words, count)[:, kept])
        runs = _longer(runs, words, length, fewest)
    held = csr_array(hstack(found, format="csr"))
    chosen = np.sort(np.argsort(-np.asarray(held.sum(axis=0)).ravel(), kind="stable")[:most])
    return [names[place] for place in chosen], csr_array(held[:, chosen])


def _longer(shorter: _Runs, words: _Words, length: int, fewest: int) -> _Runs:
    """The phrases of one word more than `length`."""
    codes, rows, known = words
    if len(codes) <= length or not shorter.names:
        return _Runs(np.full(len(codes), _NONE), [], np.zeros(0, np.int64))
    start, following = shorter.at[:-length], codes[length:]
    whole = (start != _NONE) & (rows[:-length] == rows[length:])
    pairs = np.where(whole, start * len(known) + following, _NONE)
    distinct, at = np.unique(pairs, return_inverse=True)
    both = ((shorter.names[pair // len(known)], known[pair % len(known)]) for pair in distinct[distinct != _NONE])
    names = [" ".join(each) for each in both]
    if distinct[0] == _NONE:
        at = at - 1
    return _frequent(np.concatenate([at, np.full(length, _NONE)]), words, names, fewest)


def _frequent(at: Ints, words: _Words, names: list[str], fewest: int) -> _Runs:
    """The phrases that at least `fewest` responses hold, numbered anew."""
    there = at != _NONE
    pairs = np.unique(words.rows[there] * max(1, len(names)) + at[there])
    counts = np.bincount(pairs % max(1, len(names)), minlength=len(names))
    kept = np.flatnonzero(counts >= fewest)
    anew = np.full(len(names) + 1, _NONE)  # the last one is that of none
    anew[kept] = np.arange(len(kept))
    return _Runs(anew[at], [names[place] for place in kept], counts[kept])


def _held(runs: _Runs, words: _Words, count: int) -> csr_array:
    there = runs.at != _NONE
    cells = np.unique(np.column_stack([words.rows[there], runs.at[there]]), axis=0)
    shape = (count, len(runs.names))
    return csr_array((np.ones(len(cells)), (cells[:, 0], cells[:, 1])), shape=shape)
