"""Mean P[Love] beside the Love rate of each policy of a log (docs/method.md, 4); `stats.correlation` has r."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stats.estimate import Floats


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
