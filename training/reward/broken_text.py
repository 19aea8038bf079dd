"""Broken responses: a response once more with its wording destroyed, as one that nobody loves.

A log holds what a working policy wrote, so a model that learns from it alone has never read broken text, and scores a
policy that came apart by the words that are left. Nobody needs to label these rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from training.reward.data import Examples

Words = list[str]
Break = Callable[[Words, Sequence[Words], np.random.Generator], Words]
"""From the words of a response and those of some others to the words of the broken one."""
OTHERS = 12
"""Responses that lend their words to one that is broken."""


def shuffled(words: Words, _: Sequence[Words], random: np.random.Generator) -> Words:
    """All words, in any order."""
    return [words[place] for place in random.permutation(len(words))]


def mixed(words: Words, others: Sequence[Words], random: np.random.Generator) -> Words:
    """A third of the words give way to words of others."""
    strange = random.random(len(words)) < 1 / 3
    return [_span(others, 1, random)[0] if odd else word for word, odd in zip(words, strange, strict=True)]


def stuttering(words: Words, _: Sequence[Words], random: np.random.Generator) -> Words:
    """A span of one to four words comes four times."""
    start, length = int(random.integers(len(words))), int(random.integers(1, 5))
    return words[: start + length] + 3 * words[start : start + length] + words[start + length :]


def glued(words: Words, others: Sequence[Words], random: np.random.Generator) -> Words:
    """Breaks off anywhere and goes on somewhere in another response."""
    other = others[int(random.integers(len(others)))]
    return words[: int(random.integers(len(words)))] + other[int(random.integers(len(other))) :]


def babbling(words: Words, others: Sequence[Words], random: np.random.Generator) -> Words:
    """Spans of one to three words from others, as long as the response, as an undertrained policy writes."""
    said: Words = []
    while len(said) < len(words):
        said += _span(others, int(random.integers(1, 4)), random)
    return said[: len(words)]


BREAKS: tuple[Break, ...] = (shuffled, mixed, stuttering, glued, babbling, babbling)
"""Babbling counts twice: it is what policies that came apart wrote in the trials."""


def with_broken(examples: Examples, share: float, random: np.random.Generator) -> Examples:
    """The rows, and behind them a share of them once more, each broken in one of the ways of `BREAKS`, with label 0.

    A row that comes out as it was (all of its words are one word, say) is not added.

    Args:
        examples: What an epoch drew.
        share: Of its rows, in [0, 1].
        random: Draws rows, ways and the other responses.
    """
    said = [response.split() for response in examples.responses]
    lenders = np.flatnonzero([len(each) > 0 for each in said])
    rows = np.flatnonzero(random.random(len(said)) < share)
    ways = random.integers(0, len(BREAKS), len(rows)).tolist()
    made = {}
    for row, way in zip(rows.tolist(), ways, strict=True):
        others = [said[other] for other in random.choice(lenders, OTHERS).tolist()] if said[row] else []
        broken = BREAKS[way](said[row], others, random) if said[row] else []
        if broken != said[row]:
            made[row] = " ".join(broken)
    both = examples.take(np.concatenate([np.arange(len(said)), np.array([*made], np.int64)]))
    matured = None if both.matured is None else np.where(np.arange(len(both.labels)) < len(said), both.matured, 1.0)
    return replace(
        both,
        responses=[*examples.responses, *made.values()],
        labels=np.concatenate([examples.labels, np.zeros(len(made))]),
        matured=matured,
    )


def _span(others: Sequence[Words], length: int, random: np.random.Generator) -> Words:
    """So many words at most, from anywhere in one of the others."""
    other = others[int(random.integers(len(others)))]
    start = int(random.integers(len(other)))
    return other[start : start + length]
