import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from streams.live.messages import ArmWindow, Flag, Trip, pack
from streams.topics import TOPICS
from warehouse.ingest.commit import commit
from warehouse.ingest.decoding import decode_batch
from warehouse.ingest.dedup import id_ranges
from warehouse.ingest.positions import PositionMovedError
from warehouse.ingest.records import Record, TopicPartition

SECOND = timedelta(seconds=1)


def test_a_copy_of_an_event_is_dropped_in_the_same_batch_and_in_a_later_one(feed: Any, product: Any) -> None:
    served, love = product.served("r1"), product.reacted("r1")
    first = feed.pour(served, love, love)
    later = feed.pour(love, served)
    assert (first.rows["responses"], first.rows["reactions"], first.duplicates) == (1, 1, 1)
    assert (later.rows["responses"], later.rows["reactions"], later.duplicates) == (0, 0, 2)
    assert feed.ask("SELECT events, duplicates, dead_letters FROM ingest_positions") == [(5, 3, 0)]


def test_a_copy_is_found_however_old_it_is(feed: Any, product: Any) -> None:
    days = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(40)]
    old = [product.served(f"old-{n}", at=day) for n, day in enumerate(days)]
    feed.pour(*old)
    done = feed.pour(product.served("new"), *old[::3])
    assert (done.rows["responses"], done.duplicates) == (1, 14)


def test_few_ranges_cover_all_ids() -> None:
    ids = [f"{n:08x}-0000-7000-8000-000000000000" for n in range(0, 4_000_000, 100_000)]
    ranges = id_ranges(pa.array(ids[::-1]))
    assert len(ranges) <= 8
    assert all(any(first <= one <= last for first, last in ranges) for one in ids)
    assert id_ranges(pa.array([], pa.string())) == []


@pytest.mark.parametrize("known", ["NULL", "content_hash + 1"])
def test_rows_without_a_true_hash_are_compared_column_by_column(feed: Any, product: Any, known: str) -> None:
    served, reacted = product.served("r1"), product.reacted("r1")
    feed.pour(served, reacted)
    with feed.warehouse.transaction() as writer:
        writer.execute(f"UPDATE responses SET content_hash = {known}; UPDATE reactions SET content_hash = {known}")
    done = feed.pour(served, served.replace(b"Roses", b"Tulips"), reacted)
    assert done.duplicates == 2
    assert [letter.reason for letter in done.dead] == ["conflicting_copy"]


def test_another_event_under_a_taken_id_is_a_dead_letter(feed: Any, product: Any) -> None:
    served = product.served("r1")
    other = served.replace(b"Roses", b"Tulips")
    feed.pour(served)
    done = feed.pour(other, served)
    assert [letter.reason for letter in done.dead] == ["conflicting_copy"]
    assert done.duplicates == 1
    assert feed.ask("SELECT reason, body FROM dead_letters") == [("conflicting_copy", other)]
    assert feed.ask("SELECT response FROM responses") == [(product.text,)]


def test_a_topic_made_anew_is_read_from_its_start_and_its_copies_are_dropped(feed: Any, product: Any) -> None:
    lines = [product.served("r1"), product.reacted("r1")]
    feed.pour(*lines)
    feed.topic_id, feed.positions = "second life", {}
    done = feed.pour(*lines, product.served("r2"))
    assert (done.rows["responses"], done.duplicates) == (1, 2)
    assert feed.ask("SELECT sum(events), sum(duplicates) FROM ingest_positions") == [(5, 2)]


def test_the_state_of_a_reaction_is_its_latest_change_whatever_came_last(feed: Any, product: Any) -> None:
    added = product.reacted("r1", at=product.noon)
    removed = product.reacted("r1", at=product.noon + SECOND, action="removed")
    feed.pour(removed, product.served("r1"), added)
    assert feed.ask("SELECT action FROM reaction_state") == [("removed",)]
    at_noon = feed.ask("SELECT action FROM reaction_state_at(CAST(? AS TIMESTAMPTZ))", product.noon)
    assert at_noon == [("added",)]
    assert feed.ask("SELECT love FROM clean_feedback") == [(False,)]


def test_of_two_changes_at_one_moment_the_greater_event_id_counts(feed: Any, product: Any) -> None:
    ids = sorted(product.new_id(product.noon) for _ in range(2))
    feed.pour(product.served("r1"), product.reacted("r1", event_id=ids[1], action="removed"))
    feed.pour(product.reacted("r1", event_id=ids[0], action="added"))
    assert feed.ask("SELECT action FROM reaction_state") == [("removed",)]


