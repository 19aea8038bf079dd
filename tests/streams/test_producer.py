import importlib.util
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streams import brokers, consumer, producer, topics, wire
from streams.events import ContractError, ErasureRequested, ReactionChanged, ResponseServed, decode, new_event_id

START = datetime(2026, 3, 1, tzinfo=UTC)


def lines_of(bootstrap: str, topic: str) -> dict[int, list[bytes]]:
    got: dict[int, list[bytes]] = {}
    for message in consumer.read_to_end(bootstrap, topic):
        got.setdefault(message.partition, []).extend(wire.unpack(message.value))
    return got


def erasure(number: int, user: str) -> ErasureRequested:
    moment = START + timedelta(seconds=number)
    return ErasureRequested(event_id=new_event_id(moment), user_id=user, requested_at=moment)


def test_events_arrive_whole_and_each_users_in_order(broker: str, stream: topics.Topics) -> None:
    topics.create_topics(broker, topics=stream)
    sent = [erasure(number, f"user-{number % 53}") for number in range(3000)]
    with producer.EventProducer(broker, topic=stream.events) as sender:
        for event in sent:
            sender.send(event)
    got = lines_of(broker, stream.events)
    events = {
        part: [decode(line, received_at=START + timedelta(days=1)).event for line in held] for part, held in got.items()
    }
    assert len(events) == 4
    for user in {event.user_id for event in sent}:
        homes = [[event for event in held if event.user_id == user] for held in events.values()]
        assert [home for home in homes if home] == [[event for event in sent if event.user_id == user]]
    assert (sender.events, sender.messages < 200) == (3000, True)


def test_a_draft_is_completed_as_the_client_completes_it(broker: str, stream: topics.Topics) -> None:
    topics.create_topics(broker, topics=stream)
    reaction = {"type": "reaction_changed", "user_id": "u", "session_id": "s", "response_id": "r", "action": "added"}
    asked = [{"role": "developer", "content": [{"type": "text", "text": "Be kind."}]}, {"role": "user", "content": "?"}]
    response = {"type": "response_served", "user_id": "u", "session_id": "s", "response_id": "r", "turn": 0}
    response |= {"conversation_id": "c", "policy": "v7", "conversation": asked, "response": "Water it."}
    with producer.EventProducer(broker, topic=stream.events) as sender:
        ids = [sender.send_draft(response), sender.send_draft(reaction | {"reaction": "\u2764\ufe0f"})]
        with pytest.raises(ContractError, match=r"response_id is missing"):
            sender.send_draft({name: value for name, value in reaction.items() if name != "response_id"})
    (lines,) = lines_of(broker, stream.events).values()
    shown, loved = (decode(line, received_at=datetime.now(UTC)).event for line in lines)
    assert [shown.event_id, loved.event_id] == ids
    assert isinstance(shown, ResponseServed)
    assert isinstance(loved, ReactionChanged)
    assert [(each.role, each.content) for each in shown.conversation] == [("system", "Be kind."), ("user", "?")]
    assert loved.reaction == "love"


def test_keyed_messages_of_another_producer_meet_ours(broker: str, stream: topics.Topics) -> None:
    from kafka import KafkaProducer

    topics.create_topics(broker, topics=stream)
    users = [f"user-{number}" for number in range(40)]
    other = KafkaProducer(bootstrap_servers=broker)
    for user in users:
        other.send(stream.events, key=user.encode(), value=json.dumps({"user_id": user, "by": "other"}).encode())
    other.close()
    with producer.EventProducer(broker, topic=stream.events) as sender:
        for user in users:
            sender.send_line(json.dumps({"user_id": user, "by": "us"}).encode())
    for held in lines_of(broker, stream.events).values():
        seen = [json.loads(line) for line in held]
        assert {line["user_id"] for line in seen if line["by"] == "us"} == {
            line["user_id"] for line in seen if line["by"] == "other"
        }


def test_a_file_is_sent_as_it_is_with_its_malformed_lines(broker: str, stream: topics.Topics, tmp_path: Path) -> None:
    topics.create_topics(broker, topics=stream)
    good = [b'{"user_id":"u%d"}' % number for number in range(500)]
    bad = [
        b"\xff\xfe\x00 broken",
        b'{"user_id":"\xc3"}',
        b'{"half":',
        b"[1,2]",
        "\u2028 \N{SNOWMAN}".encode(),
        b"x" * 1_500_000,
    ]
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n\n".join(good[:250]) + b"\r\n  \n" + b"\n".join(bad) + b"\n" + b"\n".join(good[250:]))
    report = producer.send_file(file, broker, topic=stream.events)
    got = [line for held in lines_of(broker, stream.events).values() for line in held]
    assert sorted(got) == sorted(line.strip() for line in good + bad)
    assert report[:1] + report[2:3] == (506, sum(len(line) for line in got))
    assert report.refused == ()


