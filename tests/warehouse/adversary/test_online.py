import json
from datetime import timedelta
from typing import Any

from warehouse.adversary.online import filter_version, rules


def loves(product: Any, user: str, count: int, apart: timedelta) -> list[bytes]:
    moments = [product.noon + n * apart for n in range(count)]
    served = [product.served(f"{user}-{n}", user, at) for n, at in enumerate(moments)]
    return served + [product.reacted(f"{user}-{n}", user, at + timedelta(seconds=9)) for n, at in enumerate(moments)]


def test_more_than_twelve_loves_within_an_hour_quarantine_the_user_and_all_their_responses(
    feed: Any, product: Any
) -> None:
    feed.pour(*loves(product, "bot", 13, timedelta(minutes=5)), *loves(product, "fan", 12, timedelta(minutes=5)))
    flags = feed.ask("SELECT rule, user_id, score, evidence FROM flags")
    assert [(rule, user) for rule, user, *_ in flags] == [("rate_per_user", "bot")]
    assert json.loads(flags[0][3]) == {"loves_within_the_hour": 13, "limit": 12}
    assert feed.ask("SELECT DISTINCT user_id FROM clean_feedback") == [("fan",)]


def test_a_burst_is_seen_across_the_full_hour_and_across_batches(feed: Any, product: Any) -> None:
    product.noon += timedelta(minutes=45)
    for line in loves(product, "bot", 14, timedelta(minutes=2)):
        feed.pour(line)
    assert feed.ask("SELECT user_id, rules FROM quarantined_users") == [("bot", ["rate_per_user"])]


def test_many_loves_over_a_long_time_are_a_fan(feed: Any, product: Any) -> None:
    feed.pour(*loves(product, "fan", 40, timedelta(minutes=6)))
    assert feed.ask("SELECT * FROM flags") == []


def test_a_love_faster_than_reading_does_not_count_and_the_response_stays_in_the_denominator(
    feed: Any, product: Any
) -> None:
    feed.pour(
        product.served("r1"),
        product.reacted("r1", dwell_ms=120),
        product.served("r2"),
        product.reacted("r2", dwell_ms=4_000),
    )
    assert feed.ask("SELECT rule, response_id FROM flags") == [("faster_than_reading", "r1")]
    assert feed.ask("SELECT response_id, love FROM clean_feedback ORDER BY 1") == [("r1", False), ("r2", True)]


def test_a_rule_about_the_text_waits_for_the_response(feed: Any, product: Any) -> None:
    feed.pour(product.reacted("r1", dwell_ms=120))
    assert feed.ask("SELECT * FROM flags") == []
    feed.pour(product.served("r1"))
    assert feed.ask("SELECT rule, flagged_at FROM flags") == [("faster_than_reading", product.noon)]


def test_a_love_for_a_response_shown_to_somebody_else_is_flagged_and_does_not_count(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1", "ann"), product.reacted("r1", "eve"))
    assert feed.ask("SELECT rule, user_id, response_id FROM flags") == [("not_shown_to_user", "eve", "r1")]
    assert feed.ask("SELECT user_id, love FROM clean_feedback") == [("ann", False)]


def test_a_flag_falls_when_the_log_no_longer_bears_it_out(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1", "ann"), product.reacted("r1", "bea"))
    assert feed.ask("SELECT count(*) FROM flags") == [(1,)]
    feed.pour(product.served("r1", "bea", product.noon + timedelta(seconds=1)))  # shown to both
    assert feed.ask("SELECT count(*) FROM flags") == [(0,)]


def test_every_rule_names_its_subject_and_version() -> None:
    assert {rule.subject for rule in rules()} == {"user", "reaction"}
    assert filter_version().count("+") == len(rules()) - 1
