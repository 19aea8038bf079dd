"""A late outcome foretold from an early one: the surrogate index (Athey, Chetty, Imbens and Kang, NBER 26463, 2019).

With S what was seen in the first week, X what was known before and Y the return after 14 days, the index is
`h(S, X) = E[Y | S, X]`, learnt on past users. An experiment's effect on Y is foretold by the difference of the arms'
mean h, a fortnight before Y is known. That is right when (1) the arm is random, (2) S carries the whole effect of the
arm on Y given X (surrogacy) and (3) past users with the same S and X return as the experiment's do (comparability).
Neither (2) nor (3) can be seen from an experiment's first week; `validity` holds both against experiments that are
over.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.special import expit

from stats.estimate import Estimate, Floats
from stats.heterogeneity import Pooled, pooled
from training.retention.entries import COLUMNS, Entries
from training.retention.hazard import Hazard, fit_hazard
from training.retention.returns import DELAYS, Bools, returns

FEWEST: Final = 50
"""Users of an arm with fewer of whom nothing is said."""
LATE: Final = DELAYS[-1]
_Z: Final = 1.96


class ReturnEffect(NamedTuple):
    """Treatment less control, as a difference of shares with its standard error.

    Attributes:
        value: The difference.
        error: Its standard error over users.
    """

    value: float
    error: float

    @property
    def estimate(self) -> Estimate:
        """With its 95 % interval."""
        return Estimate(self.value, self.value - _Z * self.error, self.value + _Z * self.error)


class Foretold(NamedTuple):
    """What an experiment does to the late return.

    Attributes:
        by_index: By the surrogate index; the index is taken as known, so the error is that of the users alone.
        direct: As it was seen, of users whose late week is over; None where no arm has enough of them.
        gap: Direct less index, of the same users; None likewise.
        bound: The most by which the index may be wrong if the first week carries nothing, see `bound`.
    """

    by_index: ReturnEffect
    direct: ReturnEffect | None
    gap: ReturnEffect | None
    bound: float


def fit_index(rows: Entries) -> Hazard:
    """Learn the index: a survival model of the late return on first week and past.

    Entries that the log's end cuts off count as far as they are known.

    Raises:
        ValueError: As `hazard.fit_hazard`: mostly that the log is too short.
    """
    return fit_hazard(rows.days, rows.columns, COLUMNS, LATE)


def foretell(index: Hazard, rows: Entries, treated: Bools) -> Foretold:
    """What an experiment does, by its users' first week.

    Args:
        index: From `fit_index`.
        rows: The experiment's entries, of two arms.
        treated: bool[n], which of them are of the treatment.

    Raises:
        ValueError: An arm has fewer than `FEWEST` users.
    """
    sizes = int((~treated).sum()), int(treated.sum())
    if min(sizes) < FEWEST:
        raise ValueError(
            f"control and treatment have {sizes[0]:,} and {sizes[1]:,} users whose first week is over, need {FEWEST} "
            "each: let the experiment run on"
        )
    chance = index.chance(rows.columns)
    found = returns(rows.days, LATE)
    over = found.complete
    known = bool(min((over & ~treated).sum(), (over & treated).sum()) >= FEWEST)
    came = found.returned.astype(np.float64)
    direct = difference(came[over], treated[over]) if known else None
    gap = difference((came - chance)[over], treated[over]) if known else None
    return Foretold(difference(chance, treated), direct, gap, bound(chance, rows.columns, treated))


def difference(values: Floats, treated: Bools) -> ReturnEffect:
    """Mean of the treated less that of the others, one value a user (Welch)."""
    parts = values[treated], values[~treated]
    error = float(np.sqrt(sum(each.var(ddof=1) / len(each) for each in parts)))
    return ReturnEffect(float(parts[0].mean() - parts[1].mean()), error)


def bound(chance: Floats, columns: Floats, treated: Bools) -> float:
    """The most by which the index may be wrong where surrogacy fails.

    With e the share of the treated and r = P(treated | S, X) the surrogate score, the bias is
    `E[cov(Y, W | S, X)] / (e (1 - e))`, and by Cauchy and Schwarz at most
    `E[sqrt(h (1 - h) r (1 - r))] / (e (1 - e))`. It is wide: nothing but the first week's own tie to arm and outcome
    is used. The score is a logistic regression on the same columns.
    """
    share = float(treated.mean())
    score = _score(columns, treated.astype(np.float64))
    spread = np.sqrt(chance * (1 - chance) * score * (1 - score))
    return float(spread.mean() / (share * (1 - share)))


class Validity(NamedTuple):
    """How the index did on experiments that are over.

    Attributes:
        tests: How many.
        mean: Direct less index, over tests, pooled with their spread.
        outside: Tests whose own gap lies beyond chance (5 % would by chance).
        margin: 95 % of further experiments' gaps lie within so much of 0 if they are like these; None of one test.
    """

    tests: int
    mean: Pooled
    outside: int
    margin: float


def validity(found: Sequence[Foretold]) -> Validity:
    """Hold the index against experiments whose late return is known: is it biased, and how much do its errors vary?

    The gap of a test is its own bias plus chance. `pooled` tells the mean bias and its spread tau over tests;
    `margin = |mean| + 1.96 sqrt(tau^2 + error^2)`.

    Raises:
        ValueError: Of none is the late return known.
    """
    gaps = [each.gap for each in found if each.gap is not None]
    if not gaps:
        raise ValueError("of no experiment is the late return known: the index cannot be checked before three weeks")
    together = pooled([each.value for each in gaps], [each.error for each in gaps])
    outside = sum(abs(each.value) > _Z * each.error for each in gaps)
    margin = abs(together.mean) + _Z * float(np.sqrt(together.variance + together.error**2))
    return Validity(len(gaps), together, outside, margin)


def _score(columns: Floats, treated: Floats) -> Floats:
    """P(treated | columns) by a penalised logistic regression, float64[n]."""
    scale = np.where(columns.std(axis=0) > 0, columns.std(axis=0), 1.0)
    x = np.column_stack([(columns - columns.mean(axis=0)) / scale, np.ones(len(columns))])
    prior: Any = np.append(np.ones(columns.shape[1]), 1e-6)
    theta = np.zeros(x.shape[1])
    for _ in range(25):
        chance = expit(x @ theta)
        curvature = x.T @ (x * (chance * (1 - chance))[:, None]) + np.diag(prior)
        theta = theta + np.linalg.solve(curvature, x.T @ (treated - chance) - prior * theta)
    return np.asarray(expit(x @ theta), np.float64)
