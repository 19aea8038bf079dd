from datetime import date
from typing import Any

import pytest

from streams.events import Message
from tests.warehouse.visit_log import VisitLog
from warehouse.signals import user_days
from warehouse.storage.transaction import WarehouseError

INDEX = 8
"""The day, counted from the log's first, on which the tests' users come; its outcome's week is days 16 to 22."""


class Diary(VisitLog):
    def rows(self, as_of_day: int = 40, **options: Any) -> dict[tuple[str, int], dict[str, Any]]:
        self.pour()
        found = user_days(self.feed.warehouse.target, as_of=self.at(as_of_day), **options).to_pylist()
        first: date = self.at(0).date()
        return {(row["user_id"], (row["day"] - first).days): row for row in found}


@pytest.fixture
def diary(feed: Any, product: Any) -> Diary:
    return Diary(feed, product)


def test_retained_is_who_comes_in_the_second_week_and_the_next_day_is_not_part_of_it(diary: Diary) -> None:
    for user, later in {"next day": 1, "7": 7, "8": 8, "14": 14, "15": 15}.items():
        diary.visit(user, INDEX)
        diary.visit(user, INDEX + later)
    rows = diary.rows()
    retained = {user: rows[user, INDEX]["retained"] for user in ("next day", "7", "8", "14", "15")}
    assert retained == {"next day": False, "7": False, "8": True, "14": True, "15": False}
    assert [user for user, day in rows if day == INDEX and rows[user, day]["returned"]] == ["next day"]


def test_another_horizon_moves_the_week(diary: Diary) -> None:
    for later in (14, 20, 21):
        diary.visit(f"{later}", INDEX)
        diary.visit(f"{later}", INDEX + later)
    rows = diary.rows(days=20)
    assert [rows[user, INDEX]["retained"] for user in ("14", "20", "21")] == [True, True, False]
    with pytest.raises(ValueError, match="days == 8, must be at least 9"):
        diary.rows(days=8)


def test_a_day_counts_once_its_week_is_over_and_a_week_of_history_lies_before_it(diary: Diary) -> None:
    for day in (6, 7, 15, 16, 17):
        diary.visit("ann", day)
    assert {day for user, day in diary.rows() if user == "ann"} == {7, 15, 16}  # the log ends on day 30
    assert {day for user, day in diary.rows(as_of_day=30) if user == "ann"} == {7, 15}  # day 30 is not over
    assert diary.rows(as_of_day=20) == {}


@pytest.mark.slow
def test_activity_and_tenure_are_those_before_the_day(diary: Diary) -> None:
    diary.visit("ann", 1)
    for minutes in (0, 5, 10):
        diary.visit("ann", 2, minutes)
    diary.visit("ann", 9)
    diary.visit("ann", 9, 300, conversation_id="another")
    diary.visit("ann", 10)
    row = diary.rows()["ann", 9]
    assert (row["earlier_responses"], row["tenure_days"], row["responses"], row["conversations"]) == (3, 8, 2, 2)


@pytest.mark.slow
def test_a_reaction_counts_as_it_stood_a_day_after_its_response(diary: Diary) -> None:
    for user in ("loves", "takes back", "takes back late", "loves late", "likes", "dislikes", "other"):
        shown = diary.visit(user, INDEX)
        if user not in ("loves late", "likes", "dislikes", "other"):
            diary.react(user, shown, INDEX)
    diary.react("takes back", "takes back 8 0", INDEX, 90, action="removed")
    diary.react("takes back late", "takes back late 8 0", INDEX + 2, action="removed")
    diary.react("loves late", "loves late 8 0", INDEX + 1, 1)
    diary.react("likes", "likes 8 0", INDEX, reaction="like")
    diary.react("dislikes", "dislikes 8 0", INDEX, reaction="dislike")
    diary.react("loves", "other 8 0", INDEX)  # not shown to whoever reacts
    rows = diary.rows()
    assert {user for user, day in rows if rows[user, day]["love"]} == {"loves", "takes back late"}
    assert {user for user, day in rows if rows[user, day]["liked"]} == {"likes"}
    assert {user for user, day in rows if rows[user, day]["disliked"]} == {"dislikes"}


def test_going_on_is_the_same_conversation_and_session_within_half_an_hour(diary: Diary) -> None:
    diary.visit("goes on", INDEX)
    diary.visit("goes on", INDEX, 5, "thank you, that was wonderful", turn=1)
    diary.visit("pauses", INDEX)
    diary.visit("pauses", INDEX, 31, turn=1)
    diary.visit("moves on", INDEX)
    diary.visit("moves on", INDEX, 5, conversation_id="another")
    diary.visit("logs in again", INDEX)
    diary.visit("logs in again", INDEX, 5, turn=1, session_id="another")
    rows = diary.rows()
    shares = {user: row["continues"] for (user, _), row in rows.items()}
    assert shares == {"goes on": 0.5, "pauses": 0.0, "moves on": 0.0, "logs in again": 0.0}
    assert rows["goes on", INDEX]["sentiment"] > 0.5
    assert rows["pauses", INDEX]["sentiment"] is None


def test_the_sentiment_is_the_mean_over_the_days_next_messages(diary: Diary) -> None:
    for turn, said in enumerate(["great, thank you", "hello", "this is awful", "hello"]):
        diary.visit("ann", INDEX, 2 * turn, said, turn=turn)
    last = [Message("user", "wonderful"), Message("assistant", "I know")]  # the user did not speak last
    diary.visit("ann", INDEX, 8, turn=4, conversation=last)
    row = diary.rows()["ann", INDEX]
    assert row["continues"] == 0.8
    assert row["sentiment"] == pytest.approx((0 - 0.4588 + 0) / 3)


def test_an_arm_is_named_and_several_are_not_mixed_up(diary: Diary) -> None:
    diary.visit("ann", INDEX, experiment="x", arm="treatment")
    diary.visit("ben", INDEX, experiment="x", arm="treatment")
    diary.visit("ben", INDEX, 5, experiment="x", arm="control")
    diary.visit("cem", INDEX)
    rows = diary.rows()
    assert [rows[user, INDEX]["arm"] for user in ("ann", "ben", "cem")] == ["x: treatment", "several", ""]


def test_users_in_quarantine_are_left_out(diary: Diary) -> None:
    diary.visit("ann", INDEX)
    for minutes in range(60):
        shown = diary.visit("bot", INDEX, minutes / 60)
        diary.react("bot", shown, INDEX, minutes / 60 + 0.002, dwell_ms=100)
    rows = diary.rows()
    assert diary.feed.ask("SELECT user_id FROM quarantined_users") == [("bot",)]
    assert {user for user, _ in rows} == {"ann"}


def test_a_warehouse_that_is_not_there_is_refused(tmp_path: Any) -> None:
    with pytest.raises(WarehouseError, match="no warehouse at"):
        user_days(tmp_path / "none.duckdb")
