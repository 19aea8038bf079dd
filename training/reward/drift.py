"""Calibration and ranking week by week, on users that the model never saw: does it age?

Users of no training part are scored over the whole log, so the weeks before the split's cut are the reference for those
after it. A week alarms when its interval, corrected for the number of weeks, lies beyond a limit; the alarm names it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stats.clusters import auroc_of
from stats.estimate import Floats
from training.reward.audit import Result
from training.reward.data import Examples, Rows
from training.reward.measure import Scored
from training.reward.slices import Slice, corrected, off, rarer, slice_of
from training.reward.split import Split
from training.reward.thresholds import Thresholds

_WEEK = 7 * 86_400_000_000
_MONDAY = 3 * 86_400_000_000
"""1970 began on a Thursday."""


class Weeks(NamedTuple):
    """Weeks in order, and what is wrong with each that alarms.

    Attributes:
        weeks: Slices whose `value` is the Monday on which the week began (UTC). Small weeks are one with the next:
            their `value` is the first and the last Monday, `2026-01-05 to 2026-01-19`.
        alarms: Sentences, each with its week.
        why: Why there is nothing to compare, or empty.
    """

    weeks: list[Slice]
    alarms: list[str]
    why: str = ""

    @property
    def result(self) -> Result:
        """The finding."""
        if self.why:
            return Result("drift", "not measured", self.why, blocks=False)
        if self.alarms:
            return Result("drift", "failed", "; ".join(self.alarms), blocks=False)
        span = f"{self.weeks[0].value[:10]} to {self.weeks[-1].value[-10:]}"
        return Result("drift", "passed", f"{len(self.weeks)} weeks, {span}: none differs beyond chance", blocks=False)


def unseen(every: Examples, parts: Split) -> Rows:
    """Rows of all users that are in neither training nor validation, at any time; of labels the test part."""
    if not len(parts.later):
        return parts.test
    seen = np.concatenate([every.users[parts.train], every.users[parts.validation]])
    return np.flatnonzero(~np.isin(every.users, seen) & every.mature)


def weeks_of(times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The number of each moment's week, weeks beginning on Mondays in UTC.

    >>> monday = int(np.datetime64("2026-01-05", "us").astype(np.int64))
    >>> np.diff(weeks_of(np.array([monday - 1, monday, monday + 7 * 86_400_000_000 - 1]))).tolist()
    [1, 0]
    """
    return np.asarray((times + _MONDAY) // _WEEK)


def drift(scored: Scored, limits: Thresholds) -> Weeks:
    """Every week's figures, and its alarms."""
    labels, week = scored.examples.positives, weeks_of(scored.examples.times)
    parts = _joined(week, labels, limits.slice_rows)
    if len(parts) < 2:
        why = (
            f"the rows of unseen users cover {len(np.unique(week)):,} weeks, of which fewer than 2 hold "
            f"{limits.slice_rows} rows of the rarer kind"
        )
        return Weeks([], [], why)
    z = corrected(2 * len(parts))
    weeks = [slice_of(scored.take(rows), "week", _mondays(week[rows]), z=z) for rows in parts]
    alarms = [
        f"week of {each.value}: {each.times} ({each.rows:,} rows, {each.positives:,} positives)"
        for each in weeks
        if off(each.offset, limits.drift)
    ]
    for each, rows in zip(weeks, parts, strict=True):
        alarms += _ranks_worse(scored, each, rows, z, limits.drift_auroc)
    return Weeks(weeks, alarms)


def _ranks_worse(scored: Scored, week: Slice, rows: Rows, z: float, limit: float) -> list[str]:
    """The alarm of a week whose AUROC lies below the other weeks' by more than the limit."""
    rest = scored.take(np.setdiff1d(np.arange(len(scored.logits)), rows))
    other = auroc_of(rest.examples.positives, rest.logits, rest.weights, rest.users, z=z)
    drop = other.value - week.auroc.value
    reach = float(np.hypot(other.value - other.low, week.auroc.high - week.auroc.value))
    if not drop - reach > limit:
        return []
    return [f"week of {week.value}: AUROC {week.auroc}, in the other weeks {other}"]


def _joined(week: npt.NDArray[np.int64], labels: Floats, least: int) -> list[Rows]:
    """Rows by week; a week with too few of the rarer kind is one with the next, at the end with the one before."""
    parts: list[Rows] = []
    waiting: Rows = np.array([], dtype=np.int64)
    for number in np.unique(week):
        waiting = np.concatenate([waiting, np.flatnonzero(week == number)])
        if rarer(labels[waiting]) >= least:
            parts.append(waiting)
            waiting = np.array([], dtype=np.int64)
    if len(waiting) and parts:
        parts[-1] = np.concatenate([parts[-1], waiting])
    return parts


def _mondays(weeks: npt.NDArray[np.int64]) -> str:
    """The Monday of a week, or the first and the last of several."""
    days = [str(np.datetime64(int(each) * _WEEK - _MONDAY, "us").astype("datetime64[D]")) for each in np.unique(weeks)]
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
