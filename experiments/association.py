"""Which signals foretell an outcome: each one's odds ratio, adjusted for what is known about the user, ranked.

Observational: an association, never a cause. What is not in the columns is not adjusted for.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import t as student

from experiments.design import Design, Signal, design, joint_design
from stats.estimate import Estimate, Floats
from stats.intervals import CONFIDENCE
from stats.logistic import LogisticFit, contrast, fit, inflation

Ints = NDArray[np.int64]

FEWEST_USERS: Final = 10
"""In each of the four cells (signal or not, outcome or not). With 10 and more of 400 users the 95 % intervals covered
in 95.9 % of 1,377 simulated tables; with fewer a cell soon runs empty, and then no model has an answer."""
COLLINEAR: Final = 5.0
"""Variance inflation from which the joint model can no longer tell a signal from the rest."""


class Association(NamedTuple):
    """A signal and the outcome. Odds ratios compare a signal that is wholly there with one that is absent.

    Attributes:
        label: Of the signal; `column` is its name.
        rows: Rows on which it is known; on `given` of them, by `users` users, it is above 0.
        alone: Odds ratio with nothing else in the model.
        adjusted: Odds ratio with the controls; the ranking goes by it. None for a signal that is too rare.
        joint: Odds ratio with the controls and all other signals.
        per_sd: As adjusted, for one standard deviation of the signal.
        effect: Average marginal effect: the mean change of the outcome's chance, adjusted.
        inflation: Of the variance in the joint model, by what the other columns already tell.
        apart: Whether this association and the next one's in the ranking differ beyond chance; None for the last.
        note: Why there is no figure, or what to mind; empty for nothing.
    """

    label: str
    column: str
    rows: int
    given: int
    users: int
    alone: Estimate | None = None
    adjusted: Estimate | None = None
    joint: Estimate | None = None
    per_sd: Estimate | None = None
    effect: Estimate | None = None
    inflation: float = 1.0
    apart: bool | None = None
    note: str = ""


class Ranking(NamedTuple):
    """All signals, the strongest positive association first, those that are too rare last.

    Attributes:
        rows: Rows in all, of `users` users; on `share` of them the outcome holds.
        controls: The columns adjusted for.
    """

    associations: tuple[Association, ...]
    rows: int
    users: int
    share: float
    controls: tuple[str, ...]


class _Data(NamedTuple):
    """n rows, whether the outcome holds, and the number of each row's user."""

    rows: pa.Table
    outcome: NDArray[np.bool_]
    users: Ints

    @property
    def all_users(self) -> int:
        return int(self.users.max()) + 1


class _Measured(NamedTuple):
    """An association, and what compares it with another: its log-odds and each user's influence on them."""

    found: Association
    log_odds: float
    influence: Floats


def rank(
    rows: pa.Table,
    signals: Sequence[Signal],
    *,
    outcome: str,
    user: str,
    counts: Sequence[str] = (),
    amount: str | None = None,
    group: str | None = None,
) -> Ranking:
    """Rank signals by their adjusted association with an outcome.

    One logistic regression for each signal, on the rows on which it is known, with the controls (see `design`). The
    joint model stands beside and does not rank, since a signal may be the consequence of another. Intervals are robust
    to dependent rows of one user, with Student's t for as many users as the rarer side of the signal has.

    Args:
        rows: One row an observation, such as a user's day.
        signals: Which columns.
        outcome: A column of truth values.
        user: The column whose equal values make rows dependent.
        counts: Columns of counts that may confound.
        amount: The column of counts that says in the joint model how much room a row gave.
        group: A column of names that may confound, such as the arm of an experiment.

    Raises:
        ValueError: No rows, one user, or the outcome is the same everywhere.
    """
    data = _data(rows, outcome, user)
    measured = [_measure(data, signal, design(rows, signal, counts, group)) for signal in signals]
    clear = sorted((one for one in measured if one.found.adjusted), key=lambda one: -one.log_odds)
    rare = [one.found for one in measured if not one.found.adjusted]
    together = joint_design(rows, [one.found.column for one in clear], [*counts, *([amount] if amount else [])], group)
    joint = _joint(data, together, len(clear))
    known = [
        _minded(one.found._replace(**figures, apart=_apart(one, after)))
        for one, after, figures in zip(clear, [*clear[1:], None], joint, strict=True)
    ]
    names = together.names[len(clear) :]
    return Ranking((*known, *rare), len(rows), data.all_users, float(data.outcome.mean()), names)