def test_a_line_that_no_broker_takes_is_refused_by_its_number(
    tansu: str, stream: topics.Topics, tmp_path: Path
) -> None:
    topics.create_topics(tansu, topics=stream)
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"{}\n\n" + b"y" * 5_000_000 + b"\n[]\n")
    report = producer.send_file(file, tansu, topic=stream.events)
    assert (report.events, report.refused) == (2, (3,))
    with (
        producer.EventProducer(tansu, topic=stream.events) as sender,
        pytest.raises(producer.LineTooLongError, match="5,000,000"),
    ):
        sender.send_line(b"y" * 5_000_000)


def test_a_line_with_a_newline_is_refused(tansu: str, stream: topics.Topics) -> None:
    topics.create_topics(tansu, topics=stream)
    with (
        producer.EventProducer(tansu, topic=stream.events) as sender,
        pytest.raises(ValueError, match="newline at byte 1"),
    ):
        sender.send_line(b"{\n}")


def test_a_lone_event_leaves_after_the_linger_without_a_flush(tansu: str, stream: topics.Topics) -> None:
    topics.create_topics(tansu, topics=stream)
    with producer.EventProducer(tansu, topic=stream.events) as sender:
        sender.send(erasure(0, "u"))
        deadline = time.monotonic() + 3
        while not lines_of(tansu, stream.events) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(lines_of(tansu, stream.events)) == 1


def test_an_empty_file_sends_nothing(tansu: str, stream: topics.Topics, tmp_path: Path) -> None:
    topics.create_topics(tansu, topics=stream)
    (tmp_path / "empty").touch()
    assert producer.send_file(tmp_path / "empty", tansu, topic=stream.events)[:3] == (0, 0, 0)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        producer.send_file(tmp_path / "absent", "127.0.0.1:1")


def test_a_missing_topic_is_named_with_the_command_that_makes_it(tansu: str, stream: topics.Topics) -> None:
    with pytest.raises(ValueError, match="loveloop topics create"):
        producer.EventProducer(tansu, topic=stream.events)


@pytest.mark.parametrize("package", ["crc32c", "zstandard"])
def test_without_a_package_the_producer_says_what_to_install(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else real(name))
    with pytest.raises(ModuleNotFoundError, match=rf"the package {package} is missing.*install loveloop\[stream\]"):
        producer.EventProducer("127.0.0.1:1")


@pytest.mark.slow
def test_a_broker_that_goes_away_is_an_error_that_says_what_arrived(tmp_path: Path) -> None:
    with brokers.start("tansu", tmp_path) as own:
        topics.create_topics(own.bootstrap)
        sender = producer.EventProducer(own.bootstrap, timeout=1)
        for number in range(10):
            sender.send(erasure(number, "u"))
        sender.flush()
        own.stop()
        sender.send(erasure(11, "u"))
        with pytest.raises(topics.BrokerUnavailableError, match=r"10 events were acknowledged; send all again"):
            sender.close()


@pytest.mark.slow
def test_packs_under_way_when_the_first_one_fails_hide_neither_the_error_nor_keep_a_thread(tmp_path: Path) -> None:
    with brokers.start("tansu", tmp_path) as own:
        topics.create_topics(own.bootstrap)
        sender = producer.EventProducer(own.bootstrap, timeout=1)
        own.stop()
        sender.send(erasure(1, "u"))
        time.sleep(0.75)
        sender.send(erasure(2, "u"))
        with pytest.raises(topics.BrokerUnavailableError, match="0 events were acknowledged"):
            sender.close()
        sender._kafka._sender.join(10)
        assert not sender._kafka._sender.is_alive()


@pytest.mark.slow
def test_packing_keeps_the_producer_fast(tansu: str, stream: topics.Topics, tmp_path: Path) -> None:
    topics.create_topics(tansu, topics=stream)
    file = tmp_path / "events.ndjson"
    line = b'{"type":"reaction_changed","user_id":"user-%d","pad":"' + b"x" * 240 + b'"}'
    file.write_bytes(b"\n".join(line % (number % 5000) for number in range(100_000)))
    best = max(
        report.events / report.seconds
        for report in (producer.send_file(file, tansu, topic=stream.events) for _ in "123")
    )
    assert best > 50_000, "200,000 are usual; other work may share the machine"
