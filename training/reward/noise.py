"""How large a calibration error a perfect model would show on the same test set: the noise floor of ECE.

ECE adds up absolute gaps, and noise makes every gap larger than 0. With 59 positives at a rate of .8 % a perfect model
has an ECE of about .002: an ECE says something only as far as it lies above that.
"""

from typing import NamedTuple

import numpy as np

from stats.estimate import Floats
from stats.metrics import bins_of

DRAWS = 200


class Floor(NamedTuple):
    """ECE of a perfectly calibrated model with the same chances, rows and weights.

    Attributes:
        expected: Its mean.
        high: Its 97.5 % quantile: an ECE above it is miscalibration.
    """

    expected: float
    high: float

    def debiased(self, ece: float) -> float:
        """ECE less the expectation under perfect calibration, not below 0.

        >>> Floor(0.002, 0.004).debiased(0.005), Floor(0.002, 0.004).debiased(0.001)
        (0.003, 0.0)
        """
        return max(0.0, ece - self.expected)


def floor_of(
    chances: Floats, trust: Floats, weights: Floats, *, negatives_stand_for: float = 1.0, bins: int = 10, seed: int = 0
) -> Floor:
    """Draw labels as the chances say, as often as `DRAWS`, and take the ECE of each.

    The test set holds all positives of a larger one, and one of `k` negatives, at weight `k`. So a drawn row is a
    positive with the chance `p / (p + (1 - p) / k)`, and weighs `k` where it is none: then the mean of
    `weight * (p - label)` is 0, as it is for all rows. Rows are drawn alone, so reactions of one user that go together
    make the true floor somewhat higher. Soft targets vary less than drawn labels, which makes it somewhat lower.

    Args:
        chances: Of the rows, shape [rows].
        trust: Weight without the sampling, shape [rows].
        weights: Trust times what each row stands for, by which bins are made.
        negatives_stand_for: `k`.
        bins: As for the ECE.
        seed: Of the draws.
    """
    place = bins_of(chances, weights, bins)
    drawn_positive = chances / (chances + (1 - chances) / negatives_stand_for)
    random = np.random.default_rng(seed)
    found = []
    for _ in range(DRAWS):
        labels = random.random(len(chances)) < drawn_positive
        weight = trust * np.where(labels, 1.0, negatives_stand_for)
        gap = np.bincount(place, weight * (chances - labels), minlength=bins)
        found.append(float(np.abs(gap).sum() / weight.sum()))
    return Floor(float(np.mean(found)), float(np.quantile(found, 0.975)))
