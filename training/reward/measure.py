"""A reward model on rows that it has not seen: every figure of its card, with intervals over users."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from training.reward.data import Examples
from training.reward.metrics import (
    Bin,
    Estimate,
    Floats,
    auroc,
    average_precision,
    bootstrap_over_users,
    brier,
    calibration_error,
    rank_correlation,
    reliability,
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
    """Spearman's rho of the logit with the response's length in words."""
    reliability_before: list[Bin]
    reliability_after: list[Bin]

    def estimates(self) -> dict[str, Estimate]:
        """The figures that have an interval."""
        return {name: value for name, value in self._asdict().items() if isinstance(value, Estimate)}

    def as_dict(self) -> dict[str, Any]:
        """Plain values: a figure as `NAME`, its interval as `NAME_ci`, and the two reliability curves as lists."""
        figures = {name: estimate.value for name, estimate in self.estimates().items()}
        intervals = {f"{name}_ci": [estimate.low, estimate.high] for name, estimate in self.estimates().items()}
        curves = {
            name: [list(each) for each in getattr(self, name)] for name in ("reliability_before", "reliability_after")
        }
        return figures | intervals | curves


def measure(model: RewardModel, test: Examples, weights: Floats, *, seed: int, name: str) -> Measured:
    """Score the test part and take every figure.

    Args:
        model: Calibrated.
        test: Rows of users and days that the model has not seen.
        weights: Trust times what each row stands for, shape [rows].
        seed: Of the bootstrap.
        name: For the progress bar.
    """
    logits = model.logits(test.conversations, test.responses, progress=f"{name}: test")
    after = sigmoid(logits)
    before = sigmoid((logits - model.calibration.offset) / model.calibration.scale)
    lengths = np.array([len(response.split()) for response in test.responses], dtype=np.float64)
    targets, labels = test.labels, test.positives

    def over_users(figure: Callable[..., float], first: Floats, second: Floats) -> Estimate:
        return bootstrap_over_users(
            lambda rows: figure(first[rows], second[rows], weights[rows]), test.users, seed=seed
        )

    return Measured(
        auroc=over_users(auroc, labels, logits),
        pr_auc=over_users(average_precision, labels, logits),
        brier=over_users(brier, targets, after),
        ece_before=over_users(calibration_error, targets, before),
        ece_after=over_users(calibration_error, targets, after),
        length_rho=over_users(rank_correlation, lengths, logits),
        reliability_before=reliability(targets, before, weights),
        reliability_after=reliability(targets, after, weights),
    )