def test_a_reaction_before_its_response_waits_and_is_joined(feed: Any, product: Any) -> None:
    feed.pour(product.reacted("r1"))
    assert feed.ask("SELECT response_id FROM waiting_reactions") == [("r1",)]
    feed.pour(product.served("r1"))
    assert feed.ask("SELECT response_id FROM waiting_reactions") == []
    assert feed.ask("SELECT response_id, love FROM clean_feedback") == [("r1", True)]


def test_every_served_response_is_in_the_denominator(feed: Any, product: Any) -> None:
    lines = [product.served(f"r{n}") for n in range(3)]
    feed.pour(
        *lines, product.reacted("r1"), product.reacted("r2", reaction="dislike"), product.reacted("r0", reaction="wow")
    )
    found = feed.ask('SELECT response_id, love, "like", dislike, trust FROM clean_feedback ORDER BY 1')
    assert found == [("r0", False, False, False, 1.0), ("r1", True, False, False, 1.0), ("r2", False, False, True, 1.0)]


def test_an_immature_response_is_unlabelled_not_negative(feed: Any, product: Any) -> None:
    feed.pour(product.served("old"), product.served("young", at=product.noon + timedelta(hours=20)))
    moment = product.noon + timedelta(hours=30)
    query = "SELECT response_id FROM clean_feedback_at(CAST(? AS TIMESTAMPTZ), ?) ORDER BY 1"
    assert feed.ask(query, moment, 24) == [("old",)]
    assert feed.ask(query, moment, 10) == [("old",), ("young",)]
    assert feed.ask(query, moment, 0.5) == [("old",), ("young",)]


