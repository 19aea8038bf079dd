"""The guard on real brokers: what it finds, and that no way of dying loses or doubles anything (design: loss tests)."""

import itertools
import json
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streams import brokers, consumer, kill_switch, live_guard, producer, topics
from streams.events import Event, Message, ReactionChanged, ResponseServed, new_event_id
from streams.live.messages import ArmWindow, Flag, Trip, unpack

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIALS = {"user_line": 10, "device_line": 40, "network_line": 20, "publish_seconds": 0.5, "settle_seconds": 60}
PROGRAM = """
import json, sys
from streams import live_guard, topics
from streams.live import partition
bootstrap, prefix, port, dials, fail_at = json.loads(sys.argv[1])
read, seen = partition.read, []
def failing(line, received):
    seen.append(line)
    if len(seen) == fail_at:
        raise OSError("a disk, a network, a bug: anything")
    return read(line, received)
partition.read = failing
names, rules = topics.Topics.under(prefix), live_guard.Rules(**dials)
live_guard.run(bootstrap, web_port=port, names=names, rules=rules, session_seconds=2.0)
print("ended in order")
"""


class Running:
    """A guard in a process of its own; with `fail_at` the work fails at that line."""

    def __init__(self, bootstrap: str, names: topics.Topics, *, fail_at: int = 0, **dials: float) -> None:
        self.port = brokers.free_port()
        prefix = names.events.removesuffix(".events")
        arguments = json.dumps([bootstrap, prefix, self.port, DIALS | dials, fail_at])
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def view(self, path: str = "/") -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return json.load(answer)
        except OSError:
            return {"lines": 0}

    def page(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/live", timeout=2) as answer:
            return str(answer.read().decode())

    def wait_for_lines(self, lines: int) -> dict[str, Any]:
        seen: dict[str, Any] = wait_for(lambda: view if (view := self.view())["lines"] >= lines else None)
        return seen


def wait_for(look: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert seen, f"did not come within {seconds:g} s"
    return seen


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def begin(*arguments: Any, **dials: float) -> Running:
        running.append(Running(*arguments, **dials))
        return running[-1]

    yield begin
    for guard in running:
        guard.process.kill()
        guard.process.wait()


def traffic(count: int, first: int = 0) -> Iterator[Event]:
    """Responses of two arms; control is loved in 10 %, arm b in 5 %; b says goodbye in a third of its responses."""
    for number in range(first, first + count):
        moment, user, arm = START + timedelta(seconds=number * 0.5), f"u{number % 100}", ("control", "b")[number % 2]
        common = {"user_id": user, "response_id": f"r{number}", "session_id": "s"}
        yield ResponseServed(
            event_id=new_event_id(moment, number), served_at=moment, conversation_id="c", turn=0, policy=f"p-{arm}",
            conversation=[Message("user", "hi")], response="Lovely. Bye!" if number % 6 == 1 else "hello",
            experiment="e", arm=arm, **common,
        )  # fmt: skip
        if number % 20 == 0 or number % 40 == 1:
            yield loved(moment + timedelta(seconds=0.2), number, common)


def truth(count: int) -> dict[str | None, tuple[int, int, int]]:
    """Served, loves and closings of each arm in so much traffic."""
    control, b = range(0, count, 2), range(1, count, 2)
    closings = sum(number % 6 == 1 for number in b)
    return {
        "control": (len(control), sum(number % 20 == 0 for number in control), 0),
        "b": (len(b), sum(number % 40 == 1 for number in b), closings),
    }


def loved(moment: datetime, number: int, common: dict[str, str]) -> ReactionChanged:
    return ReactionChanged(
        event_id=new_event_id(moment, number), reacted_at=moment, reaction="love", action="added", **common
    )


def burst(user: str, first: int, count: int, **extra: str) -> Iterator[Event]:
    for number in range(first, first + count):
        moment = START + timedelta(seconds=number)
        common = {"user_id": user, "response_id": f"x{number}", "session_id": "s"} | extra
        yield loved(moment, number + 1000 * sum(user.encode()), common)


def send(bootstrap: str, topic: str, *streams: Iterator[Event], together: int = 100_000) -> int:
    with producer.EventProducer(bootstrap, topic=topic) as sender:
        for number, event in enumerate(itertools.chain(*streams), 1):
            sender.send(event)
            if number % together == 0:
                sender.flush()
        sender.send_line(b"\xff broken")
    return sender.events


def told(bootstrap: str, topic: str, kind: type[Any]) -> list[Any]:
    return [each for message in consumer.read_to_end(bootstrap, topic) for each in unpack(message.value, kind)]


def totals(bootstrap: str, names: topics.Topics) -> dict[str | None, tuple[int, int, int]]:
    """Served, loves and closings per arm: of every window and partition the newest snapshot."""
    newest = {(row.partition, row.arm, row.window_start): row for row in told(bootstrap, names.live_metrics, ArmWindow)}
    sums: dict[str | None, tuple[int, int, int]] = {}
    for row in newest.values():
        served, loves, closings = sums.get(row.arm, (0, 0, 0))
        sums[row.arm] = served + row.served, loves + row.loves, closings + row.closings
    return sums


@pytest.mark.slow
def test_flags_counts_and_trips_come_out_within_seconds(
    broker: str, stream: topics.Topics, start: Callable[..., Running]
) -> None:
    topics.create_topics(broker, topics=stream)
    guard = start(broker, stream)
    farm = [burst(f"farm{n}", 0, 9, device_id="d", network_id="n") for n in range(8)]
    sent = send(broker, stream.events, traffic(2000), burst("bot", 0, 15), *farm)
    view = guard.wait_for_lines(sent)
    assert view["unreadable"] == 1
    wait_for(lambda: totals(broker, stream) == truth(2000), 10)
    wait_for(lambda: {row["arm"]: row["loves"] for row in guard.view("/arms")} == {"control": 100, "b": 50}, 10)
    wait_for(lambda: len(guard.view("/flags")) >= 3, 10)
    wait_for(lambda: len(told(broker, stream.flags, Flag)) >= 3, 10)
    flags = {flag.subject: flag for flag in told(broker, stream.flags, Flag)}
    assert (flags["user"].user_id, flags["user"].score, flags["user"].flagged_at) == (
        "bot", 1.0, START + timedelta(seconds=9),
    )  # fmt: skip
    assert (flags["device"].key, flags["network"].key, flags["network"].flagged_at) == ("d", "n", START)
    wait_for(lambda: guard.view("/kill-switch"), 10)
    (trip, *more) = told(broker, stream.kill_switch, Trip)
    assert (trip.experiment, trip.arm, trip.metric, more) == ("e", "b", "closing_rate", [])
    assert kill_switch.tripped(broker, names=stream) == {("e", "b")}
    assert {row["key"] for row in guard.view("/users")} >= {"bot", "d", "n"}
    assert "must not be served: closing rate" in guard.page()
    assert len(list(consumer.read_to_end(broker, stream.live_metrics))) < 100, "windows travel packed"
    began = time.monotonic()
    guard.process.send_signal(signal.SIGTERM)
    said, _ = guard.process.communicate(timeout=20)
    assert (guard.process.returncode, said.splitlines()[-1]) == (0, "ended in order")
    assert time.monotonic() - began < 15


def undisturbed(bootstrap: str, names: topics.Topics, dials: dict[str, Any]) -> set[str]:
    """The flags of users that a guard raises which reads the same log at one stretch."""
    guard, flags = live_guard.Guard(live_guard.Rules(**(DIALS | dials))), set()
    for message in consumer.read_to_end(bootstrap, names.events):
        guard.observe(
            SimpleNamespace(
                partition=message.partition, offset=message.offset, timestamp=message.stamp / 1000, timestamp_type=1,
                value=message.value,
            )
        )  # fmt: skip
    for _, value in guard.outbox(1).flags:
        flags.add(value.decode())
    return flags


def end_by(way: str, guard: Running, running_for: float) -> None:
    """One of three ends, in mid-stream."""
    if way == "exception":
        guard.process.wait(60)
        assert guard.process.returncode != 0, "whoever restarts it must see that it failed"
        return
    wait_for(lambda: guard.view()["lines"])
    time.sleep(running_for)
    guard.process.send_signal(signal.SIGTERM if way == "SIGTERM" else signal.SIGKILL)
    guard.process.wait(30)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "way"), [("tansu", "exception"), ("kafka", "SIGTERM"), ("kafka", "SIGKILL")])
