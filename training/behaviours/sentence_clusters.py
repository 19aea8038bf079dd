"""Clusters of sentences that say alike: a habit that is worded in many ways is one feature."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from stats.estimate import Floats
from training.behaviours.phrases import WORDS
from training.judges.repair import sentences

Embed = Callable[[list[str]], Floats]
"""From texts to vectors of length 1, float [texts, width]."""
_WIDTH, _EACH, _FEWEST = 48, 5, 10
"""Dimensions of the built-in vectors; distinct sentences a cluster has on average at least; texts that can be split."""


class Clustering(NamedTuple):
    """Texts by cluster.

    Attributes:
        labels: int64 [texts].
        names: Of each cluster, the text nearest to its centre.
    """

    labels: npt.NDArray[np.int64]
    names: list[str]


def sentence_clusters(
    responses: Sequence[str], *, most: int, seed: int, embed: Embed | None = None
) -> tuple[list[str], csr_array]:
    """Which response holds a sentence of which cluster.

    Args:
        responses: Of both sides together.
        most: Clusters.
        seed: Of the clusters.
        embed: A frozen encoder; None takes TF-IDF of words and pairs of words, reduced by SVD (latent semantic
            analysis: Deerwester and others 1990), which needs no model.

    Returns:
        Names, and float64 [responses, clusters] of 1 and 0.
    """
    said = [{text[slice(*span)].lower() for span in sentences(text)} for text in responses]
    distinct = sorted({each for several in said for each in several})
    found = clustered(distinct, most=most, seed=seed, embed=embed)
    places = {text: place for place, text in enumerate(distinct)}
    cells = {(row, int(found.labels[places[each]])) for row, several in enumerate(said) for each in several}
    rows, columns = zip(*sorted(cells), strict=True) if cells else ((), ())
    shape = (len(responses), len(found.names))
    return found.names, csr_array((np.ones(len(cells)), (np.array(rows, int), np.array(columns, int))), shape=shape)


def clustered(texts: Sequence[str], *, most: int, seed: int, embed: Embed | None = None) -> Clustering:
    """Group distinct texts by what they say: k-means over their vectors, one cluster for `_EACH` texts at most.

    >>> clustered(["Tea.", "Tea!"], most=4, seed=0).labels.tolist()
    [0, 0]
    """
    from sklearn.cluster import MiniBatchKMeans

    if len(texts) < _FEWEST:
        return Clustering(np.zeros(len(texts), np.int64), [texts[0]] if texts else [])
    vectors = (embed or tfidf_vectors)([*texts])
    count = max(1, min(most, len(texts) // _EACH))
    model = MiniBatchKMeans(count, random_state=seed, n_init=3, batch_size=4096)
    model.fit(vectors)
    labels = np.unique(model.labels_, return_inverse=True)[1]
    apart = model.transform(vectors)[np.arange(len(texts)), model.labels_]
    names = [_nearest(texts, apart, labels == each) for each in range(labels.max() + 1)]
    return Clustering(labels.astype(np.int64), names)


def tfidf_vectors(texts: list[str]) -> Floats:
    """TF-IDF of words and pairs of words, reduced by SVD to 48 numbers of length 1."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    weighed = TfidfVectorizer(token_pattern=WORDS, ngram_range=(1, 2), sublinear_tf=True).fit_transform(texts)
    width = min(_WIDTH, min(weighed.shape) - 1)
    if width < 1:
        return np.ones((len(texts), 1))
    return np.asarray(normalize(TruncatedSVD(width, random_state=0).fit_transform(weighed)))


def _nearest(texts: Sequence[str], apart: Floats, mine: npt.NDArray[np.bool_]) -> str:
    places = np.flatnonzero(mine)
    return texts[int(places[np.argmin(apart[places])])]
