"""A user's entry into a time span, and what was seen of them in the week from it on: the rows of a surrogate index.

A row is a user's first day in the span (in an experiment: their first day under it). An arm decides nothing about who
has such a row, while later days of a user exist only if the arm let them come back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from stats.estimate import Floats
from training.retention.returns import AMOUNTS, PAST, SIGNALS, WEEK, Bools, Ints, UserDays

EARLY: Final = (
    *(f"{name}, mean over days" for name in SIGNALS),
    *(f"{name} of the week" for name in AMOUNTS),
    "days seen after the first",
    "returned within three days",
    "last day seen",
    "score of the last day",
    "mean score",
)
"""What was seen in the week from the entry on; scores are those of responses (`response_reward`)."""
COLUMNS: Final = (*PAST, *EARLY)


@dataclass(frozen=True, slots=True)
class Entries:
    """Rows of n entries.

    Attributes:
        days: The user-days on which they entered, in the order of the rows.
        arms: object[n], the arm of that day, or None.
        early: float64[n, 12], by `EARLY`.
        loves: float64[n], days with a love in the week, of `shown` days.
        shown: float64[n].
    """

    days: UserDays
    arms: np.ndarray
    early: Floats
    loves: Floats
    shown: Floats

    def __len__(self) -> int:
        return len(self.days)

    @property
    def columns(self) -> Floats:
        """float64[n, 19], by `COLUMNS`."""
        return np.column_stack([self.days.past, self.early])

    def take(self, rows: Ints | Bools) -> "Entries":
        """These rows, in this order."""
        return Entries(self.days.take(rows), self.arms[rows], self.early[rows], self.loves[rows], self.shown[rows])


def entries(days: UserDays, scores: Floats, *, since: Sequence[int] = (0,)) -> Entries:
    """Entries whose first week lies within the log.

    Args:
        days: User-days, sorted by user and day; of an experiment those under it alone.
        scores: float64[n], of each day's last response.
        since: Days since the log's first one at which a span begins, each with rows of its own: more starts give more
            rows of the same users to learn from, one start a row for each user.

    Raises:
        ValueError: Nobody entered a week or more before the log's end.
    """
    key = days.users * _FAR + days.days
    if np.any(np.diff(key) < 0):
        raise ValueError("user-days are not sorted by user and day: give them as `warehouse.retention.visits` does")
    found = [_from(days, key, start + int(days.days.min())) for start in since]
    first = np.concatenate(found)
    first = first[days.followed[first] >= WEEK - 1]
    if not len(first):
        raise ValueError("nobody entered a week or more before the log's end: nothing was seen of anybody's first week")
    end = np.searchsorted(key, key[first] + WEEK - 1, side="right")
    own, last = end - first, end - 1
    signals, mean = (_sums(each, first, end) / own[:, None] for each in (days.signals, scores[:, None]))
    amounts = np.log2(1 + _sums(2**days.amounts - 1, first, end))
    later = days.seen[first]
    soon, stayed = later[:, 1:4].any(axis=1), days.days[last] - days.days[first]
    early = np.column_stack([signals, amounts, own - 1, soon, stayed, scores[last], mean])
    loves = _sums(days.signals[:, :1], first, end)[:, 0]
    return Entries(days.take(first), days.arms[first], early, loves, own.astype(np.float64))


_FAR: Final = 1_000_000
"""More days than any log has: user and day in one number."""


def _from(days: UserDays, key: Ints, start: int) -> Ints:
    """The first row of each user on or after a day."""
    users = np.unique(days.users)
    place = np.searchsorted(key, users * _FAR + start)
    inside = place < len(key)
    place, users = place[inside], users[inside]
    return np.asarray(place[days.users[place] == users], np.int64)


def _sums(columns: Floats, first: Ints, end: Ints) -> Floats:
    """Sums over rows first to end - 1, float64[entries, columns]."""
    before = np.vstack([np.zeros((1, columns.shape[1])), np.cumsum(columns, axis=0)])
    return np.asarray(before[end] - before[first], np.float64)
