from datetime import date, timedelta
from typing import Any

import pytest

from experiments import ledger as book
from streams.fixtures import Worlds
from warehouse import queries


@pytest.mark.slow
def test_the_counts_of_a_simulated_world_are_its_known_amounts(feed: Any, loveloop_world: Worlds) -> None:
    world = loveloop_world()
    lines, amounts = world.lines(), world.amounts
    for first in range(0, len(lines), 700):
        feed.pour(b"\n".join(lines[first : first + 700]))
    found = queries.counts(feed.warehouse.target)
    assert (found["events"], found["responses"], found["reactions"]) == (
        amounts.events,
        amounts.responses,
        amounts.reactions,
    )
    assert (found["duplicates_dropped"], found["dead_letters"]) == (amounts.duplicates, amounts.dead_letters)
    assert (found["retractions"], found["waiting"]) == (amounts.retractions, amounts.orphans)
    assert found["late_joined"] == amounts.early_reactions
    assert found["dead_letters_by_reason"] == amounts.malformed
    assert found["quarantined_users"] == 0
    assert found["events"] == found["rows"] + found["duplicates_dropped"] + found["dead_letters"] + found["erased"]


def test_loves_are_counted_by_the_day_of_serving(feed: Any, product: Any) -> None:
    next_day = product.noon + timedelta(days=1)
    feed.pour(product.served("r1"), product.served("r2", at=next_day), product.reacted("r1", at=next_day))
    found = queries.love_by_day(feed.warehouse.target).to_pylist()
    assert [(row["day"].isoformat(), row["exposures"], row["loves"]) for row in found] == [
        ("2026-03-01", 1, 1),
        ("2026-03-02", 1, 0),
    ]


def test_the_love_rate_by_day_can_leave_an_experiment_out(feed: Any, product: Any) -> None:
    test = {"experiment": "warmer", "arm": "control"}
    feed.pour(product.served("r1"), product.served("r2", **test), product.reacted("r2", at=product.noon))
    counts = ("exposures", "loves")
    (log,) = queries.love_by_day(feed.warehouse.target, without=["warmer"]).to_pylist()
    (both,) = queries.love_by_day(feed.warehouse.target, without=["another"]).to_pylist()
    assert ([log[name] for name in counts], [both[name] for name in counts]) == ([1, 0], [2, 1])


def test_the_summary_accounts_for_every_response(feed: Any, product: Any) -> None:
    feed.pour(*product.day())
    found = queries.clean_feedback_summary(feed.warehouse.target)
    assert found["served"] == found["rows"] + found["immature"] + found["excluded"]
    assert found["excluded"] == 20  # the bot's; what the erased user was shown is not there at all
    assert found["love_rate"] == pytest.approx(found["loves"] / found["rows"])


def test_the_ledger_keeps_one_row_a_candidate_and_experiment(feed: Any) -> None:
    path = feed.warehouse.target
    row = book.row(
        "c1", predicted_lift=0.4, measured_lift=0.3, measured_ci=(0.2, 0.4), experiment="warmer", day=date(2026, 1, 1)
    )
    for lift in (0.1, 0.3):
        queries.append_ledger(path, row._asdict() | {"measured_lift": lift})
    queries.append_ledger(path, row._asdict() | {"candidate": "c2"})
    found = queries.ledger(path)
    assert [(each["candidate"], each["measured_lift"], each["date"]) for each in found] == [
        ("c1", 0.3, "2026-01-01"),
        ("c2", 0.3, "2026-01-01"),
    ]
    assert book.agreement(found).experiments == 2


def test_reactions_that_wait_too_long_for_their_response_raise_an_alarm(feed: Any, product: Any) -> None:
    feed.pour(product.reacted("lost"), product.reacted("late", at=product.noon + timedelta(hours=20)))
    found = queries.counts(feed.warehouse.target, as_of=product.noon + timedelta(hours=25))
    assert (found["waiting"], found["waiting_too_long"], found["waiting_since"]) == (2, 1, product.noon)
    assert "1 of 2 waiting reactions have waited too long" in (queries.waiting_warning(found) or "")
    feed.pour(product.served("lost"))
    found = queries.counts(feed.warehouse.target, as_of=product.noon + timedelta(hours=25))
    assert (found["waiting"], found["waiting_too_long"]) == (1, 0)
    assert queries.waiting_warning(found) is None
