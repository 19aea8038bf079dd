import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streams import consumer, replay, topics, wire
from streams.events import ErasureRequested, decode, encode, moment_of, new_event_id
from streams.replay import Pace, ReplayLine, StoppedError, due, paced, shifted, timed

START = datetime(2026, 3, 1, tzinfo=UTC)
TODAY = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Hourglass:
    """A clock in memory: waiting is all that takes time."""

    def __init__(self, stop_after: float = float("inf")) -> None:
        self.passed = 0.0
        self._stop_after = stop_after

    def now(self) -> float:
        return self.passed

    def wait(self, seconds: float) -> bool:
        self.passed = min(self.passed + seconds, max(self.passed, self._stop_after))
        return self.passed >= self._stop_after

    def today(self) -> datetime:
        return TODAY + timedelta(seconds=self.passed)


def erasure(seconds: float, user: str = "u") -> bytes:
    moment = START + timedelta(seconds=seconds)
    return encode(ErasureRequested(event_id=new_event_id(moment), user_id=user, requested_at=moment))


def lines_at(*seconds: float | None) -> list[ReplayLine]:
    return [
        ReplayLine(number, b"x", None if each is None else START + timedelta(seconds=each))
        for number, each in enumerate(seconds, start=1)
    ]


def moments_of(pace: Pace, *seconds: float | None) -> list[float]:
    return [after for _, after in due(lines_at(*seconds), pace)]


def test_sixty_seconds_of_event_time_take_one() -> None:
    assert moments_of(Pace(speed=60), 0, 60, 90, 3_600) == [0, 1, 1.5, 60]


def test_a_late_copy_leaves_with_the_line_before_it() -> None:
    assert moments_of(Pace(speed=1), 10, 25, 12, 30) == [0, 15, 15, 20]


def test_a_line_without_a_moment_leaves_with_the_line_before_it() -> None:
    assert moments_of(Pace(speed=1), None, 10, None, 30, None) == [0, 0, 0, 20, 20]


def test_a_rate_counts_lines_whatever_their_moments() -> None:
    assert moments_of(Pace(rate=4), 0, 900, None, 1) == [0, 0.25, 0.5, 0.75]


def test_without_a_pace_everything_leaves_at_once() -> None:
    assert moments_of(Pace(), 0, 900, None, 1) == [0, 0, 0, 0]


def test_a_slow_reader_does_not_delay_what_follows() -> None:
    clock, left = Hourglass(), []
    for line, late in paced(lines_at(0, 1, 2, 10), Pace(speed=1), clock):
        left.append((clock.now(), late))
        clock.wait(4 if line.number == 1 else 0)
    assert left == [(0, 0), (4, 3), (4, 2), (10, 0)]


def test_a_stop_ends_the_wait() -> None:
    lines = paced(lines_at(0, 1, 100), Pace(speed=1), Hourglass(stop_after=2))
    assert [next(lines)[0].number, next(lines)[0].number] == [1, 2]
    with pytest.raises(StoppedError, match="before line 3"):
        next(lines)


def test_a_line_from_the_year_3000_holds_up_nobody() -> None:
    far = json.dumps({**json.loads(erasure(0)), "requested_at": "3000-01-01T00:00:00Z"}).encode()
    read = list(timed(enumerate([erasure(0), far, b"\xff", erasure(5)], start=1), received_at=TODAY))
    assert [line.moment for line in read] == [START, None, None, START + timedelta(seconds=5)]
    assert [after for _, after in due(read, Pace(speed=1))] == [0, 0, 0, 5]


def test_a_moved_event_keeps_the_contract_and_the_order_of_ids() -> None:
    seconds = [0, 0.25, 3, 7_200]
    moved = [
        shifted(ReplayLine(1, erasure(each), START + timedelta(seconds=each)), timedelta(days=90, milliseconds=7))
        for each in seconds
    ]
    events = [decode(line, received_at=TODAY).event for line in moved]
    first = START + timedelta(days=90, milliseconds=7)
    assert [moment_of(event) - first for event in events] == [timedelta(seconds=each) for each in seconds]
    assert sorted(event.event_id for event in events) == [event.event_id for event in events]
    assert all(event.event_id.startswith(new_event_id(moment_of(event))[:13]) for event in events)


def test_moved_copies_stay_copies_and_unknown_fields_stay() -> None:
    line = ReplayLine(1, json.dumps({**json.loads(erasure(0)), "ticket": 4711}).encode(), START)
    assert shifted(line, timedelta(days=1)) == shifted(line, timedelta(days=1))
    assert json.loads(shifted(line, timedelta(days=1)))["ticket"] == 4711
    assert shifted(ReplayLine(1, b"\xff", None), timedelta(days=1)) == b"\xff"
    assert shifted(line, timedelta()) is line.text


def sent_to(bootstrap: str, topic: str) -> list[bytes]:
    return [line for message in consumer.read_to_end(bootstrap, topic) for line in wire.unpack(message.value)]


def test_a_replay_waits_as_events_did_and_can_go_on_where_it_stopped(
    broker: str, stream: topics.Topics, tmp_path: Path
) -> None:
    topics.create_topics(broker, topics=stream)
    lines = [erasure(60 * number, f"u{number % 5}") for number in range(60)]
    lines.insert(30, b'{"half":')
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join(lines) + b"\n")
    pace = Pace(speed=60)
    first = replay.replay(
        file, broker, pace=pace, topic=stream.events, clock=Hourglass(stop_after=39.5), progress=False
    )
    assert (first.events, first.last, first.stopped, first.seconds) == (41, 41, True, 39.5)
    rest = replay.replay(
        file, broker, pace=pace, skip=first.last, topic=stream.events, clock=Hourglass(), progress=False
    )
    assert (rest.events, rest.last, rest.stopped, rest.seconds) == (20, 61, False, 19)
    assert sorted(sent_to(broker, stream.events)) == sorted(lines)


def test_the_first_event_happens_now(broker: str, stream: topics.Topics, tmp_path: Path) -> None:
    topics.create_topics(broker, topics=stream)
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join([b"\xff", erasure(0.5, "a"), erasure(10.5, "a")]))
    report = replay.replay(
        file, broker, pace=Pace(), to_now=True, topic=stream.events, clock=Hourglass(), progress=False
    )
    got = [decode(line, received_at=TODAY).event for line in sent_to(broker, stream.events) if line != b"\xff"]
    assert [moment_of(event) for event in got] == [TODAY, TODAY + timedelta(seconds=10)]
    assert report.shift == TODAY - START - timedelta(seconds=0.5)


def test_moved_events_may_not_run_ahead_of_the_contract(broker: str, stream: topics.Topics, tmp_path: Path) -> None:
    topics.create_topics(broker, topics=stream)
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join([erasure(0), erasure(90_000)]))
    with pytest.raises(ValueError, match="line 2 would happen at 2026-06-02 13:00:00"):
        replay.replay(file, broker, pace=Pace(), to_now=True, topic=stream.events, clock=Hourglass(), progress=False)


def test_no_file_is_said_before_a_broker_is_asked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not a file"):
        replay.replay(tmp_path / "none", "127.0.0.1:1", pace=Pace())
