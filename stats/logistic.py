"""Logistic regression with a covariance that is robust to clusters: a user's rows are not independent.

Newton's method and a sandwich, in numpy: that is all that the ranking of signals needs, and the influence of each
cluster stays at hand, with which two models on the same users are compared. Nothing here shrinks or penalises: a
regression that has no finite answer is refused.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEPS: Final = 50
TOLERANCE: Final = 1e-14
"""Newton decrement at which the likelihood counts as its maximum."""
SEPARATED: Final = 18.0
"""Logits over a column's range beyond which the answer is infinite: odds of one to tens of millions are no finding."""
BLOCK: Final = 100_000
"""Rows for which temporary arrays are held at once."""


class SeparationError(ValueError):
    """A column tells the outcome without error, so that the likelihood has no maximum."""


class LogisticFit(NamedTuple):
    """A fitted model of p columns, the constant first, on rows of G clusters.

    Attributes:
        coefficients: float64[p], log-odds per unit of a column.
        influence: float64[G, p], what each cluster moves the coefficients by; the columns sum to 0.
        rows: Rows fitted.
    """

    coefficients: Floats
    influence: Floats
    rows: int

    @property
    def clusters(self) -> int:
        """G."""
        return len(self.influence)

    @property
    def correction(self) -> float:
        """`G/(G-1) * (n-1)/(n-p)`, which makes up for the residuals being too small (CR1)."""
        inflated = (self.rows - 1) / max(1, self.rows - len(self.coefficients))
        return self.clusters / (self.clusters - 1) * inflated

    @property
    def covariance(self) -> Floats:
        """Clustered covariance of the coefficients, float64[p, p]: `correction * sum_g influence_g influence_g'`.

        This is the sandwich `H^-1 (sum_g s_g s_g') H^-1`, `s_g` the score of a cluster and `H` the information.
        """
        return self.correction * (self.influence.T @ self.influence)


class Maximum(NamedTuple):
    """Where Newton's method ended.

    Attributes:
        coefficients: float64[p].
        information: float64[p, p], at the coefficients.
        step: The largest last change of a coefficient: next to nothing at a maximum, about 1 on the way to infinity.
    """

    coefficients: Floats
    information: Floats
    step: float


class Contrast(NamedTuple):
    """A change of the mean chance, with its standard error."""

    value: float
    error: float


def fit(columns: Floats, outcome: NDArray[Any], clusters: Ints) -> LogisticFit:
    """Fit `P(outcome) = s(b0 + columns b)`.

    >>> rng = np.random.default_rng(1)
    >>> x = rng.standard_normal(20_000)
    >>> y = rng.random(20_000) < expit(-1 + 0.5 * x)
    >>> found = fit(x[:, None], y, np.arange(20_000))
    >>> found.coefficients.round(1).tolist()
    [-1.0, 0.5]

    Args:
        columns: float64[n, p - 1], without the constant, finite.
        outcome: bool[n].
        clusters: int64[n], number of each row's cluster, 0 to G - 1.

    Raises:
        SeparationError: A column tells the outcome without error.
        ValueError: Fewer than two clusters, one outcome only, or columns of which one follows from the others.
    """
    y = np.asarray(outcome, np.float64)
    groups = int(clusters.max()) + 1 if len(clusters) else 0
    if groups < 2 or not 0 < y.sum() < len(y):
        raise ValueError(
            f"{len(y)} rows of {groups} users, {int(y.sum())} with the outcome: needs two users, and rows with it and "
            "without it"
        )
    centre, scale = columns.mean(axis=0), columns.std(axis=0)
    if (scale == 0).any():
        raise ValueError(f"column {int(np.flatnonzero(scale == 0)[0])} is the same in every row: leave it out")
    x = np.column_stack([np.ones(len(y)), (columns - centre) / scale])
    beta, information, _ = maximum(x, y)
    _refuse_separation(beta, x)
    residual = y - expit(x @ beta)
    scores = np.column_stack([np.bincount(clusters, residual * x[:, j], minlength=groups) for j in range(x.shape[1])])
    back = _back(centre, scale)
    return LogisticFit(back @ beta, scores @ np.linalg.inv(information) @ back.T, len(y))