def test_no_way_to_die_loses_or_doubles_the_effect_of_an_event(
    kind: str, way: str, request: pytest.FixtureRequest, stream: topics.Topics, start: Callable[..., Running]
) -> None:
    """Two deaths in mid-stream, a memory of seconds; then the same log through an undisturbed guard."""
    broker = request.getfixturevalue(kind)
    topics.create_topics(broker, topics=stream)
    dials = {"memory_seconds": 10.0}  # more than a start takes on a busy machine, or the bots are forgotten
    draw = random.Random(5)
    for death in range(2):
        guard = start(broker, stream, fail_at=700 + 800 * death if way == "exception" else 0, **dials)
        parts = [burst(f"bot{n}", 6 * death, 6, device_id="d", network_id=f"n{n % 2}") for n in range(8)]
        send(broker, stream.events, traffic(1500, 1500 * death), *parts, together=40)
        end_by(way, guard, draw.random() / 2)
    last = start(broker, stream, **dials)
    wait_for(lambda: totals(broker, stream) == truth(3000))
    found = list(consumer.read_to_end(broker, stream.flags))
    users = {message.value.decode() for message in found if b'"user"' in message.value}
    assert users == undisturbed(broker, stream, dials), "none lost, and told again byte by byte"
    assert {json.loads(flag)["user_id"] for flag in users} == {f"bot{n}" for n in range(8)}
    wait_for(lambda: {flag.key for flag in told(broker, stream.flags, Flag) if flag.key} == {"d", "n0", "n1"}, 20)
    wait_for(lambda: told(broker, stream.kill_switch, Trip))
    trips = [trip.identity for trip in told(broker, stream.kill_switch, Trip)]
    assert trips == [("e", "b", "closing_rate")]
    assert last.process.poll() is None


