"""Kinds of prompt: as they are given, or found by clusters of what users said last."""

import math
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from training.behaviours.corpus import CorpusPair, last_message
from training.behaviours.sentence_clusters import Embed, clustered
from training.judges.repair import WORD

_WORDS = 3
"""That name a kind."""


def segments_of(pair: CorpusPair, *, most: int, seed: int, embed: Embed | None = None) -> npt.NDArray[Any]:
    """The kind of each row's prompt, object [rows]; a kind that is found is named by its most typical words.

    Args:
        pair: The texts.
        most: Kinds to find where none are given.
        seed: Of the clusters.
        embed: As `sentence_clusters.clustered` takes it.
    """
    if pair.segments is not None:
        return pair.segments
    said = [last_message(each).lower() for each in pair.conversations]
    distinct = sorted({*said})
    labels = clustered(distinct, most=most, seed=seed, embed=embed).labels
    names = _named(distinct, labels)
    named = {text: names[label] for text, label in zip(distinct, labels.tolist(), strict=True)}
    return np.array([named[text] for text in said], dtype=object)


def _named(texts: list[str], labels: npt.NDArray[np.int64]) -> list[str]:
    """Each cluster's most typical words: those that are told oftener in it than elsewhere, by `n log(p / p_all)`.

    Words and no messages, since a name stands in reports, and a message is somebody's.
    """
    words = [{*WORD.findall(text)} for text in texts]
    everywhere = Counter(word for several in words for word in several)
    names = []
    for label in range(labels.max() + 1):
        mine = [several for several, own in zip(words, labels, strict=True) if own == label]
        counts = Counter(word for several in mine for word in several)
        ratio = len(texts) / len(mine)
        worth = {word: count * math.log(ratio * count / everywhere[word]) for word, count in counts.items()}
        best = sorted(worth, key=lambda word: (-worth[word], word))[:_WORDS]
        names.append(", ".join(best) or "no words")
    return names
