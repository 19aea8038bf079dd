"""A reward model on rows that it has not seen: every figure of its card, with intervals over users."""

from typing import Any, NamedTuple

import numpy as np

from training.reward.data import Examples
from training.reward.metrics import (
    Estimate,
    Floats,
    auroc,
    average_precision,
    bootstrap_over_users,
    brier,
    calibration_error,
    length_correlation,
    sigmoid,
)
from training.reward.model import RewardModel


class Measured(NamedTuple):
    """Figures on the test part, each with its 95 % interval over users."""

    auroc: Estimate
    pr_auc: Estimate
    brier: Estimate
    ece_before: Estimate
    """With the prior shift subtracted, before the fitted scale and offset."""
    ece_after: Estimate
    length_rho: Estimate
    """Correlation of the logit with the response's length in words."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values: each figure as `NAME` and its interval as `NAME_ci`."""
        values = {name: estimate.value for name, estimate in self._asdict().items()}
        return values | {f"{name}_ci": [estimate.low, estimate.high] for name, estimate in self._asdict().items()}


def measure(model: RewardModel, test: Examples, weights: Floats, *, seed: int, name: str) -> Measured:
    """Score the test part and take every figure.

    Args:
        model: Calibrated.
        test: Rows of users and days that the model has not seen.
        weights: Trust times what each row stands for, shape [rows].
        seed: Of the bootstrap.
        name: For the progress bar.
    """
    after = model.logits(test.conversations, test.responses, progress=f"{name}: test")
    before = (after - model.calibration.offset) / model.calibration.scale
    lengths = np.array([len(response.split()) for response in test.responses], dtype=np.float64)
    labels = test.labels
    figures = {
        "auroc": lambda rows: auroc(labels[rows], after[rows], weights[rows]),
        "pr_auc": lambda rows: average_precision(labels[rows], after[rows], weights[rows]),
        "brier": lambda rows: brier(labels[rows], sigmoid(after[rows]), weights[rows]),
        "ece_before": lambda rows: calibration_error(labels[rows], sigmoid(before[rows]), weights[rows]),
        "ece_after": lambda rows: calibration_error(labels[rows], sigmoid(after[rows]), weights[rows]),
        "length_rho": lambda rows: length_correlation(lengths[rows], after[rows], weights[rows]),
    }
    return Measured(**{key: bootstrap_over_users(figure, test.users, seed=seed) for key, figure in figures.items()})
