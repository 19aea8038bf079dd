"""Repeated stratified cross-validation, and what is read from it with intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from tqdm import tqdm

from adversary_real_parts.sets import Labelled
from stats.estimate import Estimate
from training.trust.behaviour import Behaviour

DRAWS = 400
"""Bootstrap draws of accounts."""
Floats = NDArray[np.float64]


def scores(people: Labelled, *, folds: int, repeats: int, words: str) -> Floats:
    """Each account's score by a model that never saw it, float64[repeats, n]; folds and models drawn anew each time."""
    features, bad = people.features.values, people.bad
    found = np.zeros((repeats, len(bad)))
    for repeat in tqdm(range(repeats), desc=words, disable=None):
        split = StratifiedKFold(folds, shuffle=True, random_state=repeat)
        for seen, unseen in split.split(features, bad):
            model = Behaviour.fit(features[seen], bad[seen], seed=repeat)
            found[repeat, unseen] = model.score(features[unseen])
    return found


def recall(bad: NDArray[np.bool_], score: Floats, precision: float) -> float:
    """The largest recall of any threshold that keeps this precision; 0 where none does."""
    precisions, recalls, _ = precision_recall_curve(bad, score)
    return float(recalls[:-1][precisions[:-1] >= precision].max(initial=0.0))


def measured(bad: NDArray[np.bool_], found: Floats, precision: float) -> dict[str, Estimate]:
    """AUROC and recall at that precision: means over repeats; accounts and repeat are drawn anew for the interval."""
    rng = np.random.default_rng(1)
    drawn: list[tuple[float, float]] = []
    while len(drawn) < DRAWS:
        who, repeat = rng.integers(0, len(bad), len(bad)), rng.integers(0, len(found))
        if 0 < bad[who].sum() < len(bad):
            drawn.append(_both(bad[who], found[repeat, who], precision))
    values = np.mean([_both(bad, each, precision) for each in found], axis=0)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    names = ("auroc", f"recall_at_{precision:g}")
    return {name: Estimate(*map(float, ends)) for name, *ends in zip(names, values, low, high, strict=True)}


def _both(bad: NDArray[np.bool_], score: Floats, precision: float) -> tuple[float, float]:
    return float(roc_auc_score(bad, score)), recall(bad, score, precision)


def beside(found: dict[str, Estimate], reference: dict[str, float]) -> dict[str, Any]:
    """Ours beside the reference, which is known to as many digits as it was printed with."""
    told = {}
    for name, figure in found.items():
        known = reference.get(name)
        digits = 0 if known is None else len(f"{known}".split(".")[1])
        kept = None if known is None else round(figure.value, digits) >= known
        told[name] = {**figure._asdict(), "reference": known, "kept": kept}
    return told