def _data(rows: pa.Table, outcome: str, user: str) -> _Data:
    if not len(rows):
        raise ValueError("no rows to learn from: the log must reach back over a week and the outcome's whole window")
    holds = rows[outcome].to_numpy().astype(bool)
    users = np.asarray(rows[user].combine_chunks().dictionary_encode().indices.to_numpy(), np.int64)
    if not 0 < holds.sum() < len(holds) or users.max() < 1:
        raise ValueError(
            f"{outcome} holds on {int(holds.sum())} of {len(holds)} rows of {int(users.max()) + 1} users: needs rows "
            "with and without it, of two users at least"
        )
    return _Data(rows, holds, users)


def _measure(data: _Data, signal: Signal, own: Design) -> _Measured:
    outcome, users, present = data.outcome[own.known], data.users[own.known], own.columns[:, 0] > 0
    found = Association(signal.label, signal.column, len(users), int(present.sum()), _distinct(users[present]))
    cells = [_distinct(users[(present == a) & (outcome == b)]) for a in (True, False) for b in (True, False)]
    if min(cells) < FEWEST_USERS:
        note = f"too rare: {min(cells)} users in the smallest of its four cells, at least {FEWEST_USERS} are needed"
        return _Measured(found._replace(note=note), 0.0, np.zeros(0))
    half = _half(min(found.users, _distinct(users[~present])) - 1)
    names, codes = np.unique(users, return_inverse=True)
    try:
        alone, adjusted = fit(own.columns[:, :1], outcome, codes), fit(own.columns, outcome, codes)
    except ValueError as error:
        names_of = ", ".join(f"{place} {name}" for place, name in enumerate(own.names))
        return _Measured(found._replace(note=f"no finite answer: {error} (columns: {names_of})"), 0.0, np.zeros(0))
    change = contrast(adjusted, own.columns, codes, 0)
    found = found._replace(
        alone=_odds(alone, 1, half),
        adjusted=_odds(adjusted, 1, half),
        per_sd=_odds(adjusted, 1, half, unit=float(own.columns[:, 0].std())),
        effect=Estimate(change.value, change.value - half * change.error, change.value + half * change.error),
    )
    influence = np.zeros(data.all_users)
    influence[names] = adjusted.influence[:, 1] * np.sqrt(adjusted.correction)
    return _Measured(found, float(adjusted.coefficients[1]), influence)


def _joint(data: _Data, together: Design, signals: int) -> list[dict[str, Any]]:
    """Joint odds ratio and variance inflation of the first columns; no odds where the model has no answer."""
    if not signals:
        return []
    swollen = inflation(together.columns)[:signals].tolist()
    try:
        model = fit(together.columns, data.outcome, data.users)
    except ValueError:
        return [{"inflation": each} for each in swollen]
    givers = [_distinct(data.users[column > 0]) for column in together.columns[:, :signals].T]
    return [
        {"joint": _odds(model, place + 1, _half(givers[place] - 1)), "inflation": each}
        for place, each in enumerate(swollen)
    ]


def _apart(one: _Measured, after: _Measured | None) -> bool | None:
    """Two models on the same users: the difference's variance is the sum of the squared differences of influence."""
    if after is None:
        return None
    error = float(np.linalg.norm(one.influence - after.influence))
    return one.log_odds - after.log_odds > _half(len(one.influence) - 1) * error


def _minded(one: Association) -> Association:
    if one.inflation >= COLLINEAR:
        return one._replace(note=f"collinear: the other columns inflate its joint variance {one.inflation:.0f} times")
    return one if one.joint else one._replace(note="no joint figure: the joint model has no finite answer")


def _odds(model: LogisticFit, place: int, half: float, unit: float = 1.0) -> Estimate:
    centre = float(model.coefficients[place]) * unit
    reach = half * float(np.sqrt(model.covariance[place, place])) * unit
    return Estimate(*np.exp(np.clip([centre, centre - reach, centre + reach], -700, 700)).tolist())


def _half(freedom: int) -> float:
    return float(student.ppf(0.5 + CONFIDENCE / 2, max(1, freedom)))


def _distinct(users: Ints) -> int:
    return len(np.unique(users))
