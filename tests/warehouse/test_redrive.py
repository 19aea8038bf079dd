import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from streams.live.messages import Flag
from streams.topics import TOPICS
from warehouse import dead_letters, queries, redrive
from warehouse.fingerprint import fingerprints
from warehouse.ingest.records import Coordinates
from warehouse.storage.transaction import WarehouseConflictError, WarehouseError

HOUR = timedelta(hours=1)


def refused(feed: Any, *lines: bytes, partition: int = 0) -> None:
    """Pour lines as a program did that knew a narrower contract: each one is a dead letter, in one message."""
    offset = feed.positions.get(partition, 0)
    feed.pour(b"\n".join([b"x"] * len(lines)), partition=partition)
    users = [json.loads(line).get("user_id") for line in lines]
    with feed.warehouse.transaction() as connection:
        connection.execute(
            """UPDATE dead_letters SET body = $lines[kafka_line + 1], user_id = $users[kafka_line + 1]
            WHERE kafka_partition = $partition AND kafka_offset = $offset""",
            {"lines": list(lines), "users": users, "partition": partition, "offset": offset},
        )


def sums(feed: Any) -> list[tuple[Any, ...]]:
    """(events, what became of them) by partition, and what the tables hold."""
    rows = feed.ask(
        """SELECT partition_id, events, duplicates, dead_letters, erased, (
            SELECT count(*) FROM (
                SELECT kafka_partition FROM responses UNION ALL SELECT kafka_partition FROM reactions
                UNION ALL SELECT kafka_partition FROM erasures
            ) WHERE kafka_partition = partition_id
        ) AS rows, (SELECT count(*) FROM dead_letters WHERE kafka_partition = partition_id AND redriven_at IS NULL)
        FROM ingest_positions ORDER BY ALL"""
    )
    for _, events, duplicates, dead, erased, kept, still_open in rows:
        assert events == kept + duplicates + dead + erased
        assert dead == still_open
    return list(rows)


@pytest.mark.slow
def test_a_line_that_today_is_good_becomes_what_ingest_would_have_made_of_it(
    feed: Any, product: Any, targets: Any
) -> None:
    good = [product.served("r1"), product.reacted("r1"), product.served("r2", "bea"), product.erasure("cleo")]
    other = type(feed)(targets.migrated("other"))
    refused(feed, *good)
    other.pour(b"\n".join(good))
    done = redrive.redrive(feed.warehouse.target)
    assert (done.judged, done.outcomes, done.failing) == (4, {"stored": 4}, {})
    assert fingerprints(feed.warehouse.target) == fingerprints(other.warehouse.target)
    place = "SELECT event_id, kafka_topic, kafka_partition, kafka_offset, kafka_line FROM {} ORDER BY ALL"
    for table in ("responses", "reactions"):
        assert feed.ask(place.format(table)) == other.ask(place.format(table))
    assert sums(feed) == sums(other) == [(0, 4, 0, 0, 0, 4, 0)]


