"""How a message sounds, by VADER (Hutto & Gilbert, 2014): a lexicon and rules, made for short informal English."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    import pyarrow as pa


def sentiment(messages: pa.Array) -> pa.Array:
    """The sentiment of each message, from -1 (bad) over 0 (neutral) to 1 (good).

    Each distinct text is read once: 40 us for ten words, 240 us for a hundred. Languages other than English mostly come
    out neutral, which weakens the signal and does not turn it.

    >>> import pyarrow as pa
    >>> sentiment(pa.array(["thank you so much", "no, that is wrong", "bye"])).to_pylist()
    [0.3612, -0.4767, 0.0]

    Args:
        messages: string[n], without nulls.

    Returns:
        double[n].
    """
    import pyarrow as pa
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    coded = messages.dictionary_encode()
    analyzer = SentimentIntensityAnalyzer()
    texts = tqdm(coded.dictionary.to_pylist(), desc="reading messages", unit=" texts", disable=None, leave=False)
    scores = [float(analyzer.polarity_scores(text)["compound"]) for text in texts]
    return pa.array(scores, pa.float64()).take(coded.indices)
