"""Simple predictors that a reward model must beat on the same folds. Each is fitted on one part and scores another."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stats.estimate import Floats
from training.reward.data import Examples
from training.text import plain


class Baseline(NamedTuple):
    """What a simple predictor may look at."""

    examples: Examples
    policies: npt.NDArray[np.str_]
    """Who wrote each row."""


Predict = Callable[[Baseline, Baseline, int], Floats]
"""From the part to fit on, the part to score and a seed, to one score a row."""


def baselines() -> Mapping[str, Predict]:
    """The simple predictors, by name."""
    return {
        "response length": lambda fitted, scored, _: _direction(fitted, _words(fitted)) * _words(scored),
        "place in the conversation": lambda fitted, scored, _: _direction(fitted, _place(fitted)) * _place(scored),
        "policy's mean rate": policy_rate,
        "TF-IDF, logistic regression": tfidf,
    }


def policy_rate(fitted: Baseline, scored: Baseline, _: int = 0) -> Floats:
    """Love rate of the row's policy among other users, drawn towards the overall rate by ten responses' worth."""
    overall = float(fitted.examples.positives.mean())
    names, owner = np.unique(fitted.policies, return_inverse=True)
    loves, rows = np.bincount(owner, fitted.examples.positives), np.bincount(owner)
    rates = dict(zip(names.tolist(), ((loves + 10 * overall) / (rows + 10)).tolist(), strict=True))
    return np.array([rates.get(name, overall) for name in scored.policies.tolist()], dtype=np.float64)


def tfidf(fitted: Baseline, scored: Baseline, seed: int) -> Floats:
    """Words and word pairs of response and conversation, logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    model = make_pipeline(words, LogisticRegression(C=0.3, max_iter=1000, random_state=seed))
    model.fit(_texts(fitted.examples), fitted.examples.positives)
    return np.asarray(model.decision_function(_texts(scored.examples)), dtype=np.float64)


def _texts(examples: Examples) -> list[str]:
    return [plain(*pair) for pair in zip(examples.conversations, examples.responses, strict=True)]


def _words(part: Baseline) -> Floats:
    return np.array([len(response.split()) for response in part.examples.responses], dtype=np.float64)


def _place(part: Baseline) -> Floats:
    return np.array([len(conversation) for conversation in part.examples.conversations], dtype=np.float64)


def _direction(part: Baseline, values: Floats) -> float:
    """Which way round the value predicts a positive, on the part to fit on."""
    return float(np.sign(np.corrcoef(values, part.examples.positives)[0, 1]) or 1.0) if values.std() > 0 else 1.0
