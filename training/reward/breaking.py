"""Broken responses: a response once more with its wording destroyed, as one that nobody loves.

A log holds what a working policy wrote, so a model that learns from it alone has never read broken text, and scores a
policy that came apart by the words that are left. Nobody needs to label these rows.
"""

from collections.abc import Callable

import numpy as np

from training.reward.data import Examples

Words = list[str]
Break = Callable[[Words, Words, np.random.Generator], Words]
"""From the words of a response and those of another to the words of the broken one."""


def shuffled(words: Words, _: Words, random: np.random.Generator) -> Words:
    """All words, in any order."""
    return [words[place] for place in random.permutation(len(words))]


def mixed(words: Words, other: Words, random: np.random.Generator) -> Words:
    """A third of the words give way to words of the other response."""
    strange = random.random(len(words)) < 1 / 3
    drawn = random.integers(0, len(other), len(words))
    return [other[pick] if odd else word for word, odd, pick in zip(words, strange, drawn, strict=True)]


def stuttering(words: Words, _: Words, random: np.random.Generator) -> Words:
    """A span of one to four words comes four times."""
    start, length = int(random.integers(len(words))), int(random.integers(1, 5))
    return words[: start + length] + 3 * words[start : start + length] + words[start + length :]


def glued(words: Words, other: Words, random: np.random.Generator) -> Words:
    """Breaks off anywhere and goes on somewhere in the other response."""
    return words[: int(random.integers(len(words)))] + other[int(random.integers(len(other))) :]


BREAKS: tuple[Break, ...] = (shuffled, mixed, stuttering, glued)


def with_broken(examples: Examples, share: float, random: np.random.Generator) -> Examples:
    """The rows, and behind them a share of them once more, each broken in one of the ways of `BREAKS`, with label 0.

    A row that comes out as it was (all of its words are one word, say) is not added.

    Args:
        examples: What an epoch drew.
        share: Of its rows, in [0, 1].
        random: Draws rows, ways and the other responses.
    """
    rows = np.flatnonzero(random.random(len(examples.labels)) < share)
    ways = random.integers(0, len(BREAKS), len(rows)).tolist()
    others = random.integers(0, len(examples.labels), len(rows)).tolist()
    made = {}
    for row, way, other in zip(rows.tolist(), ways, others, strict=True):
        words, strange = (examples.responses[place].split() for place in (row, other))
        broken = BREAKS[way](words, strange, random) if words and strange else words
        if broken != words:
            made[row] = " ".join(broken)
    both = examples.take(np.concatenate([np.arange(len(examples.labels)), np.array([*made], np.int64)]))
    old = len(examples.labels)
    matured = None if both.matured is None else np.where(np.arange(len(both.labels)) < old, both.matured, 1.0)
    return both._replace(
        responses=[*examples.responses, *made.values()],
        labels=np.concatenate([examples.labels, np.zeros(len(made))]),
        matured=matured,
    )
