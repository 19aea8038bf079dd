import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from streams.live.messages import Flag
from streams.topics import TOPICS
from warehouse import erasure, queries
from warehouse.fingerprint import fingerprints
from warehouse.ingest.decoding import decode_batch
from warehouse.ingest.erased_rows import user_hash
from warehouse.ingest.records import Record, TopicPartition

HOUR = timedelta(hours=1)


def test_what_a_user_did_until_they_asked_leaves_the_tables_and_the_request_names_nobody(
    feed: Any, product: Any
) -> None:
    feed.pour(product.served("r1"), product.reacted("r1"), product.served("r2", "bea"), b'{"user_id":"ann", broken')
    done = feed.pour(product.erasure("ann", product.noon + HOUR))
    assert done.removed == {"responses": 1, "reactions": 1, "dead_letters": 1}
    assert feed.ask("SELECT user_id FROM responses") == [("bea",)]
    assert feed.ask("SELECT count(*) FROM reactions") == feed.ask("SELECT count(*) FROM dead_letters") == [(0,)]
    assert feed.ask("SELECT user_hash, requested_at FROM erasures") == [(user_hash("ann"), product.noon + HOUR)]


def test_copies_that_come_after_the_request_are_dropped_and_counted_as_erased(feed: Any, product: Any) -> None:
    lines = [product.served("r1"), product.reacted("r1"), b'{"user_id":"ann", broken']
    feed.pour(product.erasure("ann"), *lines[:2])
    done = feed.pour(*lines)
    assert (done.rows["responses"], done.duplicates, done.erased, done.dead) == (0, 0, 3, [])
    assert feed.ask("SELECT events, duplicates, dead_letters, erased FROM ingest_positions") == [(6, 0, 0, 5)]


def test_later_events_of_the_same_user_count_again(feed: Any, product: Any) -> None:
    later = product.noon + HOUR
    feed.pour(product.served("r1"), product.erasure("ann"))
    feed.pour(product.served("r2", at=later), product.reacted("r2", at=later))
    assert feed.ask("SELECT response_id, user_id, love FROM clean_feedback") == [("r2", "ann", True)]


def test_the_latest_of_several_requests_is_the_one_that_counts(feed: Any, product: Any) -> None:
    feed.pour(product.erasure("ann", product.noon + 2 * HOUR), product.erasure("ann", product.noon))
    feed.pour(product.served("r1", at=product.noon + HOUR), product.served("r2", at=product.noon + 3 * HOUR))
    assert feed.ask("SELECT response_id FROM responses") == [("r2",)]


