"""How well returns are foretold, on users that no model has seen, beside Kaplan-Meier and the past alone.

A row whose week the log's end cuts off and that has not returned yet is not measured, and the others stand for it:
weights are the inverse chance that a row is followed for so long as its outcome took (Graf et al., 1999). How long rows
are followed is known of all, so that chance is their share.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logit

from stats import clusters
from stats.estimate import Estimate, Floats
from stats.metrics import calibration_error
from training.retention.returns import WEEK, Returns, UserDays, returns

_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One model's forecasts of the return after some days.

    Attributes:
        model: By name.
        delay: Days.
        rows: With a weight, of `users` users; `returned`: weighted share that returned.
        users: Of these rows.
        returned: Weighted share of the rows.
        brier: Mean squared error of the chance; `gain`: the baseline's less this one's on the same rows, above 0 is
            better.
        gain: None for the baseline itself.
        auroc: Chance that one who returned had been given the higher chance.
        offset: What must be added to every logit for as many to return as is said, 0 if calibrated.
        slope: Of the returns on the said logits, 1 if calibrated; NaN where all chances are the same.
        ece: Mean distance of said and seen over ten bins.
    """

    model: str
    delay: int
    rows: int
    users: int
    returned: float
    brier: Estimate
    gain: Estimate | None
    auroc: Estimate
    offset: Estimate
    slope: Estimate
    ece: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; every estimate as value, low, high, and None for what is not defined."""
        return {name: _plain(getattr(self, name)) for name in self.__slots__}


def weights_of(days: UserDays, delay: int, found: Returns) -> Floats:
    """Inverse-probability-of-censoring weights, float64[n]: 0 where the outcome is not known."""
    needed = np.where(found.returned, delay + found.periods - 1, delay + WEEK - 1)
    share = np.array([(days.followed >= each).mean() for each in range(delay + WEEK)])
    known = days.followed >= needed
    return np.where(known, 1 / np.maximum(share[needed], _LEAST), 0.0)


def accuracies(days: UserDays, delay: int, chances: Mapping[str, Floats]) -> list[Accuracy]:
    """Measure several models on the same rows, each against the one before it.

    Args:
        days: Rows of users that no model has seen.
        delay: Of the return.
        chances: By name, float64[n] each; the first is the baseline of the second, and so on.

    Raises:
        ValueError: No row has a known outcome.
    """
    found = returns(days, delay)
    every = weights_of(days, delay, found)
    rows = np.flatnonzero(every > 0)
    if not len(rows):
        raise ValueError(
            f"return after {delay} days: of none of {len(days):,} rows is the outcome known yet; ingest a longer log"
        )
    labels, weights, users = found.returned[rows].astype(np.float64), every[rows], days.user_ids[rows]
    told, before = [], None
    for name, chance in chances.items():
        said = np.clip(chance[rows], _LEAST, 1 - _LEAST)
        squared = (said - labels) ** 2
        offset, slope = clusters.line_of(labels, logit(said), weights, users)
        told.append(
            Accuracy(
                model=name,
                delay=delay,
                rows=len(rows),
                users=len(np.unique(users)),
                returned=float(np.average(labels, weights=weights)),
                brier=clusters.mean(squared, weights, users),
                gain=None if before is None else clusters.mean(before - squared, weights, users),
                auroc=clusters.auroc_of(labels, said, weights, users),
                offset=offset,
                slope=slope,
                ece=calibration_error(labels, said, weights),
            )
        )
        before = squared
    return told


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        return [None if np.isnan(each) else each for each in value]
    return value
