"""A linear views head on one part of some rows, and its scores of another."""

from typing import Any

import numpy as np

from stats.estimate import Floats
from training.reward.config import ViewsConfig
from training.reward.split import uniform
from training.reward.views_reward import fit_heads

HELD = 0.1
"""Share of groups that choose the penalty."""


def scores(
    rows: Floats, labels: Floats, groups: Any, train: Any, test: Any, *, config: ViewsConfig, less: Floats | None = None
) -> Floats:
    """Logits of the rows `test` by a head that was fitted to the rows `train`, in which groups stay together.

    Args:
        rows: What the head reads.
        labels: 1 or 0.
        groups: Of each row.
        train: Rows to learn from.
        test: Rows to score.
        config: Of the head.
        less: Taken off each row when learning, not when scoring: the other response, where pairs are learnt from.
    """
    held = np.array([uniform(str(group), f"{config.seed}/held") < HELD for group in groups[train]])
    one = np.ones(len(labels))
    learnt, kept = train[~held], train[held]
    seen = rows if less is None else rows - less
    heads = fit_heads(seen[learnt], labels[learnt], one[learnt], (seen[kept], labels[kept], one[kept]), config)
    return np.asarray(np.mean([head.logits(rows[test]) for head in heads], axis=0), dtype=np.float64)
