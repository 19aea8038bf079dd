"""Kinds of prompt: as they are given, or found by clusters of what users said last."""

from typing import Any

import numpy as np
import numpy.typing as npt

from training.behaviours.corpus import CorpusPair, last_message
from training.behaviours.sentence_clusters import Embed, clustered

_SHOWN = 60


def segments_of(pair: CorpusPair, *, most: int, seed: int, embed: Embed | None = None) -> npt.NDArray[Any]:
    """The kind of each row's prompt, object [rows]; a kind that is found is named by its most typical message.

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
    found = clustered(distinct, most=most, seed=seed, embed=embed)
    named = {text: _short(found.names[label]) for text, label in zip(distinct, found.labels, strict=True)}
    return np.array([named[text] for text in said], dtype=object)


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}...")
