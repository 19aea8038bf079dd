"""An experiment over time, and the traffic before one."""

from datetime import timedelta
from typing import Any

import pytest

from assets.report import convert
from warehouse import experiment_series
from warehouse.experiment_users import experiment_users

ARMS = ("control", "treatment")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def under(arm: str, **changes: Any) -> dict[str, Any]:
    return {"experiment": "tone", "arm": arm, **changes}


def aside(feed: Any, user: str) -> None:
    with feed.warehouse.transaction() as writer:
        writer.execute(
            """INSERT INTO quarantine_decisions (subject, user_id, decided_at, decision, reason, decided_by)
            VALUES ('user', ?, now(), 'confirmed', 'seen', 'me')""",
            [user],
        )


@pytest.fixture
def tested(feed: Any, product: Any) -> Any:
    """Ann and bea in control, cid in treatment, dov in both, eve in quarantine; traffic of bea before."""
    noon = product.noon
    feed.pour(
        product.served("b0", "bea", noon - 2 * DAY),
        product.reacted("b0", "bea", noon - 2 * DAY),
        product.served("a1", "ann", noon, **under("control")),
        product.served("a2", "ann", noon + 25 * HOUR, **under("control")),
        product.served("a3", "ann", noon + 26 * HOUR, **under("control")),
        product.reacted("a3", "ann", noon + 27 * HOUR),
        product.served("b1", "bea", noon + HOUR, **under("control")),
        product.served("c1", "cid", noon + HOUR, **under("treatment")),
        product.served("d1", "dov", noon, **under("treatment")),
        product.served("d2", "dov", noon, **under("control")),
        product.served("e1", "eve", noon + 3 * HOUR, **under("treatment")),
        product.reacted("e1", "eve", noon + 3 * HOUR),
    )
    aside(feed, "eve")
    return feed


def test_users_arrive_in_an_arm_once_by_the_hour(tested: Any, product: Any) -> None:
    target, noon = tested.warehouse.target, product.noon
    every = [(noon + HOUR, [1, 0]), (noon + 2 * HOUR, [2, 1]), (noon + 4 * HOUR, [2, 2])]
    for moment, seen in ((None, every), (noon + 2 * HOUR, every[:2])):
        sums = experiment_users(target, "tone", arms=ARMS, as_of=moment, maturity_hours=0.0)
        shown, counts = convert.arrivals(sums.raw, ARMS)
        assert counts.tolist() == [users for _, users in seen]
        assert [each["at"] for each in shown] == [hour.isoformat() for hour, _ in seen]
    nobody = experiment_users(target, "tone", arms=[], maturity_hours=0.0)
    assert convert.arrivals(nobody.raw, ARMS) == ([], None)


def test_days_are_counted_from_each_users_first_exposure_without_quarantine(tested: Any, product: Any) -> None:
    found = experiment_series.user_days(tested.warehouse.target, "tone", ARMS)
    assert found.column_names == ["user", "arm", "day", "exposures", "loves"]
    ann, bea, cid = (0, "control"), (1, "control"), (2, "treatment")
    rows = [tuple(row.values()) for row in found.to_pylist()]
    assert rows == [(*ann, 0, 1, 0), (*ann, 1, 2, 1), (*bea, 0, 1, 0), (*cid, 0, 1, 0)]
    early = experiment_series.user_days(tested.warehouse.target, "tone", ARMS, product.noon + DAY + HOUR / 2)
    assert early["exposures"].to_pylist() == [1], "what is younger than a day is not counted"


def test_segments_are_the_first_day_and_whether_the_log_knew_the_user(tested: Any) -> None:
    found = experiment_series.segments(tested.warehouse.target, "tone", ARMS)
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        ("first day", "2026-03-01", "control", 2),
        ("first day", "2026-03-01", "treatment", 2),
        ("known before", "new", "control", 1),
        ("known before", "new", "treatment", 2),
        ("known before", "returning", "control", 1),
    ]


def test_the_history_is_all_traffic_of_some_days_by_user(tested: Any, product: Any) -> None:
    target, end = tested.warehouse.target, product.noon + 2 * HOUR
    found = experiment_series.history(target, days=3, before=end)
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        ("ann", 1, 0, 2),
        ("bea", 2, 1, 0),
        ("cid", 1, 0, 2),
        ("dov", 2, 0, 2),
    ]
    assert experiment_series.daily_arrivals(found, 3)["users"].to_pylist() == [1, 0, 3]
    assert experiment_series.history(target, days=1, before=product.noon - 9 * DAY).num_rows == 0


@pytest.mark.parametrize("days", [0, float("nan"), 4_000])
def test_a_history_of_no_days_is_refused(days: Any, feed: Any) -> None:
    with pytest.raises(ValueError, match=r"days == .*, must be from 1 to 3,650: 28 is four weeks"):
        experiment_series.history(feed.warehouse.target, days=days)
