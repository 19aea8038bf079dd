"""Records that a product may send, or a broker may hold, and that must stop nobody: on each broker, into a file."""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.record import default_records

from streams import compression, consumer, topics
from warehouse import sink
from warehouse.connection import Target
from warehouse.connection import open as open_warehouse

HOUR = timedelta(hours=1)


@pytest.fixture
def names(broker: str, stream: topics.Topics) -> topics.Topics:
    """Topics of which the events' bears its producers' stamps, whatever they are."""
    from kafka.admin import KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=broker)
    limits = {"max.message.bytes": str(20 * 2**20)} | {
        f"message.timestamp.{side}.max.ms": str(2**63 - 1) for side in ("before", "after")
    }
    admin.create_topics(
        {stream.events: {"num_partitions": 1, "replication_factor": 1, "configs": limits}}, wait_for_metadata=True
    )
    admin.close()
    topics.create_topics(broker, topics=stream)
    return stream


@pytest.fixture
def producers(broker: str) -> Iterator[Any]:
    """Makes producers, and closes them."""
    made: list[Any] = []

    def make(**options: Any) -> Any:
        made.append(KafkaProducer(bootstrap_servers=broker, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def ingest(path: Path, bootstrap: str, names: topics.Topics) -> sink.IngestReport:
    return sink.ingest(path, bootstrap, topics=names, until_caught_up=True, session_seconds=1.5, progress=False)


def ask(path: Target, query: str) -> list[Any]:
    with open_warehouse(path).read() as reader:
        return [row if len(row) > 1 else row[0] for row in reader.execute(query).fetchall()]


def send(producer: Any, names: topics.Topics, values: Sequence[bytes | None], **options: Any) -> None:
    for value in values:
        producer.send(names.events, value=value, partition=0, **options)
    producer.flush()


@pytest.mark.slow
def test_only_what_was_committed_is_stored_and_an_open_transaction_is_not_waited_for(
    broker: str, names: topics.Topics, producers: Any, product: Any, tmp_path: Path
) -> None:
    path, mine = tmp_path / "w.duckdb", producers(transactional_id=f"t-{names.events}")
    mine.init_transactions()
    for name, end in (("kept", mine.commit_transaction), ("rolled back", mine.abort_transaction)):
        mine.begin_transaction()
        send(mine, names, [product.served(name)])
        end()
    mine.begin_transaction()
    send(mine, names, [product.served("open")])
    send(producers(), names, [product.served("behind it")])
    assert ingest(path, broker, names).responses == 1
    mine.commit_transaction()
    assert ingest(path, broker, names).responses == 2
    assert ask(path, "SELECT response_id FROM responses ORDER BY kafka_offset") == ["kept", "open", "behind it"]
    assert len(list(consumer.read_to_end(broker, names.events))) >= 3  # it comes to an end, too


@pytest.mark.slow
def test_every_codec_is_read_and_a_batch_that_is_none_is_a_dead_letter_beside_good_ones(
    broker: str, names: topics.Topics, producers: Any, product: Any, tmp_path: Path
) -> None:
    path = tmp_path / "w.duckdb"
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        send(producers(compression_type=codec, linger_ms=50), names, [product.served(f"{codec} {n}") for n in range(9)])
    liar = producers(compression_type="zstd", linger_ms=500)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(default_records, "zstd_encode", lambda data: bytes(data[:200]))
        lies = [liar.send(names.events, value=product.served(f"lie {n}"), partition=0) for n in range(5)]
        liar.flush()
    taken = all(each.succeeded() for each in lies)  # Apache Kafka looks into what it is sent, Tansu does not
    send(producers(), names, [product.served("after")])
    done = ingest(path, broker, names)
    assert (done.responses, done.dead_letters) == (37, int(taken))
    for reason, detail in ask(path, "SELECT reason, detail FROM dead_letters"):
        assert reason == "unreadable_batch"
        assert "a batch of 5 messages from offset 36, compressed with zstd: " in detail
    assert ingest(path, broker, names).events == 0


@pytest.mark.slow
def test_a_producers_stamp_decides_nothing(
    broker: str, names: topics.Topics, producers: Any, product: Any, tmp_path: Path
) -> None:
    path, now, producer = tmp_path / "w.duckdb", datetime.now(UTC), producers()
    seconds = int(time.time())
    stamps = {
        "seconds": seconds, "days old": (seconds - 3 * 86_400) * 1000, "ahead": (seconds + 300 * 86_400) * 1000,
        "micro": seconds * 10**6, "nano": seconds * 10**9, "zero": 0,
    }  # fmt: skip
    for name, stamp in stamps.items():
        early, late = product.served(name, at=now - HOUR), product.served(f"{name}, ahead", at=now + 300 * 24 * HOUR)
        send(producer, names, [early, late, b"broken"], timestamp_ms=stamp)
    done = ingest(path, broker, names)
    assert (done.responses, done.dead_letters) == (len(stamps), 2 * len(stamps))
    found = ask(path, "SELECT reason, count(*) FROM dead_letters GROUP BY reason ORDER BY reason")
    assert found == [("not_json", len(stamps)), ("timestamp_out_of_range", len(stamps))]
    assert ask(path, f"SELECT DISTINCT received_at > to_timestamp({seconds - 60}) FROM dead_letters") == [True]


@pytest.mark.slow
def test_keys_headers_and_empty_values_harm_nothing(
    broker: str, names: topics.Topics, producers: Any, product: Any, tmp_path: Path
) -> None:
    class Raw(str):
        def encode(self, *_: Any) -> bytes:
            return b"\xff\xfe"

    path, producer = tmp_path / "w.duckdb", producers(linger_ms=50)
    for n, key in enumerate((None, b"", b"\xff", b"k" * 9_000)):
        send(producer, names, [product.served(f"r{n}")], key=key, headers=[(Raw("h"), b"\xff"), ("", b"")] * 60)
    send(producer, names, [None, b"", b" \r\n"], key=b"")
    done = ingest(path, broker, names)
    assert (done.responses, done.dead_letters) == (4, 3)
    assert ask(path, "SELECT DISTINCT reason FROM dead_letters") == ["empty_message"]


@pytest.mark.slow
def test_a_message_larger_than_a_fetch_stops_nothing(
    broker: str, names: topics.Topics, producers: Any, product: Any, tmp_path: Path
) -> None:
    producer = producers(max_request_size=20 * 2**20)
    huge = b"x" * (topics.MAX_MESSAGE_BYTES + 2**20)
    send(producer, names, [product.served("r1"), huge, product.served("r2")])
    done = ingest(tmp_path / "w.duckdb", broker, names)
    assert (done.responses, done.dead_letters) == (2, 1)
    assert ask(tmp_path / "w.duckdb", "SELECT reason, octet_length(body) FROM dead_letters") == [
        ("line_too_long", len(huge))
    ]


@pytest.mark.slow
def test_a_missing_codec_is_told_and_what_lies_before_it_is_stored(
    broker: str, names: topics.Topics, producers: Any, product: Any, tmp_path: Path
) -> None:
    path = tmp_path / "w.duckdb"
    send(producers(), names, [product.served("before")])
    send(producers(compression_type="lz4"), names, [product.served(f"r{n}") for n in range(9)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kafka.codec.has_lz4", lambda: False)
        with pytest.raises(compression.CodecMissingError, match="lz4 need the package lz4, which is not installed"):
            ingest(path, broker, names)
    assert ask(path, "SELECT response_id FROM responses") == ["before"]
    assert ingest(path, broker, names).responses == 9


@pytest.mark.slow
def test_lines_that_no_guard_wrote_stop_nobody(
    broker: str, names: topics.Topics, producers: Any, product: Any, tmp_path: Path
) -> None:
    path, producer = tmp_path / "w.duckdb", producers()
    flag = {"rule": "r", "user_id": "u", "score": 1, "evidence": {}, "flagged_at": "2026-03-01T00:00:00Z"}
    odd = [flag | {"user_id": "\0"}, flag | {"rule_version": 2**40}, flag | {"flagged_at": "2026-03-01T00:00:00"}, {}]
    for each in (flag, *odd):
        producer.send(names.flags, value=json.dumps(each).encode(), key=b"k")
    producer.flush()
    send(producer, names, [product.served("good")])
    done = ingest(path, broker, names)
    assert (done.responses, done.flags, done.dead_letters) == (1, 1, 4)


@pytest.mark.slow
def test_topics_bear_the_brokers_stamps_and_older_ones_are_mended(
    kafka: str, stream: topics.Topics, product: Any, tmp_path: Path
) -> None:
    from kafka.admin import KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=kafka)
    admin.create_topics({stream.events: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
    admin.close()
    topics.create_topics(kafka, topics=stream)
    assert topics.give_brokers_clock(kafka, topics=stream) == {stream.events: True}
    assert topics.give_brokers_clock(kafka, topics=stream) == {}
    producer, began = KafkaProducer(bootstrap_servers=kafka), time.time()
    for topic in (stream.events, stream.flags):
        assert producer.send(topic, b"x", key=b"k", timestamp_ms=5).get(10).timestamp >= began * 1000 - 1_000
    producer.close()
