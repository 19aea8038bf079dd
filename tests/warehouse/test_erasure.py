import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from warehouse import erasure, queries, upkeep
from warehouse.ingest.erased_rows import Limit, user_hash

HOUR = timedelta(hours=1)
RECEIVED = datetime(2026, 3, 10, tzinfo=UTC)


@pytest.mark.slow
def test_a_request_by_hand_does_what_an_event_does_and_is_no_event_in_the_sums(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1", experiment="warmer", arm="control"), product.reacted("r1"), b'{"user_id":"ann", !')
    feed.pour(product.served("r2", "bea"))
    asked = erasure.request(feed.warehouse.target, "ann", product.noon + HOUR)
    assert feed.ask("SELECT user_id FROM responses") == [("bea",)]
    found = queries.counts(feed.warehouse.target)
    assert (found["erasures"], found["erasures_by_hand"], found["erasures_pending"]) == (0, 1, 1)
    assert (found["events"], found["rows"], found["erased"], found["dead_letters"]) == (4, 1, 3, 0)
    assert moments(erasure.pending(feed.warehouse.target)) == {user_hash("ann"): asked.requested_at}
    assert erasure.effects(feed.warehouse.target, user_hash("ann")) == erasure.Effects(
        {"dead_letters": 1, "experiment_users": 1, "reactions": 1, "responses": 1},
        {},
        {"warmer/control": 1},
        {"incumbent": 1},
    )


@pytest.mark.slow
def test_a_receipt_ends_a_request_and_a_later_one_is_pending_again(feed: Any, product: Any) -> None:
    target, name = feed.warehouse.target, user_hash("ann")
    feed.pour(product.erasure("ann"))
    erasure.finish(target, name, product.noon, {"user_hash": name})
    assert erasure.pending(target) == {}
    assert erasure.receipts(target, "ann") == [{"user_hash": name}]
    feed.pour(product.erasure("ann", product.noon - HOUR))
    assert erasure.pending(target) == {}
    feed.pour(product.erasure("ann", product.noon + HOUR))
    assert moments(erasure.pending(target)) == {name: product.noon + HOUR}


def moments(pending: dict[str, Limit]) -> dict[str, Any]:
    return {name: limit.requested_at for name, limit in pending.items()}


def test_a_user_whom_only_a_broken_line_names_is_known_and_a_slip_of_the_pen_is_told(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1", "gwendolyn"), b'[{"user_id": "bea"}, {"user_id": "cem", "text": "hi"}]')
    assert erasure.known(feed.warehouse.target, "cem").there
    assert erasure.known(feed.warehouse.target, "Gwendolin") == erasure.Known(False, ("gwendolyn",))
    assert erasure.known(feed.warehouse.target, "dov") == erasure.Known(False, ())


@pytest.mark.slow
def test_another_warehouse_forgets_whom_it_is_told_to_forget(feed: Any, product: Any) -> None:
    target = feed.warehouse.target
    feed.pour(product.served("r1"), product.reacted("r1", "eve"), product.served("r2", "bea"), b'{"user_id":"ann", !')
    for _ in range(2):
        erasure.adopt(target, {user_hash(user): Limit(product.noon) for user in ("ann", "nobody")})
    assert feed.ask("SELECT count(*) FROM erasures") == [(2,)]
    assert erasure.forget_pending(target) == {"responses": 1, "dead_letters": 1}
    assert feed.ask("SELECT user_id FROM responses") == [("bea",)]
    assert feed.ask("SELECT * FROM flags") == []
    assert erasure.forget_pending(target) == {}
    found = queries.counts(target)
    assert found["events"] == found["rows"] + found["erased"] == 4


def test_a_request_by_hand_that_is_also_posted_is_one_request(feed: Any, product: Any) -> None:
    from streams.events import encode

    asked = erasure.request(feed.warehouse.target, "ann", product.noon)
    assert feed.pour(encode(asked)).duplicates == 1
    assert json.loads(json.dumps(feed.ask("SELECT count(*) FROM erasures"))) == [[1]]


@pytest.mark.slow
def test_after_request_and_purge_no_byte_of_the_user_is_left_in_files_or_catalogue(
    feed: Any, product: Any, targets: Any
) -> None:
    hers = [product.served("r1", "quokkaphil", response="a zanzibar quokka"), product.reacted("r1", "quokkaphil")]
    hers += [product.served("r2", "quokkaphil", RECEIVED + 5 * HOUR, response="zanzibar time")]  # its clock runs ahead
    broken = [
        b'{"user_id":"quokkaphil", zanzibar, broken',
        b'[{"user_id":"bea"},{"user_id":"quokkaphil","text":"zanzibar"}]',
        b'{"uid":"\\u0071uokkaphil","text":"zanzibar"',
        b'{"note":"{\\"user_id\\": \\"quokkaphil\\", \\"text\\": \\"zanzibar\\"}"}',
    ]
    feed.pour(*hers, *broken)
    feed.pour(*(product.served(f"r-{n}", "bea") for n in range(50)))
    assert hold(targets, b"quokka", b"zanzibar")
    erasure.request(feed.warehouse.target, "quokkaphil")
    feed.pour(*hers, *broken)
    upkeep.purge(feed.warehouse.target)
    assert hold(targets, b"quokka", b"zanzibar", b"uokkaphil") == []
    assert feed.ask("SELECT DISTINCT user_id FROM clean_feedback") == [("bea",)]


def hold(targets: Any, *marks: bytes) -> list[Path]:
    """Files of the warehouse and, of a lake, of its PostgreSQL server's tables that hold one of these."""
    places = [targets.directory]
    if hasattr(targets, "server"):
        targets.server.run("CHECKPOINT")
        places.append(targets.server.directory / "data" / "base")
    files = [file for place in places for file in place.rglob("*") if file.is_file()]
    return [file for file in files if any(mark in file.read_bytes() for mark in marks)]
