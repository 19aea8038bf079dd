"""From raw logits of a model trained on sub-sampled negatives to logits whose sigmoid may be read as a chance.

Two steps, in this order: the prior shift of sub-sampling is subtracted exactly (docs/method.md, 3), then a scale and an
offset are fitted on held-out rows (Platt). Both are monotone, so they change no ranking.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from training.reward.metrics import Floats, sigmoid

FILE = "calibration.json"


class Calibration(NamedTuple):
    """`logit = scale * (raw - prior_shift) + offset`."""

    prior_shift: float = 0.0
    scale: float = 1.0
    offset: float = 0.0

    def apply(self, raw: Floats) -> Floats:
        """Calibrated logits of raw ones, same shape."""
        return self.scale * (raw - self.prior_shift) + self.offset

    def save(self, directory: Path) -> None:
        """Write `calibration.json` beside the weights."""
        (directory / FILE).write_text(json.dumps(self._asdict(), indent=1) + "\n")

    @classmethod
    def read(cls, directory: Path) -> "Calibration":
        """Read `calibration.json`.

        Raises:
            FileNotFoundError: The directory holds a model but none of ours.
        """
        path = directory / FILE
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing: not a reward model of this project; train one with train_reward_model"
            )
        return cls(**json.loads(path.read_text()))


def prior_shift(natural: float, trained: float) -> float:
    """How far sub-sampling negatives from a positive rate `natural` to `trained` moved every logit.

    `log(pi'/(1-pi')) - log(pi/(1-pi))`, docs/method.md, 3.

    >>> round(prior_shift(0.001, 0.1), 2)
    4.71

    Raises:
        ValueError: A rate outside (0, 1).
    """
    for name, rate in (("natural", natural), ("trained", trained)):
        if not 0 < rate < 1:
            raise ValueError(f"{name} positive rate == {rate}, must be in (0, 1)")
    return float(np.log(trained / (1 - trained)) - np.log(natural / (1 - natural)))


def fit_platt(logits: Floats, labels: Floats, weights: Floats, *, steps: int = 50) -> tuple[float, float]:
    """Scale and offset that maximise the weighted likelihood of `sigmoid(scale * logit + offset)` on held-out rows.

    Newton's method on the two parameters with one pseudo-observation of each keeping it finite. A scale that would
    not be positive (the scores rank no better than a coin) leaves the scale at 1: calibration never turns a ranking
    round.
    """
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    start = np.array([1.0, 0.0])
    weight = weights * len(weights) / weights.sum()
    theta = start.copy()
    for _ in range(steps):
        chance = sigmoid(design @ theta)
        gradient = design.T @ (weight * (labels - chance)) - (theta - start)
        curvature = design.T @ (design * (weight * chance * (1 - chance))[:, None]) + np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        theta = theta + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-8:
            break
    return (float(theta[0]), float(theta[1])) if theta[0] > 0 else (1.0, 0.0)