@pytest.mark.slow
def test_workers_that_come_and_go_count_as_one(
    kafka: str, stream: topics.Topics, start: Callable[..., Running]
) -> None:
    """Partitions move to a second worker in mid-stream and back when it dies; a device in all of them is added up."""
    topics.create_topics(kafka, topics=stream)
    first = start(kafka, stream)
    send(kafka, stream.events, traffic(1000), *(burst(f"f{n}", 0, 4, device_id="d") for n in range(8)), together=40)
    wait_for(lambda: first.view()["lines"])
    second = start(kafka, stream)
    send(kafka, stream.events, traffic(1000, 1000), *(burst(f"f{n}", 4, 4, device_id="d") for n in range(8)))
    wait_for(lambda: totals(kafka, stream) == truth(2000))
    wait_for(lambda: 0 < len(second.view().get("partitions", ())) < 4)
    wait_for(lambda: {flag.key for flag in told(kafka, stream.flags, Flag)} == {"d"})
    for guard in (first, second):
        wait_for(lambda: sum(row["served"] for row in guard.view("/arms")) == 2000)  # noqa: B023
    second.process.kill()
    send(kafka, stream.events, traffic(1000, 2000), together=40)
    wait_for(lambda: totals(kafka, stream) == truth(3000))
    assert first.view()["partitions"] == [0, 1, 2, 3]
    wait_for(lambda: told(kafka, stream.kill_switch, Trip))
    assert [trip.identity for trip in told(kafka, stream.kill_switch, Trip)] == [("e", "b", "closing_rate")]


def committed(bootstrap: str, names: topics.Topics) -> int:
    """Messages of the events topic that the group needs no more."""
    from kafka import KafkaConsumer, TopicPartition

    reader = KafkaConsumer(bootstrap_servers=bootstrap, group_id=f"loveloop-guard-{names.events}")
    found = sum(reader.committed(TopicPartition(names.events, number)) or 0 for number in range(4))
    reader.close(autocommit=False)
    return found


@pytest.mark.slow
def test_what_has_left_the_memory_is_not_read_again(
    kafka: str, stream: topics.Topics, start: Callable[..., Running]
) -> None:
    topics.create_topics(kafka, topics=stream)
    guard = start(kafka, stream, memory_seconds=1.0)
    sent: list[int] = []

    def go_on() -> bool:
        sent.append(send(kafka, stream.events, traffic(100, 100 * len(sent)), together=20))
        return committed(kafka, stream) > 40

    wait_for(go_on)
    guard.process.kill()
    again = start(kafka, stream, memory_seconds=1.0)
    half = 50 * len(sent)
    wait_for(lambda: {arm: counts[0] for arm, counts in totals(kafka, stream).items()} == {"control": half, "b": half})
    assert 0 < wait_for(lambda: again.view()["lines"]) < sum(sent)


def test_a_guard_without_a_broker_says_so() -> None:
    with pytest.raises(topics.BrokerUnavailableError, match="no broker answers"):
        live_guard.run(f"127.0.0.1:{brokers.free_port()}", web_port=0, timeout=0.2)


def test_the_guards_state_and_views_need_no_faust() -> None:
    program = (
        "import sys, streams.live_guard as g, streams.live.metrics as m, streams.live.page as p; "
        "guard = g.Guard(g.Rules()); m.exposition(guard); p.page(guard); "
        "print([name for name in ('faust', 'kafka', 'aiokafka') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"
