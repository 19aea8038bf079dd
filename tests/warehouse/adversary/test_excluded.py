"""What the filter left out is told rule by rule, and adds up."""

from datetime import date, timedelta
from typing import Any

import pytest

from warehouse.adversary.excluded import SEVERAL, SOMEBODY_ELSES, WEIGHED_DOWN, LeftOut, first_flags, left_out

MINUTE = timedelta(minutes=1)


def seen(feed: Any, product: Any) -> LeftOut:
    return left_out(feed.warehouse.target, moment=product.noon + timedelta(days=3), maturity_hours=24)


def test_a_log_without_loves_has_nothing_left_out(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1"))
    found = seen(feed, product)
    assert (found.loves, found.left_out, found.by_rule, found.users) == (0, 0, {}, 1)


def test_an_honest_love_counts_and_a_love_before_its_time_is_not_asked_about(feed: Any, product: Any) -> None:
    late = product.noon + timedelta(days=2, hours=12)
    feed.pour(
        product.served("r1"), product.reacted("r1", at=product.noon + MINUTE),
        product.served("r2", at=late), product.reacted("r2", at=late + MINUTE),
    )  # fmt: skip
    found = seen(feed, product)
    assert (found.loves, found.left_out) == (1, 0)


def test_loves_left_out_are_counted_under_each_rule_that_did_it(feed: Any, product: Any) -> None:
    lines = [product.served("r1"), product.reacted("r1", at=product.noon + MINUTE)]
    for n in range(14):
        at = product.noon + 4 * n * MINUTE
        lines += [product.served(f"b{n}", "bot", at), product.reacted(f"b{n}", "bot", at + timedelta(seconds=9))]
    feed.pour(*lines)
    found = seen(feed, product)
    assert (found.loves, found.left_out, found.users_aside) == (15, 14, 1)
    assert found.by_rule["rate_per_user"] == 14
    assert found.users_by_rule["rate_per_user"] == 1
    assert all(mass <= 14 for mass in found.by_rule.values())


def test_a_love_on_what_somebody_else_was_shown_is_left_out_too(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1", "ann"), product.reacted("r1", "bob", at=product.noon + MINUTE))
    found = seen(feed, product)
    assert (found.loves, found.left_out) == (1, 1)
    assert set(found.by_rule) <= {SOMEBODY_ELSES, "not_shown_to_user"}


def test_a_love_that_is_weighed_down_is_left_out_by_what_it_lacks(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1"), product.reacted("r1", at=product.noon + MINUTE))
    with feed.warehouse.transaction() as writer:
        writer.execute("INSERT INTO user_trust VALUES ('ann', 0.25, DATE '2026-03-01', '{}')")
    found = seen(feed, product)
    assert (found.left_out, found.by_rule) == (pytest.approx(0.75), {WEIGHED_DOWN: pytest.approx(0.75)})
    assert found.trust == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]


def test_what_the_daily_job_reported_comes_in_order(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1"))
    with feed.warehouse.transaction() as writer:
        for day in ("2026-03-02", "2026-03-01"):
            writer.execute("INSERT INTO adversary_days VALUES (?, 'v', 0.02, ?)", [day, f'{{"day": "{day}"}}'])
    days = seen(feed, product).days
    assert [(each["day"], each["dial"]) for each in days] == [("2026-03-01", 0.02), ("2026-03-02", 0.02)]


@pytest.mark.slow
def test_what_an_experiment_served_is_counted_apart_from_the_log(feed: Any, product: Any) -> None:
    test = {"experiment": "ab-1", "arm": "treatment"}
    feed.pour(product.served("r1", "ann"), product.reacted("r1", "ann", at=product.noon + MINUTE))
    feed.pour(product.served("t1", "tom", **test), product.reacted("t1", "tom", at=product.noon + MINUTE))
    feed.pour(product.served("t2", "ann", **test), product.served("o1", "ola", experiment="another", arm="control"))
    moment = product.noon + timedelta(days=3)
    apart = left_out(feed.warehouse.target, moment=moment, maturity_hours=24, without=["ab-1"])
    assert (apart.loves, apart.users, apart.test_users, apart.test_users_aside) == (1, 2, 1, 0)
    together = seen(feed, product)
    assert (together.loves, together.users, together.test_users) == (2, 3, 0)


def test_a_user_is_first_flagged_once_whatever_rules_follow(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1"))
    midnight, before = "2026-03-02 00:00:00+00:00", "2026-03-01 23:59:59.999999+00:00"
    flagged = [
        ("ann", "lockstep", midnight), ("ann", "loves_too_much", "2026-03-03 23:59:59.999999+00:00"),
        ("bob", "lockstep", midnight), ("bob", "loves_too_much", before),
    ]  # fmt: skip
    with feed.warehouse.transaction() as writer:
        for user, rule, at in flagged:
            writer.execute(
                """INSERT INTO flags (source, subject, rule, rule_version, user_id, score, flagged_at)
                VALUES ('periodic', 'user', ?, '1', ?, 2, CAST(? AS TIMESTAMPTZ))""",
                [rule, user, at],
            )
    assert first_flags(feed.warehouse.target) == {date(2026, 3, 1): {"lockstep": 1, SEVERAL: 1}}
