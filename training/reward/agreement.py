"""Do policies with a higher mean P[Love] also have a higher Love rate (docs/method.md, 4)?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from training.reward.metrics import Estimate, Floats


class PolicyRow(NamedTuple):
    """One policy of a log."""

    policy: str
    responses: int
    mean_p_love: float
    love_rate: float


def policy_table(policies: Sequence[str], labels: Floats, chances: Floats) -> list[PolicyRow]:
    """Mean P[Love] and Love rate of each policy, by name.

    >>> policy_table(["a", "b", "a"], np.array([1.0, 0, 0]), np.array([0.25, 0.5, 0.25]))[0]
    PolicyRow(policy='a', responses=2, mean_p_love=0.25, love_rate=0.5)
    """
    names, owner = np.unique(np.array(policies), return_inverse=True)
    rows = np.bincount(owner)
    means, rates = np.bincount(owner, chances) / rows, np.bincount(owner, labels) / rows
    return [
        PolicyRow(str(name), int(count), float(mean), float(rate))
        for name, count, mean, rate in zip(names, rows, means, rates, strict=True)
    ]


def pearson(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Pearson r with the 95 % interval of Fisher's z, `tanh(atanh(r) +- 1.96 / sqrt(n - 3))`.

    NaN where it is not defined: r needs 2 points that differ in both, its interval 4.

    >>> str(pearson([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]))
    '0.800 [-0.280, 0.986]'
    """
    count = len(first)
    if count < 2 or min(np.std(first), np.std(second)) == 0:
        return Estimate(float("nan"), float("nan"), float("nan"))
    r = round(float(np.clip(np.corrcoef(first, second)[0, 1], -1, 1)), 12)
    if count < 4 or abs(r) == 1:
        return Estimate(r, float("nan"), float("nan"))
    reach = 1.96 / np.sqrt(count - 3)
    return Estimate(r, float(np.tanh(np.arctanh(r) - reach)), float(np.tanh(np.arctanh(r) + reach)))
