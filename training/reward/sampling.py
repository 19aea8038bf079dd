"""Which rows are scored for calibration and figures, and how many of the whole each stands for."""

from typing import NamedTuple

import numpy as np

from stats.estimate import Floats
from training.reward.data import Examples, Rows, subsample


class EvaluationRows(NamedTuple):
    """Rows to score, of a part.

    Attributes:
        rows: Their positions in the part, ascending.
        negatives_stand_for: How many negatives of the part each negative stands for (>= 1); a positive for itself.
    """

    rows: Rows
    negatives_stand_for: float

    def weights(self, examples: Examples) -> Floats:
        """Trust times what each row stands for, of the rows, so that figures keep the natural rate."""
        trust, labels = examples.weights[self.rows], examples.labels[self.rows]
        return trust * np.where(labels > 0, 1.0, self.negatives_stand_for)


def evaluation_rows(labels: Floats, most: int, seed: int) -> EvaluationRows:
    """At most so many rows: where positives are rare all of them and negatives for the rest, else rows alike.

    Args:
        labels: Targets of the part, shape [rows].
        most: Rows.
        seed: Of the draw.
    """
    random = np.random.default_rng(seed)
    rows, wanted = len(labels), float((labels > 0).sum()) / most
    if rows <= most:
        return EvaluationRows(np.arange(rows), 1.0)
    if wanted > 0.5:
        return EvaluationRows(np.sort(random.choice(rows, most, replace=False)), 1.0)
    if wanted:
        return EvaluationRows(*subsample(labels, wanted, random))
    # without a positive, as only a week or a slice can be
    return EvaluationRows(np.sort(random.choice(rows, most, replace=False)), rows / most)