def test_what_others_said_of_an_erased_response_waits_again_and_its_flags_fall(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1", "ann"), product.reacted("r1", "eve"))
    assert feed.ask("SELECT rule FROM flags") == [("not_shown_to_user",)]
    feed.pour(product.erasure("ann"))
    assert feed.ask("SELECT * FROM flags") == []
    assert feed.ask("SELECT user_id FROM waiting_reactions") == [("eve",)]


def test_a_quarantine_that_leaned_on_erased_loves_is_lifted(feed: Any, product: Any) -> None:
    times = [product.noon + timedelta(minutes=4 * n) for n in range(14)]
    feed.pour(*(product.reacted(f"r{n}", "bot", at) for n, at in enumerate(times)))
    assert feed.ask("SELECT user_id FROM quarantined_users") == [("bot",)]
    feed.pour(product.erasure("bot", times[6]))
    assert feed.ask("SELECT user_id FROM quarantined_users") == []


def test_what_the_live_guard_said_goes_and_does_not_come_back(feed: Any, product: Any) -> None:
    flag = Flag(rule="reactions_per_minute", user_id="ann", score=9.0, evidence={}, flagged_at=product.noon)
    line = msgspec.json.encode(flag)
    tell(feed, 0, line)
    assert feed.ask("SELECT count(*) FROM flags") == [(1,)]
    feed.pour(product.erasure("ann"))
    tell(feed, 1, line)
    assert feed.ask("SELECT count(*) FROM flags") == [(0,)]


def test_a_copy_of_a_request_is_a_duplicate_and_one_with_other_content_a_dead_letter(feed: Any, product: Any) -> None:
    request = product.erasure("ann")
    feed.pour(product.served("r1", "bea"), request)
    assert feed.pour(request).duplicates == 1
    stolen = json.loads(request) | {"user_id": "bea"}
    assert [letter.reason for letter in feed.pour(json.dumps(stolen).encode()).dead] == ["conflicting_copy"]
    assert feed.ask("SELECT user_id FROM responses") == [("bea",)]


def test_a_request_notes_what_went_by_experiment_and_policy_without_naming_the_user(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1", experiment="warmer", arm="treatment"), product.reacted("r1"), product.served("r2"))
    feed.pour(product.erasure("ann"))
    feed.pour(product.served("r3"))
    effects = feed.ask("SELECT user_hash, kind, name, amount FROM erasure_effects ORDER BY kind, name")
    assert {row[0] for row in effects} == {user_hash("ann")}
    assert [row[1:] for row in effects] == [
        ("dropped", "responses", 1),
        ("experiment", "warmer/treatment", 1),
        ("policy", "incumbent", 2),
        ("table", "experiment_users", 1),
        ("table", "reactions", 1),
        ("table", "responses", 2),
    ]


RECEIVED = datetime(2026, 3, 10, tzinfo=UTC)
AHEAD = RECEIVED + 5.5 * HOUR


def receive(feed: Any, *lines: bytes, at: datetime) -> Any:
    """Store lines that the broker received at a moment."""
    stamp = int(at.timestamp() * 1000)
    return feed.store([record._replace(timestamp=stamp) for record in feed.records(lines)])


def test_what_was_received_before_the_request_goes_although_its_clock_ran_ahead_and_what_came_later_stays(
    feed: Any, product: Any
) -> None:
    ahead = [product.served("r1", at=AHEAD), product.reacted("r1", at=AHEAD + HOUR)]
    receive(feed, *ahead, at=RECEIVED)
    done = receive(feed, product.erasure("ann", RECEIVED + HOUR), at=RECEIVED + HOUR)
    assert done.removed == {"responses": 1, "reactions": 1}
    again = receive(feed, *ahead, product.served("r2", at=AHEAD + HOUR), at=RECEIVED + 2 * HOUR)
    assert (again.erased, again.rows["responses"]) == (2, 1)
    assert feed.ask("SELECT response_id FROM responses") == [("r2",)]


@pytest.mark.slow
def test_within_one_stamp_what_is_ahead_of_it_goes_when_it_was_read_before_the_request(feed: Any, product: Any) -> None:
    ahead = [product.served(f"r{n}", at=AHEAD + n * HOUR) for n in range(3)]
    receive(feed, ahead[0], at=RECEIVED)
    receive(feed, ahead[1], product.erasure("ann", RECEIVED - HOUR), ahead[2], at=RECEIVED)
    assert feed.ask("SELECT response_id FROM responses") == [("r2",)]
    receive(feed, *ahead[:2], product.served("r3", at=AHEAD), at=RECEIVED)
    assert feed.ask("SELECT response_id FROM responses ORDER BY ALL") == [("r2",), ("r3",)]
    erasure.forget_pending(feed.warehouse.target)
    assert feed.ask("SELECT response_id FROM responses ORDER BY ALL") == [("r2",), ("r3",)]


def test_a_request_that_overtakes_what_was_received_before_it_covers_it_all_the_same(feed: Any, product: Any) -> None:
    served = product.served("r1", at=AHEAD)
    erasure.request(feed.warehouse.target, "ann", RECEIVED + HOUR)
    assert receive(feed, served, at=RECEIVED).erased == 1
    assert receive(feed, served, at=RECEIVED + 2 * HOUR).erased == 1  # a copy, which came to the broker later
    assert feed.ask("SELECT count(*) FROM responses") == [(0,)]


def test_a_request_whose_own_clock_runs_behind_covers_what_came_before_it(feed: Any, product: Any) -> None:
    receive(feed, product.served("r1", at=RECEIVED), at=RECEIVED)
    receive(feed, product.erasure("ann", RECEIVED - 24 * HOUR), at=RECEIVED + HOUR)
    assert feed.ask("SELECT count(*) FROM responses") == [(0,)]


def test_rows_of_a_time_that_noted_no_receipt_came_before_every_new_request(feed: Any, product: Any) -> None:
    receive(feed, product.served("r1", at=AHEAD), at=RECEIVED)
    with feed.warehouse.transaction() as writer:
        writer.execute("UPDATE responses SET received_at = NULL")
    receive(feed, product.erasure("ann", RECEIVED + HOUR), at=RECEIVED + HOUR)
    assert feed.ask("SELECT count(*) FROM responses") == [(0,)]


ARRAY = b'[{"user_id": "bea", "n": 1}, {"user_id": "ann", "text": "her words"}]'
TELLING = [ARRAY, b'{"who": "ann", "n": NaN', b'{"batch": [{"author": {"id": "\\u0061nn"}}]}', b"7;ann;her words"]
OTHERS = [b'{"who": "joann", "n": NaN', b'{"text": "is ann there?"}']


def test_dead_letters_that_name_the_user_anywhere_go_and_copies_of_them_do_not_come_back(
    feed: Any, product: Any
) -> None:
    feed.pour(*TELLING, *OTHERS)
    assert feed.pour(product.erasure("ann")).removed == {"dead_letters": 4}
    assert feed.pour(*TELLING, *OTHERS).erased == 4
    assert feed.ask("SELECT body, count(*) FROM dead_letters GROUP BY body ORDER BY body") == [
        (body, 2) for body in sorted(OTHERS)
    ]
    found = queries.counts(feed.warehouse.target)
    assert found["events"] == 13 == sum(found[part] for part in ("rows", "dead_letters", "erased"))


@pytest.mark.slow
def test_in_whatever_order_requests_and_events_come_the_tables_are_those_of_a_log_without_the_erased_events(
    feed: Any, targets: Any, product: Any
) -> None:
    order_changes_nothing(feed, targets, product, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("targets", ["file"], indirect=True)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_other_orders_change_nothing_either(feed: Any, targets: Any, product: Any, seed: int) -> None:
    order_changes_nothing(feed, targets, product, seed=seed)


def order_changes_nothing(feed: Any, targets: Any, product: Any, *, seed: int) -> None:
    lines, broken = product.day(users=5, turns=5), b'{"user_id":"user-1", broken'
    late = product.noon + timedelta(minutes=20)
    lines += [product.erasure("user-1", late), product.erasure("bot", late), product.erasure("user-1", product.noon)]
    lines += [product.reacted("r-1-1", "user-2"), product.reacted("r-2-2", "user-1")]
    plain = type(feed)(targets.migrated("plain"))
    plain.pour(*without_the_erased(lines))
    order = random.Random(seed)
    shuffled = order.sample([*lines, broken, *order.choices(lines, k=30)], len(lines) + 31)
    events = len(shuffled)
    while shuffled:
        feed.pour(*[shuffled.pop() for _ in range(min(len(shuffled), order.choice([3, 20, 60])))])
    counted = queries.counts(feed.warehouse.target)
    parts = ("rows", "duplicates_dropped", "dead_letters", "erased")
    assert counted["events"] == events == sum(counted[part] for part in parts)
    assert fingerprints(feed.warehouse.target) == fingerprints(plain.warehouse.target)


def without_the_erased(lines: list[bytes]) -> list[bytes]:
    """The events that stay, found without any of the code under test."""
    events = [json.loads(line) for line in lines]
    until: dict[str, str] = {}
    for event in events:
        if "requested_at" in event:
            until[event["user_id"]] = max(event["requested_at"], until.get(event["user_id"], ""))
    moments = [event.get("served_at") or event.get("reacted_at") or "9999" for event in events]
    return [
        line
        for line, event, moment in zip(lines, events, moments, strict=True)
        if moment > until.get(event["user_id"], "")
    ]


def tell(feed: Any, offset: int, line: bytes) -> None:
    from warehouse.ingest.commit import commit

    record = Record(TOPICS.flags, 0, offset, 0, line)
    commit(feed.warehouse, decode_batch([record]), {TopicPartition(TOPICS.flags, "first life", 0): offset})