def test_a_response_told_twice_under_two_event_ids_is_one_row(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1", at=product.noon + SECOND, response="second"), product.served("r1", response="first"))
    assert feed.ask("SELECT response FROM clean_feedback") == [("first",)]


def test_a_user_who_asked_to_be_erased_is_left_out(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1"), product.served("r2", "bea"), product.erasure("ann"))
    assert feed.ask("SELECT user_id FROM clean_feedback") == [("bea",)]


def test_unknown_fields_and_newer_versions_are_kept_beside_the_known(feed: Any, product: Any) -> None:
    newer = json.loads(product.served("r1")) | {"schema_version": 2, "mood": {"sunny": True}}
    feed.pour(json.dumps(newer).encode())
    assert feed.ask("SELECT schema_version, extra FROM responses") == [(2, '{"mood": {"sunny": true}}')]


def test_a_zombie_s_batch_is_refused_and_nothing_of_it_is_stored(feed: Any, product: Any) -> None:
    zombie = type(feed)(feed.warehouse)
    feed.pour(product.served("r1"))
    with pytest.raises(PositionMovedError, match="stored up to 1, this batch was read from 0"):
        zombie.pour(product.served("r1"), product.served("r2"))
    assert feed.ask("SELECT response_id FROM responses") == [("r1",)]
    assert feed.ask("SELECT next_offset, events FROM ingest_positions") == [(1, 1)]


def test_a_position_that_fell_behind_is_refused_too_or_events_would_be_lost(feed: Any, product: Any) -> None:
    feed.positions = {0: 7}
    with pytest.raises(PositionMovedError, match="stored up to 0, this batch was read from 7"):
        feed.pour(product.served("r1"))


def test_several_partitions_move_together_or_not_at_all(feed: Any, product: Any) -> None:
    records = [*feed.records([product.served("r1")], 0), *feed.records([product.served("r2", "bea")], 1)]
    feed.pour(product.served("r0"), partition=1)
    with pytest.raises(PositionMovedError):
        commit(
            feed.warehouse, decode_batch(records), {TopicPartition(TOPICS.events, "first life", p): 0 for p in (0, 1)}
        )
    assert feed.ask("SELECT partition_id, next_offset FROM ingest_positions") == [(1, 1)]


def test_rows_say_where_they_were_read(feed: Any, product: Any) -> None:
    feed.pour(product.served("r0"), partition=2)
    feed.pour(b"\n".join([product.served("r1"), b"broken", product.served("r2")]), partition=2)
    coordinates = "kafka_topic, kafka_partition, kafka_offset, kafka_line"
    assert feed.ask(f"SELECT {coordinates} FROM responses WHERE response_id = 'r2'") == [(TOPICS.events, 2, 1, 2)]
    assert feed.ask(f"SELECT {coordinates} FROM dead_letters") == [(TOPICS.events, 2, 1, 1)]


def test_an_empty_message_is_a_dead_letter_that_says_so(feed: Any) -> None:
    records = [Record(TOPICS.events, 0, 0, 0, None), Record(TOPICS.events, 0, 1, 0, b" \n")]
    feed.store(records)
    assert feed.ask("SELECT next_offset, messages, events, dead_letters FROM ingest_positions") == [(2, 2, 2, 2)]
    told = feed.ask("SELECT reason, detail, body FROM dead_letters ORDER BY kafka_offset")
    assert [(reason, body) for reason, _, body in told] == [("empty_message", b""), ("empty_message", b" \n")]
    assert "no value" in told[0][1]
    assert "2 bytes, all of them white space" in told[1][1]


def test_what_the_live_guard_says_is_stored_once_and_never_quarantines(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1"))
    flag = Flag(
        rule="reactions_per_minute", user_id="ann", score=9.0, evidence={"reactions": 99}, flagged_at=product.noon
    )
    for offset in (0, 1):
        _tell(feed, TOPICS.flags, offset, msgspec.json.encode(flag))
    assert feed.ask("SELECT source, user_id, score FROM flags") == [("live", "ann", 9.0)]
    assert feed.ask("SELECT count(*) FROM clean_feedback") == [(1,)]


def test_a_newer_telling_of_a_live_window_replaces_the_older(feed: Any, product: Any) -> None:
    row = ArmWindow(
        experiment=None, arm=None, policy="incumbent", window_start=product.noon, window_seconds=300,
        served=10, loves=1, value=0.1, measured_at=product.noon, partition=0,
    )  # fmt: skip
    _tell(feed, TOPICS.live_metrics, 0, msgspec.json.encode(row), b'{"metric": 3}')
    _tell(feed, TOPICS.live_metrics, 1, msgspec.json.encode(msgspec.structs.replace(row, served=20)))
    assert feed.ask("SELECT policy, served FROM live_metrics") == [("incumbent", 20)]
    assert feed.ask("SELECT reason FROM dead_letters") == [("invalid_field",)]


def test_windows_and_flags_are_read_packed_or_one_a_message(feed: Any, product: Any) -> None:
    rows = [
        ArmWindow(
            experiment="e", arm=arm, policy="p", window_start=product.noon, window_seconds=300, served=10, loves=1,
            closings=3, value=0.1, measured_at=product.noon, partition=0, through=7,
        )
        for arm in "abc"
    ]  # fmt: skip
    device = Flag(rule="r", subject="device", key="d", score=1.0, evidence={}, flagged_at=product.noon)
    _tell(feed, TOPICS.live_metrics, 0, pack(rows))
    _tell(feed, TOPICS.flags, 0, pack([device, device]))
    _tell(feed, TOPICS.flags, 1, pack([device, msgspec.structs.replace(device, key="other")]))
    assert feed.ask("SELECT arm, served, closings FROM live_metrics ORDER BY arm") == [(arm, 10, 3) for arm in "abc"]
    assert feed.ask("SELECT subject, user_id, key FROM flags WHERE source = 'live' ORDER BY key") == [
        ("device", None, "d"), ("device", None, "other"),
    ]  # fmt: skip


def test_a_trip_is_stored_once_as_it_was_told_first(feed: Any, product: Any) -> None:
    trip = Trip(
        experiment="e", arm="b", metric="closing_rate", against="control", rate=0.08, reference=0.01, served=4000,
        log_evidence=12.5, alpha=0.001, tripped_at=product.noon,
    )  # fmt: skip
    _tell(feed, TOPICS.kill_switch, 0, pack([trip]))
    _tell(feed, TOPICS.kill_switch, 1, pack([msgspec.structs.replace(trip, rate=0.5)]), b"{}")
    assert feed.ask("SELECT experiment, arm, metric, against, rate, served FROM kill_switches") == [
        ("e", "b", "closing_rate", "control", 0.08, 4000)
    ]
    assert feed.ask("SELECT count(*) FROM dead_letters") == [(1,)]


def _tell(feed: Any, topic: str, offset: int, *lines: bytes) -> None:
    record = Record(topic, 0, offset, 0, b"\n".join(lines))
    commit(feed.warehouse, decode_batch([record]), {TopicPartition(topic, "first life", 0): offset})
