"""From the guard's own messages to the warehouse's tables, through a real broker."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streams import topics
from streams.events import Message, ReactionChanged, ResponseServed, encode, new_event_id
from streams.live.guard import Guard
from streams.live.messages import pack
from streams.live.rules import Rules
from warehouse import connection, sink

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def stream_of_two_arms() -> list[bytes]:
    """Arm b says goodbye in every second response; a bot reacts forty times in a minute."""
    lines: list[bytes] = []
    for number in range(1200):
        moment, arm = START + timedelta(seconds=2 * number), ("control", "b")[number % 2]
        lines.append(
            encode(
                ResponseServed(
                    event_id=new_event_id(moment, number), served_at=moment, response_id=f"r{number}", turn=0,
                    conversation_id="c", user_id=f"u{number % 50}", session_id="s", policy="p", experiment="e", arm=arm,
                    conversation=[Message("user", "hi")], response="Bye!" if number % 4 == 1 else "hello",
                )
            )
        )  # fmt: skip
    for number in range(40):
        moment = START + timedelta(seconds=number)
        lines.append(
            encode(
                ReactionChanged(
                    event_id=new_event_id(moment, 10_000 + number), user_id="bot", reacted_at=moment, action="added",
                    response_id=f"r{number}", reaction="love", session_id="s", device_id="phone",
                )
            )
        )  # fmt: skip
    return lines


def publish(bootstrap: str, names: topics.Topics, lines: list[bytes]) -> None:
    """What a guard says of these lines, everything twice, as after a restart."""
    from kafka import KafkaProducer

    guard = Guard(Rules(device_line=30))
    guard.observe(
        SimpleNamespace(
            partition=0, offset=0, timestamp=START.timestamp() + 3600, timestamp_type=1, value=b"\n".join(lines)
        )
    )
    outbox = guard.outbox(1)
    for number, (_, value) in enumerate(outbox.changes):
        guard.add(
            SimpleNamespace(
                partition=0, offset=number, timestamp=START.timestamp() + 3600, timestamp_type=1, value=value
            )
        )
    flags = outbox.flags + guard.outbox(1).flags
    snapshots = guard.snapshots()
    trips = [(trip.key, pack([trip])) for trip in guard.new_trips()]
    producer = KafkaProducer(bootstrap_servers=bootstrap, batch_size=0)
    for topic, messages in ((names.flags, flags), (names.live_metrics, snapshots), (names.kill_switch, trips)):
        for key, value in messages * 2:
            producer.send(topic, key=key, value=value).get(10)
    producer.close()


@pytest.mark.slow
def test_what_the_guard_says_twice_is_stored_once(broker: str, stream: topics.Topics, tmp_path: Path) -> None:
    topics.create_topics(broker, topics=stream)
    publish(broker, stream, stream_of_two_arms())
    path = tmp_path / "warehouse.duckdb"

    def ingest() -> Any:
        return sink.ingest(path, broker, topics=stream, until_caught_up=True, progress=False)

    first, second = ingest(), ingest()
    assert (first.flags, first.kill_switches, first.dead_letters, second.events) == (4, 2, 0, 0)
    with connection.open(path).read() as reader:
        flags = reader.execute("SELECT subject, user_id, key, score >= 1 FROM flags ORDER BY subject").fetchall()
        assert flags == [("device", None, "phone", True), ("user", "bot", None, True)]
        trips = reader.execute("SELECT experiment, arm, metric, against, round(rate, 2) FROM kill_switches").fetchall()
        assert trips == [("e", "b", "closing_rate", "limit", 0.5)]
        arms = reader.execute("SELECT arm, sum(served), sum(closings) FROM live_metrics GROUP BY arm ORDER BY arm")
        assert arms.fetchall() == [("b", 600, 300), ("control", 600, 0)]
