"""What moves a return, ranked: odds ratios of the survival model with intervals over users.

The same person-periods as `hazard`, unpenalised, so that each odds ratio has the sandwich's interval; a column that
tells the return without error is refused rather than shrunk.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stats.estimate import Estimate, Floats
from stats.logistic import LogisticFit, fit
from training.retention.returns import WEEK, UserDays, person_periods, returns

_Z = 1.96


class ReturnOdds(NamedTuple):
    """One column and the return after some days.

    Attributes:
        name: Of the column.
        odds: Ratio of the odds to return on any day of the week: wholly there against absent.
        chance: Points by which the chance of returning in the week moves, on average over rows.
    """

    name: str
    odds: Estimate
    chance: float


def ranked(
    days: UserDays, columns: Floats, names: Sequence[str], controls: Floats, delay: int, *, jointly: bool = False
) -> list[ReturnOdds]:
    """The columns' odds ratios, the largest first.

    Args:
        days: n rows.
        columns: float64[n, k], what is ranked, in units of "wholly there".
        names: k names.
        controls: float64[n, p], what every model adjusts for beside the day of the week of the return.
        delay: Of the return.
        jointly: All columns in one model; else each in one of its own.

    Raises:
        ValueError: A model has no finite answer; names the column.
    """
    entries = person_periods(returns(days, delay))
    users = np.unique(days.users[entries.row], return_inverse=True)[1]
    daily = (entries.period[:, None] == np.arange(1, WEEK)).astype(np.float64)
    fixed = np.column_stack([controls[entries.row], daily])
    fixed = fixed[:, np.ptp(fixed, axis=0) > 0]
    groups = [[*range(len(names))]] if jointly else [[place] for place in range(len(names))]
    found = []
    for group in groups:
        told = ", ".join(names[place] for place in group)
        try:
            model = fit(np.column_stack([columns[:, group][entries.row], fixed]), entries.event, users)
        except ValueError as error:
            raise ValueError(f"{told}, return after {delay} days: {error}") from None
        for number, place in enumerate(group):
            odds = _odds(model, number + 1)
            found.append(ReturnOdds(names[place], odds, _moved(model, number + 1, days, delay)))
    return sorted(found, key=lambda one: -one.odds.value)


def _odds(model: LogisticFit, place: int) -> Estimate:
    centre, error = float(model.coefficients[place]), float(np.sqrt(model.covariance[place, place]))
    return Estimate(*np.exp([centre, centre - _Z * error, centre + _Z * error]).tolist())


def _moved(model: LogisticFit, place: int, days: UserDays, delay: int) -> float:
    """The change of `1 - S` at the mean survival S: `S^1 - S^odds`, the daily chances being small (in points)."""
    found = returns(days, delay)
    stayed_away = 1 - float(found.returned[found.complete].mean()) if found.complete.any() else float("nan")
    return float(100 * (stayed_away - stayed_away ** np.exp(model.coefficients[place])))
