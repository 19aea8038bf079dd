"""A discrete-time survival model of the return: a logistic regression on person-periods (Allison, 1982).

`h_j(x) = s(a_j + x b)` is the chance that a user who has not returned by day j of the week returns on it, and
`P(return | x) = 1 - prod_j (1 - h_j(x))`. A row that the log's end cuts off counts with the days that the log holds, so
nothing is assumed of the others; that is right as long as the end of the log has nothing to do with who returns.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.special import expit

from stats.estimate import Floats
from training.retention.returns import WEEK, Returns, UserDays, person_periods, returns

PENALTY: Final = 1.0
"""Of squared coefficients of standardised columns, in log-likelihood: rare columns stay finite, others hardly move."""
_STEPS: Final = 50


class Hazard(NamedTuple):
    """A fitted model.

    Attributes:
        delay: After so many days the week of the return begins.
        names: Of the p columns.
        daily: float64[7], a_j.
        weights: float64[p], b, by unit of a column.
    """

    delay: int
    names: tuple[str, ...]
    daily: Floats
    weights: Floats

    def logits(self, columns: Floats) -> Floats:
        """`x b`, float64[n]: what moves a row's log-odds of returning on any day of the week."""
        return np.asarray(columns @ self.weights, np.float64)

    def chance(self, columns: Floats) -> Floats:
        """P(return), float64[n], of columns float64[n, p]."""
        daily = expit(self.daily[None, :] + self.logits(columns)[:, None])
        return np.asarray(1 - np.prod(1 - daily, axis=1), np.float64)

    def expected(self, columns: Floats, periods: Any) -> Floats:
        """`-sum_j log(1 - h_j)` over each row's days at risk, float64[n]: its cumulative hazard, in continuous time."""
        daily = np.log1p(np.exp(self.daily[None, :] + self.logits(columns)[:, None]))
        return np.asarray(np.where(np.arange(WEEK)[None, :] < np.asarray(periods)[:, None], daily, 0.0).sum(axis=1))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        plain = {"daily": self.daily.tolist(), "weights": self.weights.tolist()}
        return {"delay": self.delay, "names": list(self.names), **plain}

    @classmethod
    def of_dict(cls, told: dict[str, Any]) -> "Hazard":
        """What `as_dict` gave."""
        return cls(int(told["delay"]), tuple(told["names"]), np.array(told["daily"]), np.array(told["weights"]))


def fit_hazard(
    days: UserDays, columns: Floats, names: Sequence[str], delay: int, *, known: Returns | None = None
) -> Hazard:
    """Fit the return after `delay` days; without columns it is the estimate of Kaplan and Meier (1958).

    Args:
        days: n rows.
        columns: float64[n, p], finite.
        names: p names.
        delay: As in `returns`.
        known: The returns, where they were found already.

    Raises:
        ValueError: No row is followed for so long, or everybody returned, or nobody did.
    """
    found = known or returns(days, delay)
    entries = person_periods(found)
    events = int(entries.event.sum())
    if events < 1 or events == len(entries.row) or not len(entries.row):
        followed = int((days.followed >= delay).sum())
        raise ValueError(
            f"return after {delay} days: {events:,} returns on {len(entries.row):,} days at risk, of {followed:,} rows "
            "that the log follows so far; needs rows that returned and rows that did not: ingest a longer log"
        )
    centre, scale = columns.mean(axis=0), columns.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    daily, weights = _newton((columns - centre) / scale, entries.row, entries.period, entries.event.astype(np.float64))
    weights = weights / scale
    return Hazard(delay, tuple(names), daily - float(centre @ weights), weights)


def _newton(x: Floats, row: Any, period: Any, event: Floats) -> tuple[Floats, Floats]:
    """Penalised maximum likelihood of day terms and weights on standardised columns.

    A day term is drawn to the mean rate by half an event and half a miss (Haldane and Anscombe), so that a day on which
    nobody returned stays finite.
    """
    count = x.shape[1]
    happened = np.bincount(period, event, WEEK) + 0.5
    daily = np.log(happened / (np.bincount(period, minlength=WEEK) + 1 - happened))
    theta = np.concatenate([daily, np.zeros(count)])
    prior = np.concatenate([np.full(WEEK, 1e-3), np.full(count, PENALTY)])
    start = theta.copy()
    for _ in range(_STEPS):
        inner = x @ theta[WEEK:]
        chance = expit(theta[:WEEK][period] + inner[row])
        residual, spread = event - chance, chance * (1 - chance)
        own = np.bincount(row, residual, len(x))
        gradient = np.concatenate([np.bincount(period, residual, WEEK), x.T @ own]) - prior * (theta - start)
        by_row = np.bincount(row, spread, len(x))
        cross = np.stack([x.T @ np.bincount(row[period == j], spread[period == j], len(x)) for j in range(WEEK)])
        top = np.hstack([np.diag(np.bincount(period, spread, WEEK)), cross])
        curvature = np.vstack([top, np.hstack([cross.T, x.T @ (x * by_row[:, None])])]) + np.diag(prior)
        step = np.linalg.solve(curvature, gradient)
        theta = theta + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-8:
            break
    return theta[:WEEK], theta[WEEK:]
