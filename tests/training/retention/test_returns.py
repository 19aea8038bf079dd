from collections.abc import Callable

import numpy as np
import pytest

from training.retention.returns import UserDays, person_periods, returns

Drawn = Callable[..., UserDays]


def with_visits(drawn: Drawn, *later: tuple[list[int], int]) -> UserDays:
    """Rows seen on these later days, each followed for so long."""
    days = drawn(len(later), days=1)
    days.seen[:, 1:] = False
    for row, (seen, followed) in enumerate(later):
        days.seen[row, seen] = True
        days.followed[row] = followed
    return days


def test_the_week_of_a_return_begins_after_so_many_days_and_lasts_seven(drawn: Drawn) -> None:
    days = with_visits(drawn, ([1], 20), ([7], 20), ([13], 20), ([14], 20), ([20], 20), ([], 20))
    came = {delay: returns(days, delay).returned.tolist() for delay in (1, 7, 14)}
    assert came[1] == [True, True, False, False, False, False]
    assert came[7] == [False, True, True, False, False, False]
    assert came[14] == [False, False, False, True, True, False]


def test_what_lies_behind_the_end_of_the_log_is_neither_a_return_nor_a_miss(drawn: Drawn) -> None:
    found = returns(with_visits(drawn, ([], 3), ([2], 3), ([], 7), ([], 0)), 1)
    assert found.periods.tolist() == [3, 2, 7, 0]
    assert found.complete.tolist() == [False, False, True, False]
    entries = person_periods(found)
    assert entries.row.tolist() == [0] * 3 + [1] * 2 + [2] * 7
    assert np.flatnonzero(entries.event).tolist() == [4]  # the second day of the second row


def test_a_delay_that_the_rows_do_not_look_at_is_refused(drawn: Drawn) -> None:
    days = drawn(3)
    with pytest.raises(ValueError, match=r"delay == 15: must be at least 1 and at most 14"):
        returns(days, 15)
    with pytest.raises(ValueError, match=r"delay == 0"):
        returns(days, 0)
