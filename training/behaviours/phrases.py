"""Phrases: runs of words that responses hold, as features that nobody had to name before."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

WORDS = r"(?u)\w+(?:['\u2019]\w+)*|[^\w\s]"
"""A word, or a sign that stands for itself: an emoji or an exclamation mark is a word here."""
_FEWEST = 5
"""Responses that a phrase must occur in."""


def phrases(responses: Sequence[str], *, longest: int, least: float, most: int) -> tuple[list[str], csr_array]:
    """The phrases of one to `longest` words, and which response holds which.

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
    from sklearn.feature_extraction.text import CountVectorizer

    count = len(responses)
    fewest = max(_FEWEST, math.ceil(least * count))
    if count - fewest < fewest:
        return [], csr_array((count, 0))
    vectorizer = CountVectorizer(
        binary=True, ngram_range=(1, longest), token_pattern=WORDS, min_df=fewest, max_df=count - fewest,
        max_features=most,
    )  # fmt: skip
    try:
        held = vectorizer.fit_transform(responses)
    except ValueError:  # no phrase is as frequent as that
        return [], csr_array((count, 0))
    return vectorizer.get_feature_names_out().tolist(), csr_array(held.astype(np.float64))
