"""What is known of users before a test, as columns of a regression."""

import math
from typing import Any, Final

import numpy as np

from experiments.columns import Bools, Floats, amounts, same_length

USERS_PER_COVARIATE: Final = 10
"""In each arm, at least: with fewer, slopes are chance, and the leverage of single users comes near 1."""
_DEPENDENT: Final = 1e-6
"""Share of a column's length that must be left when the columns before it are taken off."""


def history_covariates(past_loves: Any, past_exposures: Any) -> Floats:
    """What is known of users before a test: past loves, past exposures, shrunk past rate, whether there is any past.

    The rate is that of an empirical-Bayes beta-binomial (Kleinman 1973, by moments): with m the mean rate, y exposures
    and r = x / y a user's,

        tau^2 = (sum_i y_i (r_i - m)^2 - (n - 1) m (1 - m)) / (sum y - sum y^2 / sum y),
        a + b = m (1 - m) / tau^2 - 1,

    it is `(x + (a + b) m) / (y + a + b)`, and m for all where rates differ no more than by chance. Users without a past
    have 0 in all four columns.

    >>> history_covariates([0, 2, 9], [0, 10, 10]).round(2).tolist()
    [[0.0, 0.0, 0.0, 0.0], [2.0, 10.0, 0.2, 1.0], [9.0, 10.0, 0.9, 1.0]]

    Args:
        past_loves: Of each user, [users], over a window that ended before the user's first exposure.
        past_exposures: Over the same window.

    Returns:
        float64[users, 4].

    Raises:
        ValueError: Columns of different lengths, a number that is negative or not finite, more loves than exposures.
    """
    x, y = amounts("past_loves", past_loves), amounts("past_exposures", past_exposures)
    same_length(past_loves=x, past_exposures=y)
    wrong = np.flatnonzero(x > y)
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(
            f"past_loves holds {x[row]:g} of {y[row]:g} past exposures (row {row + 1:,}), must be at most as many: "
            "count each loved response once, and both over one window"
        )
    has = y > 0
    rate = np.zeros(len(x))
    rate[has] = _shrunk(x[has], y[has])
    return np.column_stack([x, y, rate, has])


def known_values(covariates: Any) -> Floats:
    """Check the columns of a regression, float64[users, columns].

    Raises:
        ValueError: They are not as many rows of columns, or hold a number that is not finite.
    """
    known = np.asarray(covariates, dtype=np.float64)
    if known.ndim != 2:
        raise ValueError(f"covariates have the shape {known.shape}, must be [users, columns]: one row for each user")
    wrong = np.argwhere(~np.isfinite(known))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise ValueError(
            f"covariates hold {known[row, column]} (row {row + 1:,}, column {column + 1}), must be finite: 0 and a "
            "column that says so where nothing is known"
        )
    return known


def usable(known: Floats, treated: Bools) -> tuple[list[int], str]:
    """Columns that say something of their own in both arms, in their order, and why others are not used."""
    kept = list(range(known.shape[1]))
    for of in (~treated, treated):  # what is independent in one arm remains so when more columns are left out
        kept = [kept[place] for place in _independent(known[of][:, kept])]
    fewest = int(min(treated.sum(), (~treated).sum()))
    if fewest < USERS_PER_COVARIATE * len(kept):
        return [], f"{fewest:,} users in an arm are too few for {len(kept)} covariates, nothing is adjusted"
    if not kept:
        return [], "no covariate varies in both arms, nothing is adjusted"
    left = [str(place + 1) for place in range(known.shape[1]) if place not in kept]
    return kept, f"left out, constant or a sum of others: column {', '.join(left)}" if left else ""


def _independent(columns: Floats) -> list[int]:
    """Places of columns that are no linear function of those before (Gram and Schmidt, twice for the rounding)."""
    basis, places = np.empty((len(columns), 0)), list[int]()
    about = columns - columns.mean(axis=0)
    for place, column in enumerate(about.T):
        size = float(np.linalg.norm(column))
        # what is left of a constant after its mean was taken off is rounding
        if size <= 1e-12 * math.sqrt(len(column)) * float(np.abs(columns[:, place]).max(initial=0.0)):
            continue
        rest = column / size
        for _ in range(2):
            rest = rest - basis @ (basis.T @ rest)
        length = float(np.linalg.norm(rest))
        if length > _DEPENDENT:
            basis = np.column_stack([basis, rest / length])
            places.append(place)
    return places


def _shrunk(x: Floats, y: Floats) -> Floats:
    total = float(y.sum())
    mean = float(x.sum()) / total if total else 0.0
    binomial = mean * (1 - mean)
    room = total - float(y @ y) / total if total else 0.0
    if binomial <= 0 or room <= 0:
        return np.full(len(x), mean)
    between = (float(y @ (x / y - mean) ** 2) - (len(x) - 1) * binomial) / room
    if between <= 0:
        return np.full(len(x), mean)
    prior = max(binomial / between - 1, 0.0)
    return np.asarray((x + prior * mean) / (y + prior), np.float64)
