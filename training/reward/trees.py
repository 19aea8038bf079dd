"""Boosted trees as plain arrays: scikit-learn fits them, arrays are kept and read, so that loading runs no pickle."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stats.estimate import Floats

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Trees:
    """A sum of regression trees; all nodes of all trees lie behind each other.

    Attributes:
        start: The logit that every row begins with, shape [1].
        roots: The first node of each tree, [trees].
        feature: The column that a node asks for, [nodes].
        threshold: It goes left at or below, [nodes].
        left: Where it goes then, [nodes]; a leaf points at itself.
        right: Where it goes else, [nodes]; a leaf points at itself.
        lost: 1 where a missing value goes left, [nodes].
        value: What a leaf adds, [nodes].
    """

    start: Floats
    roots: Places
    feature: Places
    threshold: Floats
    left: Places
    right: Places
    lost: Places
    value: Floats

    @classmethod
    def of(cls, fitted: Any) -> "Trees":
        """The trees of a fitted binary `HistGradientBoostingClassifier` without categories."""
        parts = [predictor.nodes for (predictor,) in fitted._predictors]
        roots = np.cumsum([0, *map(len, parts)])[:-1]
        every = np.concatenate(parts)
        offset = np.repeat(roots, [len(part) for part in parts])
        leaf, own = every["is_leaf"].astype(bool), np.arange(len(every))
        left, right = (np.where(leaf, own, every[side].astype(np.int64) + offset) for side in ("left", "right"))
        return cls(
            np.array(fitted._baseline_prediction, dtype=np.float64).reshape(1),
            roots.astype(np.int64),
            every["feature_idx"].astype(np.int64),
            every["num_threshold"].astype(np.float64),
            left,
            right,
            every["missing_go_to_left"].astype(np.int64),
            np.where(leaf, every["value"], 0.0),
        )

    def logits(self, rows: Floats) -> Floats:
        """The sum over trees, shape [rows], of features, shape [rows, columns]; NaN is a missing value."""
        at = np.tile(self.roots, (len(rows), 1))
        every = np.arange(len(rows))[:, None]
        while True:
            seen = rows[every, self.feature[at]]
            goes = np.where(np.isnan(seen), self.lost[at] == 1, seen <= self.threshold[at])
            following = np.where(goes, self.left[at], self.right[at])
            if np.array_equal(following, at):
                return np.asarray(self.start[0] + self.value[at].sum(axis=1), dtype=np.float64)
            at = following
