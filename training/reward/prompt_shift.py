"""Positives and negatives come from different prompts: negatives are weighed so that theirs look like the positives'.

People love more after some prompts (a goodbye, a sad story) than after others, whatever is answered. A classifier that
sees the prompt alone says how much likelier it is among positives; negatives weigh by that ratio (the matching of
distributions of binary classifier optimisation, BCO, arXiv 2404.04656, section 4.2). What is left to learn is the
response's own part.
"""

import numpy as np

from stats.estimate import Floats
from training.reward.data import Examples
from training.reward.split import user_folds

FOLDS = 5
MOST = 10.0
"""No negative weighs more than this many times another of even odds, or less than its inverse: ratios of a classifier
have heavy tails."""


def shift_weights(examples: Examples, *, seed: int = 0) -> Floats:
    """What each row's trust is multiplied with, [rows]: 1 for positives, a mean of 1 over negatives.

    Each prompt is judged by a classifier (words and word pairs, logistic regression) that saw other users alone, else
    rare words would name their own label.

    Args:
        examples: What is learnt from.
        seed: Of the folds.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    prompts = ["\n".join(turn["content"] for turn in conversation) for conversation in examples.conversations]
    positive, owner = examples.labels > 0, user_folds(examples.users, FOLDS, seed)
    logits = np.zeros(len(positive))
    for fold in range(FOLDS):
        inside, outside = np.flatnonzero(owner == fold), np.flatnonzero(owner != fold)
        if not len(inside) or positive[outside].all() or not positive[outside].any():
            continue
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b|[^\w\s]")
        model = make_pipeline(words, LogisticRegression(C=0.3, max_iter=1000, class_weight="balanced"))
        model.fit([prompts[row] for row in outside], positive[outside])
        logits[inside] = model.decision_function([prompts[row] for row in inside])
    ratio = np.where(positive, 1.0, np.exp(np.clip(logits, -np.log(MOST), np.log(MOST))))
    trusted = np.where(positive, 0.0, examples.weights)
    if trusted.any():
        ratio[~positive] /= np.average(ratio, weights=trusted)
    return ratio
