"""Rows of like lengths in batches of bounded size: what policies, rewards and likelihoods share."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def by_length(lengths: Sequence[int] | Ints, *, tokens: int, order: Ints | None = None) -> list[Ints]:
    """Row positions in batches of at most `tokens` padded tokens, shortest rows first; every row once.

    A row that is longer than that is a batch of its own.

    >>> [batch.tolist() for batch in by_length([9, 2, 9, 2], tokens=18)]
    [[1, 3], [0, 2]]

    Args:
        lengths: Tokens of each row, [rows].
        tokens: Of a batch, padding included.
        order: The rows by length, where ties are to be in another order than that of the rows.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(sizes, kind="stable") if order is None else order
    batches, start = [], 0
    while start < len(order):
        end = start + 1
        while end < len(order) and sizes[order[end]] * (end + 1 - start) <= tokens:
            end += 1
        batches.append(order[start:end])
        start = end
    return batches


def bucketed(lengths: Sequence[int] | Ints, tokens: int, seed: int) -> Iterator[Ints]:
    """The batches of one epoch, of similar length and about `tokens` tokens each, in a seeded random order.

    >>> [batch.tolist() for batch in bucketed([2, 9, 2, 9], tokens=18, seed=0)]
    [[2, 0], [3, 1]]
    """
    chance = np.random.default_rng(seed)
    batches = by_length(lengths, tokens=tokens, order=np.lexsort((chance.random(len(lengths)), np.asarray(lengths))))
    return iter([batches[index] for index in chance.permutation(len(batches))])
