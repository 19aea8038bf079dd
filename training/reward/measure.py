"""A reward model on rows that it has not seen: every figure of its card, with intervals over users."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stats.bootstrap import bootstrap_over_users
from stats.clusters import line_of, units
from stats.estimate import Estimate, Floats
from stats.metrics import (
    ReliabilityBin,
    auroc,
    auroc_within,
    average_precision,
    brier,
    calibration_error,
    rank_correlation,
    reliability,
    sigmoid,
)
from streams.record_fields import fields_of
from training.reward.data import Examples
from training.reward.groups import equal_contexts
from training.reward.model import Scorer
from training.reward.noise import Floor, floor_of
from training.reward.sampling import EvaluationRows

CURVE = 60
"""Points that a ROC or precision-recall curve is drawn by."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows with the model's logits, scored once for figures, slices, weeks and audit.

    Attributes:
        examples: The rows.
        weights: Trust times what each row stands for.
        negatives_stand_for: How many negatives each negative stands for.
        logits: Calibrated.
        shifted: With the prior shift subtracted and nothing else.
    """

    examples: Examples
    weights: Floats
    negatives_stand_for: float
    logits: Floats
    shifted: Floats

    @classmethod
    def of(cls, model: Scorer, part: Examples, found: EvaluationRows, *, progress: str | None = None) -> "Scored":
        """Score those rows of a part."""
        held = part.take(found.rows)
        logits = model.logits(held.conversations, held.responses, progress=progress)
        shifted = model.calibration.shifted(logits)
        return cls(held, found.weights(part), found.negatives_stand_for, logits, shifted)

    @property
    def chances(self) -> Floats:
        """Calibrated chances."""
        return sigmoid(self.logits)

    @property
    def users(self) -> Any:
        """What intervals are over: users, or rows where there are few users."""
        return units(self.examples.users)

    @property
    def lengths(self) -> Floats:
        """Words of each response."""
        return np.array([len(response.split()) for response in self.examples.responses], dtype=np.float64)

    def take(self, rows: Any) -> "Scored":
        """These rows."""
        columns = (self.weights[rows], self.negatives_stand_for, self.logits[rows], self.shifted[rows])
        return Scored(self.examples.take(rows), *columns)


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures on the test part, each with its 95 % interval over users."""

    auroc: Estimate
    auroc_within: Estimate | None
    """AUROC of pairs in equal contexts, see `groups.equal_contexts`; None where no context has both kinds."""
    pr_auc: Estimate
    brier: Estimate
    brier_before: Estimate
    """With the prior shift subtracted, before what was fitted on validation users."""
    ece_before: Estimate
    """Likewise."""
    ece_after: Estimate
    slope: Estimate
    """Of a logistic regression of labels on calibrated logits: below 1 is overconfidence."""
    intercept: Estimate
    """What must be added to every calibrated logit for as many to come true as is said: 0 when right."""
    length_rho: Estimate
    """Spearman's rho of the logit with the response's length in words."""
    ece_floor: Floor
    """ECE of a perfectly calibrated model on the same rows."""
    reliability_before: list[ReliabilityBin]
    reliability_after: list[ReliabilityBin]
    roc: list[tuple[float, float]]
    """(false positive rate, true positive rate)."""
    pr: list[tuple[float, float]]
    """(recall, precision)."""

    def estimates(self) -> dict[str, Estimate]:
        """The figures that have an interval."""
        return {name: value for name, value in fields_of(self).items() if isinstance(value, Estimate)}

    @property
    def ece_debiased(self) -> float:
        """ECE after calibration less its expectation under perfect calibration."""
        return self.ece_floor.debiased(self.ece_after.value)

    def as_dict(self) -> dict[str, Any]:
        """Plain values: a figure as `NAME`, its interval as `NAME_ci`, and the curves as lists."""
        figures = {name: estimate.value for name, estimate in self.estimates().items()}
        intervals = {f"{name}_ci": [estimate.low, estimate.high] for name, estimate in self.estimates().items()}
        floor = {
            "ece_debiased_before": self.ece_floor.debiased(self.ece_before.value),
            "ece_debiased_after": self.ece_debiased,
            "ece_of_a_perfect_model": self.ece_floor.expected,
            "ece_of_a_perfect_model_at_most": self.ece_floor.high,
        }
        curves = {
            name: [list(each) for each in getattr(self, name)]
            for name in ("reliability_before", "reliability_after", "roc", "pr")
        }
        return figures | intervals | floor | curves


def measure(scored: Scored, *, seed: int) -> Measured:
    """Take every figure of scored rows.

    Args:
        scored: Rows of users and days that the model has not seen.
        seed: Of the bootstrap.
    """
    after, before, weights = scored.chances, sigmoid(scored.shifted), scored.weights
    targets, labels, users = scored.examples.labels, scored.examples.positives, scored.users

    def over_users(figure: Callable[..., float], first: Floats, second: Floats) -> Estimate:
        return bootstrap_over_users(lambda rows: figure(first[rows], second[rows], weights[rows]), users, seed=seed)

    contexts = equal_contexts(scored.examples)

    def within(rows: Any) -> float:
        return auroc_within(labels[rows], scored.logits[rows], weights[rows], contexts[rows])

    equal = bootstrap_over_users(within, users, seed=seed)
    intercept, slope = line_of(targets, scored.logits, weights, users)
    trust = scored.examples.weights
    return Measured(
        auroc=over_users(auroc, labels, scored.logits),
        auroc_within=equal if np.isfinite(equal.value) else None,
        pr_auc=over_users(average_precision, labels, scored.logits),
        brier=over_users(brier, targets, after),
        brier_before=over_users(brier, targets, before),
        ece_before=over_users(calibration_error, targets, before),
        ece_after=over_users(calibration_error, targets, after),
        slope=slope,
        intercept=intercept,
        length_rho=over_users(rank_correlation, scored.lengths, scored.logits),
        ece_floor=floor_of(after, trust, weights, negatives_stand_for=scored.negatives_stand_for, seed=seed),
        reliability_before=reliability(targets, before, weights),
        reliability_after=reliability(targets, after, weights),
        **_curves(labels, scored.logits, weights),
    )


def _curves(labels: Floats, logits: Floats, weights: Floats) -> dict[str, list[tuple[float, float]]]:
    """ROC and precision-recall, thinned to about `CURVE` points each, evenly in what is found."""
    order = np.argsort(-logits, kind="stable")
    last = np.append(np.diff(logits[order]) != 0, True)
    found, seen = (np.cumsum(each[order])[last] for each in (weights * labels, weights))
    if not 0 < found[-1] < seen[-1]:
        return {"roc": [], "pr": []}
    recall, false = found / found[-1], (seen - found) / (seen[-1] - found[-1])
    kept = np.unique(np.searchsorted(recall + false, np.linspace(0, 2, CURVE)).clip(0, len(recall) - 1))
    roc = [(0.0, 0.0), *zip(false[kept].tolist(), recall[kept].tolist(), strict=True)]
    steps = np.unique(np.searchsorted(recall, np.linspace(1 / CURVE, 1, CURVE)).clip(0, len(recall) - 1))
    return {"roc": roc, "pr": [*zip(recall[steps].tolist(), (found / seen)[steps].tolist(), strict=True)]}