@pytest.mark.slow
def test_flags_are_brought_up_to_date(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1"))
    refused(feed, product.reacted("r1", at=product.noon + timedelta(milliseconds=100), dwell_ms=100))
    assert feed.ask("SELECT rule FROM flags") == []
    redrive.redrive(feed.warehouse.target)
    assert feed.ask("SELECT rule FROM flags") == [("faster_than_reading",)]


@pytest.mark.slow
def test_doing_it_twice_changes_nothing(feed: Any, product: Any) -> None:
    refused(feed, product.served("r1"), product.reacted("r1"))
    feed.pour(b"{broken")
    redrive.redrive(feed.warehouse.target)
    before = feed.ask("SELECT * FROM dead_letters ORDER BY ALL"), fingerprints(feed.warehouse.target), sums(feed)
    again = redrive.redrive(feed.warehouse.target)
    assert (again.judged, again.outcomes, again.failing) == (1, {}, {"not_json": 1})
    assert before == (
        feed.ask("SELECT * FROM dead_letters ORDER BY ALL"), fingerprints(feed.warehouse.target), sums(feed)
    )  # fmt: skip


@pytest.mark.slow
def test_copies_are_duplicates_and_what_conflicts_stays_a_dead_letter(feed: Any, product: Any) -> None:
    served, love = product.served("r1"), product.reacted("r1")
    feed.pour(served)
    refused(feed, love, love, served, served.replace(b"patience", b"force"), partition=1)
    done = redrive.redrive(feed.warehouse.target)
    assert (done.outcomes, done.failing) == ({"duplicate": 2, "stored": 1}, {"conflicting_copy": 1})
    assert feed.ask("SELECT kafka_line, outcome, redriven_at IS NULL FROM dead_letters ORDER BY ALL") == [
        (0, "stored", False), (1, "duplicate", False), (2, "duplicate", False), (3, None, True)
    ]  # fmt: skip
    assert sums(feed) == [(0, 1, 0, 0, 0, 1, 0), (1, 4, 2, 1, 0, 1, 1)]
    assert redrive.redrive(feed.warehouse.target).failing == {"conflicting_copy": 1}


@pytest.mark.slow
def test_lines_of_erased_users_are_left_out(feed: Any, product: Any) -> None:
    refused(feed, product.served("r1"), product.served("r9", "bea"), product.erasure("ann", product.noon + HOUR))
    refused(feed, product.served("later", at=product.noon + 2 * HOUR))
    done = redrive.redrive(feed.warehouse.target)
    assert done.outcomes == {"stored": 3, "erased": 1}
    assert feed.ask("SELECT response_id FROM responses ORDER BY ALL") == [("later",), ("r9",)]
    assert feed.ask("SELECT user_id FROM dead_letters") == [("bea",)], "an erased user's letters go, good ones too"
    assert sums(feed) == [(0, 4, 0, 0, 1, 3, 0)]


@pytest.mark.slow
def test_two_lives_of_a_topic_are_told_apart(feed: Any, product: Any) -> None:
    second = type(feed)(feed.warehouse, "second life")
    refused(feed, product.served("r1"))
    second.pour(product.served("r2"), b"{broken")
    second.positions = {}
    with pytest.raises(Exception, match="stored up to 2"):
        second.pour(b"x")
    assert redrive.redrive(feed.warehouse.target).outcomes == {"stored": 1}
    assert feed.ask("SELECT topic_id, events, dead_letters FROM ingest_positions ORDER BY ALL") == [
        ("first life", 1, 0), ("second life", 2, 1)
    ]  # fmt: skip


@pytest.mark.slow
def test_letters_that_do_not_say_their_topics_life_are_counted_where_it_was_read_longest(
    feed: Any, product: Any
) -> None:
    refused(feed, product.served("r1"))
    with feed.warehouse.transaction() as connection:
        connection.execute("UPDATE dead_letters SET topic_id = NULL")
    assert redrive.redrive(feed.warehouse.target).outcomes == {"stored": 1}
    assert sums(feed) == [(0, 1, 0, 0, 0, 1, 0)]


@pytest.mark.slow
def test_only_what_is_asked_for_is_judged(feed: Any, product: Any) -> None:
    refused(feed, product.served("r1"), product.served("r2"))
    feed.pour(b"[]")
    assert redrive.redrive(feed.warehouse.target, reason="not_an_object").judged == 1
    second = dead_letters.parse_id("loveloop.events/0/0/1")
    assert redrive.redrive(feed.warehouse.target, only=[second]).outcomes == {"stored": 1}
    assert feed.ask("SELECT response_id FROM responses") == [("r2",)]


@pytest.mark.slow
def test_lines_of_the_live_guard_are_judged_by_its_shapes(feed: Any, product: Any) -> None:
    flag = Flag(
        rule="reactions_per_minute", user_id="ann", score=2.0, evidence={"reactions": 90}, flagged_at=product.noon
    )
    feed.store(feed.records([b"{}", b"x"], topic=TOPICS.flags))
    where = Coordinates(TOPICS.flags, 0, 0, 0)
    done = redrive.redrive(feed.warehouse.target, only=[where], corrected=msgspec.json.encode(flag))
    assert done.outcomes == {"stored": 1}
    assert feed.ask("SELECT source, rule, user_id FROM flags") == [("live", "reactions_per_minute", "ann")]
    assert redrive.redrive(feed.warehouse.target).failing == {"invalid_field": 1}


@pytest.mark.slow
def test_a_transaction_that_lost_against_another_writer_is_done_again(
    feed: Any, product: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(feed, product.served("r1"), product.served("r2"))
    store, lost = redrive.store, [WarehouseConflictError("another writer came in between")]

    def contested(*arguments: Any) -> Any:
        if lost:
            raise lost.pop()
        return store(*arguments)

    monkeypatch.setattr(redrive, "store", contested)
    done = redrive.redrive(feed.warehouse.target)
    assert (done.judged, done.outcomes) == (2, {"stored": 2})
    assert sums(feed) == [(0, 2, 0, 0, 0, 2, 0)]


@pytest.mark.slow
def test_a_dry_run_stores_nothing(feed: Any, product: Any) -> None:
    refused(feed, product.served("r1"))
    before = fingerprints(feed.warehouse.target)
    assert redrive.redrive(feed.warehouse.target, dry_run=True).outcomes == {"stored": 1}
    assert fingerprints(feed.warehouse.target) == before


@pytest.mark.slow
def test_more_letters_than_one_transaction_takes(feed: Any, product: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redrive, "_AT_ONCE", 3)
    refused(feed, *(product.served(f"r{n}") for n in range(4)))
    feed.pour(b"[]", b"[]", b"[]", partition=1)
    refused(feed, product.served("last"), partition=2)
    done = redrive.redrive(feed.warehouse.target)
    assert (done.judged, done.outcomes, done.failing) == (8, {"stored": 5}, {"not_an_object": 3})


def test_a_line_that_an_operator_puts_right_is_stored_and_kept_beside_the_original(feed: Any, product: Any) -> None:
    feed.pour(b'{"type": "reaction_changed", "reaction": "Love"')
    fixed = json.dumps(json.loads(product.reacted("r1")), indent=2).encode()
    where = Coordinates("loveloop.events", 0, 0, 0)
    assert redrive.redrive(feed.warehouse.target, only=[where], corrected=fixed).outcomes == {"stored": 1}
    assert feed.ask("SELECT reaction, kafka_line FROM reactions") == [("love", 0)]
    (letter,) = dead_letters.find(feed.warehouse.target, where)
    assert (letter.outcome, letter.user_id) == ("stored", "ann")
    assert letter.body.startswith(b'{"type": "reaction_changed"')
    assert json.loads(letter.line) == json.loads(fixed)


@pytest.mark.slow
def test_a_correction_that_is_wrong_too_leaves_the_letter_as_it_was(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1"), b"{broken")
    where = Coordinates("loveloop.events", 0, 1, 0)
    before = dead_letters.find(feed.warehouse.target, where)
    conflicting = product.served("r1").replace(b"patience", b"force")
    conflicting = json.dumps(
        json.loads(conflicting) | {"event_id": feed.ask("SELECT CAST(event_id AS VARCHAR) FROM responses")[0][0]}
    ).encode()
    for line, reason in ((b"[]", "not_an_object"), (conflicting, "conflicting_copy")):
        assert redrive.redrive(feed.warehouse.target, only=[where], corrected=line).failing == {reason: 1}
        assert dead_letters.find(feed.warehouse.target, where) == before


@pytest.mark.slow
def test_a_correction_needs_one_letter_and_json(feed: Any) -> None:
    feed.pour(b"[]", b"[]")
    first, second = (Coordinates("loveloop.events", 0, n, 0) for n in range(2))
    with pytest.raises(WarehouseError, match="name exactly one"):
        redrive.redrive(feed.warehouse.target, only=[first, second], corrected=b"{}")
    with pytest.raises(WarehouseError, match="no JSON"):
        redrive.redrive(feed.warehouse.target, only=[first], corrected=b"{")
    with pytest.raises(WarehouseError, match=r"no dead letter at .*/7/0/0"):
        redrive.redrive(feed.warehouse.target, only=[Coordinates("loveloop.events", 7, 0, 0)])


@pytest.mark.slow
def test_the_list_shows_open_letters_newest_first_and_counts_them_by_reason(feed: Any, product: Any) -> None:
    refused(feed, product.served("r1"))
    feed.pour(b"[]", b"[]", b"{broken")
    redrive.redrive(feed.warehouse.target)
    target = feed.warehouse.target
    assert dead_letters.counts(target) == {"not_an_object": 2, "not_json": 1}
    assert list(dead_letters.counts(target)) == ["not_an_object", "not_json"]
    assert [letter.id for letter in dead_letters.newest(target, reason="not_an_object", limit=1)] == [
        "loveloop.events/0/1/0"
    ]
    assert dead_letters.counts(target, redriven=True) == {"stored": 1}
    assert [letter.id for letter in dead_letters.newest(target, redriven=True)] == ["loveloop.events/0/0/0"]
    received = dead_letters.newest(target)[0].received_at
    assert dead_letters.newest(target, since=received + HOUR) == []
    assert queries.counts(target)["dead_letters_by_reason"] == {"not_an_object": 2, "not_json": 1}


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "topic", "topic/0/1", "/0/1/2", "topic/a/1/2", "topic/-1/1/2"])
def test_an_id_that_names_no_letter_is_refused(text: str) -> None:
    with pytest.raises(WarehouseError, match="TOPIC/PARTITION/OFFSET/LINE"):
        dead_letters.parse_id(text)


def test_every_dead_letter_names_its_user_as_far_as_its_bytes_tell(feed: Any, product: Any) -> None:
    feed.pour(product.served("r", "b\N{LATIN SMALL LETTER O WITH DIAERESIS}b")[:-1], b'{"user_id":17}', b"nothing")
    assert feed.ask("SELECT user_id, topic_id FROM dead_letters ORDER BY kafka_offset") == [
        ("b\N{LATIN SMALL LETTER O WITH DIAERESIS}b", "first life"), ("17", "first life"), (None, "first life")
    ]  # fmt: skip