def contrast(model: LogisticFit, columns: Floats, clusters: Ints, place: int) -> Contrast:
    """The average marginal effect of a column: mean over rows of `P(column = 1) - P(column = 0)`, all else as it is.

    Its standard error takes both the coefficients and the rows as drawn, by cluster (delta method).

    Args:
        model: Fitted on these rows.
        columns: float64[n, p - 1], as in `fit`.
        clusters: int64[n], as in `fit`.
        place: Which of the columns, from 0.
    """
    x = np.column_stack([np.ones(len(columns)), columns])
    b = model.coefficients[place + 1]
    rest = x @ model.coefficients - b * columns[:, place]
    present, absent = expit(rest + b), expit(rest)
    x[:, place + 1] = 0.0
    slope = ((present * (1 - present) - absent * (1 - absent)) @ x) / len(x)
    slope[place + 1] = np.mean(present * (1 - present))
    change = present - absent
    own = np.bincount(clusters, change - change.mean(), minlength=model.clusters) / len(x)
    moved = model.influence @ slope + own
    return Contrast(float(change.mean()), float(np.sqrt(model.correction * (moved @ moved))))


def inflation(columns: Floats) -> Floats:
    """Variance inflation of each column, float64[p]: `1 / (1 - R^2)` of its regression on the others; 1 is none.

    >>> a, b = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0])
    >>> inflation(np.column_stack([a, b])).round(2).tolist()
    [1.0, 1.0]
    >>> inflation(np.column_stack([a, b, a + 0.2 * b])).round().tolist()[0] > 20
    True
    """
    if columns.shape[1] < 2:
        return np.ones(columns.shape[1])
    nearly = np.corrcoef(columns, rowvar=False) + 1e-12 * np.eye(columns.shape[1])  # an exact copy stays finite
    return np.asarray(np.diag(np.linalg.inv(nearly)), np.float64)


def maximum(x: Floats, y: Floats, *, weights: Floats | None = None, offset: Floats | None = None) -> Maximum:
    """Maximise `sum w (y log s(eta) + (1 - y) log(1 - s(eta)))` with `eta = offset + x b` by Newton's method.

    A step that makes the likelihood smaller is halved until it does not.

    Args:
        x: float64[n, p], the constant first; other columns about 0 and of like scale.
        y: float64[n] in [0, 1], not all 0 and not all 1.
        weights: float64[n]; each row counts 1 if left out.
        offset: float64[n], a part of the logit that is known; 0 if left out.

    Raises:
        SeparationError: A column tells the outcome without error.
        ValueError: A column follows from the others.
    """
    rows = _Rows(x, y, np.ones(len(y)) if weights is None else weights, np.zeros(len(y)) if offset is None else offset)
    base = np.average(y, weights=weights)
    beta: Floats = np.zeros(x.shape[1])
    beta[0] = np.log(base / (1 - base)) - np.average(rows.offset, weights=weights)
    likelihood, gradient, information = rows.at(beta)
    change: Floats = np.zeros_like(beta)
    for _ in range(STEPS):
        if np.linalg.cond(information) > 1e12:
            _refuse_separation(beta, x)
            raise ValueError("a column follows from the others: leave one of them out")
        step = np.asarray(np.linalg.solve(information, gradient), np.float64)
        if gradient @ step < TOLERANCE:
            change = step
            break
        share = 1.0
        found = rows.at(beta + step)
        while found[0] < likelihood - 1e-9 * abs(likelihood) and share > 1e-4:  # less than that is rounding
            share /= 2
            found = rows.at(beta + share * step)
        change = np.multiply(share, step)
        beta = np.add(beta, change)
        likelihood, gradient, information = found
    return Maximum(beta, information, float(np.abs(change).max()))


class _Rows(NamedTuple):
    """Rows of a regression, as `maximum` takes them."""

    x: Floats
    y: Floats
    weights: Floats
    offset: Floats

    def at(self, beta: Floats) -> tuple[float, Floats, Floats]:
        """Log-likelihood, its gradient and the information, summed block by block."""
        likelihood, gradient, information = 0.0, np.zeros(len(beta)), np.zeros((len(beta), len(beta)))
        for start in range(0, len(self.y), BLOCK):
            x, y, weight, offset = (part[start : start + BLOCK] for part in (self.x, self.y, self.weights, self.offset))
            eta = offset + x @ beta
            chance = expit(eta)
            likelihood += float(weight @ (y * eta - np.logaddexp(0.0, eta)))
            gradient += x.T @ (weight * (y - chance))
            information += x.T @ (x * (weight * chance * (1 - chance))[:, None])
        return likelihood, gradient, information


def _refuse_separation(beta: Floats, x: Floats) -> None:
    reach = np.abs(beta[1:]) * np.ptp(x[:, 1:], axis=0)
    if (reach > SEPARATED).any():
        raise SeparationError(
            f"column {int(reach.argmax())} tells the outcome without error ({reach.max():.0f} logits over its range): "
            "the signal is too rare, or a copy of the outcome; leave it out"
        )


def _back(centre: Floats, scale: Floats) -> Floats:
    """The matrix that takes coefficients of standardised columns to those of the columns themselves."""
    back = np.diag(np.concatenate([[1.0], 1 / scale]))
    back[0, 1:] = -centre / scale
    return back
