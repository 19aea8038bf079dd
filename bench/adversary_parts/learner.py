"""A fast P[Love], to be fitted hundreds of times: hashed words and pairs, logistic regression, trust as weight.

The same responses are drawn as negatives whatever the attack and the filter do (a response's own id decides), so that
two fits differ by the attack or the filter and not by the draw. A drawn negative weighs as many as it stands for: the
fitted chances speak of the natural rate.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.optimize import minimize
from scipy.special import expit

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
Conversation = Sequence[dict[str, str]]

STANDS_FOR = 10
"""Responses without a love that each one that is read stands for."""
BUCKETS = 1 << 17
_PRECISION = 1 / 3
"""Of every weight, of the prior; the best of 1/10, 1/3 and 1 on an honest world: within .03 AUROC of the oracle."""


class Rows(NamedTuple):
    """What a fit reads.

    Attributes:
        features: float32 matrix [n, 3 BUCKETS].
        loved: float64[n], 1 or 0.
        weight: float64[n], trust in [0, 1].
    """

    features: sp.csr_array
    loved: Floats
    weight: Floats


class Model(NamedTuple):
    """A fitted P[Love]: `sigmoid(features @ weights + rate)`."""

    weights: Floats
    rate: float

    def logits(self, features: sp.csr_array) -> Floats:
        """Log-odds of a love, float64[n]."""
        return np.asarray(features @ self.weights + self.rate, dtype=np.float64)


def features(conversations: Sequence[Conversation], responses: Sequence[str]) -> sp.csr_array:
    """Words and pairs of words of the response, of the message that it answers, and of all before; unit length each."""
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = HashingVectorizer(
        n_features=BUCKETS, ngram_range=(1, 2), alternate_sign=False, token_pattern=r"\w+|[^\w\s]", dtype=np.float32
    )
    asked = [talk[-1]["content"] for talk in conversations]
    before = [" ".join(turn["content"] for turn in talk[:-1]) for talk in conversations]
    return sp.csr_array(sp.hstack([hashing.transform(part) for part in (responses, asked, before)], format="csr"))


def features_of(table: pa.Table) -> sp.csr_array:
    """Features of a table with conversation (JSON) and response."""
    return features([json.loads(text) for text in table["conversation"].to_pylist()], table["response"].to_pylist())


def fit(rows: Rows, start: Model | None = None) -> Model:
    """The most probable weights: a Gaussian prior on each; the rate has none.

    Args:
        rows: Every love, and the drawn negatives.
        start: Where to begin; the optimum is one and the same.

    Raises:
        ValueError: No love to learn from.
    """
    weight = rows.weight * np.where(rows.loved > 0, 1.0, STANDS_FOR)
    if not (weight @ rows.loved):
        raise ValueError(f"no love among {len(rows.loved):,} responses: nothing to learn from")
    weight = weight / np.mean(np.where(rows.loved > 0, 1.0, STANDS_FOR))
    used = np.unique(rows.features.indices)
    x = rows.features[:, used].astype(np.float64)
    turned = x.T.tocsr()
    sign = 2 * rows.loved - 1

    def loss(at: Floats) -> tuple[float, Floats]:
        margin = sign * (x @ at[:-1] + at[-1])
        pull = -weight * sign * expit(-margin)
        value = weight @ np.logaddexp(0, -margin) + 0.5 * _PRECISION * (at[:-1] @ at[:-1])
        return float(value), np.append(turned @ pull + _PRECISION * at[:-1], pull.sum())

    base = np.average(rows.loved, weights=weight)
    begin = np.append(start.weights[used], start.rate) if start else np.append(np.zeros(len(used)), np.log(base))
    done = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": 300, "ftol": 1e-10, "gtol": 1e-4})
    weights = np.zeros(rows.features.shape[1])
    weights[used] = done.x[:-1]
    return Model(weights, float(done.x[-1]))
