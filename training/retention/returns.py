"""User-days with what was known on them, and when the user was shown a response again.

A row is one user on one UTC day on which a response was shown to them. They *return after d days* when a response is
shown to them on at least one of the UTC days d to d + 6 after the row's day; the week takes out the weekday. The time
to it is the first such day. A row is censored at the log's end: of a day that lies behind it nothing is known, and
nothing is assumed. Whoever was erased has no row at all, which is no censoring but a population without them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stats.estimate import Floats

if TYPE_CHECKING:
    import pyarrow as pa

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DELAYS: Final = (1, 7, 14)
"""Days after which a return is looked for."""
WEEK: Final = 7
"""Days over which it is looked for."""
PAST: Final = (
    "responses of the week before",
    "days of the week before",
    "days with a love of the week before",
    "days since the last one",
    "first day in the log",
    "days since the first one",
    "the week before is not in the log",
)
"""What is known of a user before the day; counts by doublings, `log2(1 + count)`."""
SIGNALS: Final = ("love", "liked", "disliked", "continues", "sentiment")
"""What the user told on the day; what is unknown counts as 0, which is neutral."""
AMOUNTS: Final = ("responses", "conversations")
"""How much the day gave room for, by doublings."""


@dataclass(frozen=True, slots=True)
class UserDays:
    """Rows of n user-days.

    Attributes:
        user_ids: str[n]; the same user on several days has several rows.
        users: int64[n], the user's number.
        days: int64[n], days since 1970, UTC.
        arms: object[n], `EXPERIMENT: ARM` or None.
        past: float64[n, 7], by `PAST`.
        signals: float64[n, 5], by `SIGNALS`.
        amounts: float64[n, 2], by `AMOUNTS`.
        followed: int64[n], later days that lie within the log.
        seen: bool[n, horizon + 1], whether a response was shown k days later; column 0 is the day itself.
    """

    user_ids: npt.NDArray[np.str_]
    users: Ints
    days: Ints
    arms: npt.NDArray[np.object_]
    past: Floats
    signals: Floats
    amounts: Floats
    followed: Ints
    seen: Bools

    def __len__(self) -> int:
        return len(self.users)

    @property
    def horizon(self) -> int:
        """Later days that were looked at."""
        return int(self.seen.shape[1]) - 1

    def take(self, rows: Ints | Bools) -> "UserDays":
        """These rows, in this order."""
        return UserDays(*(getattr(self, name)[rows] for name in self.__slots__))


class Returns(NamedTuple):
    """The return after some days, by row.

    Attributes:
        periods: int64[n], days of the week at which the user was at risk of the first return and which the log holds.
        returned: bool[n], whether the last of these saw it.
        complete: bool[n], whether the whole week lies within the log, so that `returned` is the last word.
    """

    periods: Ints
    returned: Bools
    complete: Bools


class PersonPeriods(NamedTuple):
    """One entry for each row and each day at risk: what a discrete-time hazard is fitted to (Allison, 1982).

    Attributes:
        row: int64[m], place of the user-day.
        period: int64[m], day of the week, 0 to 6.
        event: bool[m], the return came on this day.
    """

    row: Ints
    period: Ints
    event: Bools


def read_user_days(table: "pa.Table") -> UserDays:
    """User-days of a table.

    Args:
        table: As `warehouse.retention.visits` gives it.

    Raises:
        ValueError: There is no row.
    """
    if not table.num_rows:
        raise ValueError("no user-day: the log holds no response that was shown on a day that is over; ingest more")
    column = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names if name != "later_days"}
    since = column["days_since_last"].astype(np.float64)
    first = np.isnan(since)
    past = np.column_stack(
        [
            np.log2(1 + column["earlier_responses"]),
            column["earlier_days"],
            column["earlier_love_days"],
            np.log2(1 + np.where(first, 0.0, since)),
            first,
            np.log2(1 + column["tenure_days"]),
            ~column["past_known"].astype(bool),
        ]
    ).astype(np.float64)
    ids = column["user_id"].astype(np.str_)
    return UserDays(
        user_ids=ids,
        users=np.unique(ids, return_inverse=True)[1].astype(np.int64),
        days=column["day"].astype("datetime64[D]").astype(np.int64),
        arms=column["arm"],
        past=past,
        signals=np.nan_to_num(np.column_stack([column[name].astype(np.float64) for name in SIGNALS])),
        amounts=np.column_stack([np.log2(1 + column[name].astype(np.float64)) for name in AMOUNTS]),
        followed=column["followed"].astype(np.int64),
        seen=_seen(table),
    )


def returns(days: UserDays, delay: int) -> Returns:
    """Who returned after `delay` days, as far as the log knows.

    >>> seen = np.zeros((3, 21), bool); seen[:, 0] = True; seen[0, 3] = True
    >>> one = UserDays(np.array(["a", "b", "c"]), *[np.arange(3)] * 2, np.full(3, None), *[np.zeros((3, 1))] * 3,
    ...     np.array([20, 20, 4]), seen)
    >>> found = returns(one, 1)
    >>> found.periods.tolist(), found.returned.tolist(), found.complete.tolist()
    ([3, 7, 4], [True, False, False], [True, True, False])

    Args:
        days: The rows.
        delay: Of `DELAYS`, or any other that the rows look far enough for.

    Raises:
        ValueError: `delay` is below 1, or the rows look at fewer than `delay + 6` later days.
    """
    last = delay + WEEK - 1
    if delay < 1 or last > days.horizon:
        raise ValueError(
            f"delay == {delay}: must be at least 1 and at most {days.horizon - WEEK + 1}, since the rows look at "
            f"{days.horizon} later days; read more of them (horizon)"
        )
    window = days.seen[:, delay : last + 1]
    came = np.asarray(window.any(axis=1), bool)
    known = np.clip(days.followed - delay + 1, 0, WEEK)
    periods = np.where(came, window.argmax(axis=1) + 1, known)
    return Returns(periods, came, days.followed >= last)


def person_periods(found: Returns) -> PersonPeriods:
    """One entry for each day at risk."""
    row = np.repeat(np.arange(len(found.periods)), found.periods)
    before = np.cumsum(found.periods) - found.periods
    period = np.arange(len(row)) - before[row]
    event = found.returned[row] & (period == found.periods[row] - 1)
    return PersonPeriods(row, period, event)


def _seen(table: "pa.Table") -> Bools:
    lists = table["later_days"].combine_chunks()
    sizes = lists.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    later = lists.flatten().to_numpy(zero_copy_only=False).astype(np.int64)
    horizon = max(int(table["followed"].to_numpy().max()), int(later.max(initial=0)), DELAYS[-1] + WEEK - 1)
    seen = np.zeros((table.num_rows, horizon + 1), bool)
    seen[:, 0] = True
    seen[np.repeat(np.arange(table.num_rows), sizes), later] = True
    return seen
