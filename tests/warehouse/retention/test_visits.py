from datetime import date
from typing import Any

import pytest

from tests.warehouse.visit_log import VisitLog
from warehouse.retention import responses, visits


class Visits(VisitLog):
    def rows(self, as_of_day: int = 40, **options: Any) -> dict[tuple[str, int], dict[str, Any]]:
        self.pour()
        found = visits(self.feed.warehouse.target, as_of=self.at(as_of_day), **options).to_pylist()
        first: date = self.at(0).date()
        return {(row["user_id"], (row["day"] - first).days): row for row in found}


@pytest.fixture
def log(feed: Any, product: Any) -> Visits:
    return Visits(feed, product)


def test_every_later_day_within_the_horizon_is_told_and_no_more_than_the_log_holds(log: Visits) -> None:
    for day in (0, 3, 4, 20, 21, 29):
        log.visit("ann", day)
    rows = log.rows()
    assert rows["ann", 0]["later_days"] == [3, 4, 20]
    assert rows["ann", 3]["later_days"] == [1, 17, 18]
    assert rows["ann", 29]["later_days"] == []
    assert [rows["ann", day]["followed"] for day in (0, 20, 29)] == [20, 10, 1]
    assert log.rows(horizon=5)["ann", 0]["later_days"] == [3, 4]


def test_a_day_that_is_not_over_is_neither_a_row_nor_a_return(log: Visits) -> None:
    for day in (5, 10, 12):
        log.visit("ann", day)
    rows = log.rows(as_of_day=12)  # noon of that day
    assert [day for user, day in rows if user == "ann"] == [5, 10]
    assert rows["ann", 5]["later_days"] == [5]
    assert rows["ann", 5]["followed"] == 6
    assert rows["ann", 10]["followed"] == 1


def test_the_past_is_what_was_known_before_the_day(log: Visits) -> None:
    loved = log.visit("ann", 8)
    log.react("ann", loved, 8)
    log.visit("ann", 8, 5)
    for day in (10, 15, 16):
        log.visit("ann", day)
    rows = log.rows()
    names = ("earlier_responses", "earlier_days", "earlier_love_days", "days_since_last", "tenure_days", "past_known")
    told = {day: tuple(rows["ann", day][name] for name in names) for day in (8, 10, 15, 16)}
    assert told == {
        8: (0, 0, 0, None, 0, True),
        10: (2, 1, 1, 2, 2, True),
        15: (3, 2, 1, 5, 7, True),
        16: (2, 2, 0, 1, 8, True),
    }
    assert rows["zoe", 0]["past_known"] is False
    assert rows["ann", 8]["love"] is True
    assert rows["ann", 10]["love"] is False


def test_the_arm_of_a_day_is_told_where_there_is_one(log: Visits) -> None:
    log.visit("ann", 9, experiment="tone", arm="warm")
    log.visit("bob", 9)
    rows = log.rows()
    assert (rows["ann", 9]["arm"], rows["bob", 9]["arm"]) == ("tone: warm", None)


def test_responses_come_with_their_texts_in_the_order_in_which_they_were_seen(log: Visits) -> None:
    log.visit("ann", 9, 5, response="second")
    log.visit("ann", 9, 1, response="first")
    log.pour()
    found = responses(log.feed.warehouse.target, as_of=log.at(40)).to_pylist()
    assert [row["response"] for row in found if row["user_id"] == "ann"] == ["first", "second"]
    assert {row["user_id"] for row in found} == {"ann", "zoe"}
    assert '"hello"' in found[0]["conversation"]


def test_no_later_day_at_all_is_refused(log: Visits) -> None:
    with pytest.raises(ValueError, match="horizon == 0, must be at least 1"):
        log.rows(horizon=0)
