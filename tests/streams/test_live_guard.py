import json
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

from streams import brokers, consumer, live_guard, producer, topics
from streams.events import Event, Message, ReactionChanged, ResponseServed, new_event_id

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
PROGRAM = """
import json, sys
from streams import live_guard, topics
bootstrap, prefix, port, rules = json.loads(sys.argv[1])
names, rules = topics.Topics.under(prefix), live_guard.Rules(**rules)
live_guard.run(bootstrap, web_port=port, names=names, rules=rules, session_seconds=2.0)
print("ended in order")
"""


class Running:
    """A guard in a process of its own."""

    def __init__(self, bootstrap: str, names: topics.Topics, **rules: int) -> None:
        self.port = brokers.free_port()
        arguments = json.dumps([bootstrap, names.events.removesuffix(".events"), self.port, rules])
        self.process = subprocess.Popen([sys.executable, "-c", PROGRAM, arguments], stdout=subprocess.PIPE, text=True)

    def view(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=2) as answer:
                return dict(json.load(answer))
        except OSError:
            return {"lines": 0}

    def wait_for_lines(self, lines: int) -> dict[str, Any]:
        return wait_for(lambda: view if (view := self.view())["lines"] >= lines else None)


def wait_for(look: Callable[[], Any], seconds: float = 45) -> Any:
    deadline = time.monotonic() + seconds
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert seen, f"did not come within {seconds:g} s"
    return seen


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def begin(*arguments: Any, **rules: int) -> Running:
        running.append(Running(*arguments, **rules))
        return running[-1]

    yield begin
    for guard in running:
        guard.process.kill()
        guard.process.wait()


def traffic(count: int) -> Iterator[Event]:
    """Responses on two arms; arm a is loved in 10 %, arm b in 5 %."""
    for number in range(count):
        moment, user, arm = START + timedelta(seconds=number * 0.5), f"u{number % 100}", "ab"[number % 2]
        common = {"user_id": user, "response_id": f"r{number}", "session_id": "s"}
        yield ResponseServed(
            event_id=new_event_id(moment), served_at=moment, conversation_id="c", turn=0, policy=f"p-{arm}",
            conversation=[Message("user", "hi")], response="hello", experiment="e", arm=arm, **common,
        )  # fmt: skip
        if number % 20 == 0 or number % 40 == 1:
            yield ReactionChanged(
                event_id=new_event_id(moment), reacted_at=moment, reaction="love", action="added", **common
            )


def burst(user: str, first: int, count: int) -> Iterator[Event]:
    for number in range(first, first + count):
        moment = START + timedelta(seconds=number)
        yield ReactionChanged(
            event_id=new_event_id(moment, randomness=number), user_id=user, reacted_at=moment, response_id=f"r{number}",
            reaction="love", action="added", session_id="s",
        )  # fmt: skip


def send(bootstrap: str, topic: str, *streams: Iterator[Event]) -> int:
    with producer.EventProducer(bootstrap, topic=topic) as sender:
        for stream in streams:
            for event in stream:
                sender.send(event)
        sender.send_line(b"\xff broken")
    return sender.events


def values(bootstrap: str, topic: str) -> list[dict[str, Any]]:
    return [json.loads(message.value or b"") for message in consumer.read_to_end(bootstrap, topic)]


def published_totals(bootstrap: str, topic: str) -> dict[str, tuple[int, int]]:
    """Served and loves per arm: of every window the newest row."""
    newest = {(row["partition"], row["arm"], row["window_start"]): row for row in values(bootstrap, topic)}
    totals: dict[str, tuple[int, int]] = {}
    for row in newest.values():
        served, loves = totals.get(row["arm"], (0, 0))
        totals[row["arm"]] = served + row["served"], loves + row["loves"]
    return totals


@pytest.mark.slow
def test_flags_and_love_rates_come_out_within_seconds(
    broker: str, stream: topics.Topics, start: Callable[..., Running]
) -> None:
    topics.create_topics(broker, topics=stream)
    guard = start(broker, stream, per_minute=10)
    sent = send(broker, stream.events, traffic(2000), burst("bot", 0, 15))
    view = guard.wait_for_lines(sent)
    assert {row["arm"]: (row["served"], row["loves"]) for row in view["arms"]} == {"a": (1000, 100), "b": (1000, 50)}
    assert (view["unreadable"], [flag["user_id"] for flag in view["flags"]]) == (1, ["bot"])
    (flag,) = values(broker, stream.flags)
    assert (flag["rule"], flag["user_id"], flag["score"]) == ("reactions_per_minute", "bot", 1.0)
    assert flag["flagged_at"] == "2026-03-01T12:00:09Z"
    wait_for(lambda: published_totals(broker, stream.live_metrics) == {"a": (1000, 100), "b": (1000, 50)}, 10)
    began = time.monotonic()
    guard.process.send_signal(signal.SIGTERM)
    said, _ = guard.process.communicate(timeout=15)
    assert (guard.process.returncode, said.splitlines()[-1]) == (0, "ended in order")
    assert time.monotonic() - began < 8


@pytest.mark.slow
def test_a_guard_that_is_killed_and_started_again_has_lost_nothing(
    tansu: str, stream: topics.Topics, start: Callable[..., Running]
) -> None:
    topics.create_topics(tansu, topics=stream)
    bots = [f"bot-{number}" for number in range(8)]
    first = start(tansu, stream, per_minute=10)
    sent = send(tansu, stream.events, traffic(1000), *(burst(bot, 0, 6) for bot in bots))
    first.wait_for_lines(sent)
    first.process.kill()
    first.process.wait()
    assert values(tansu, stream.flags) == [], "six reactions are below the line"
    sent += send(tansu, stream.events, *(burst(bot, 6, 6) for bot in bots))
    second = start(tansu, stream, per_minute=10)
    second.wait_for_lines(sent)
    assert {flag["user_id"] for flag in values(tansu, stream.flags)} == set(bots)
    wait_for(lambda: published_totals(tansu, stream.live_metrics) == {"a": (500, 50), "b": (500, 25)}, 10)


def test_a_guard_without_a_broker_says_so() -> None:
    with pytest.raises(topics.BrokerUnavailableError, match="no broker answers"):
        live_guard.run(f"127.0.0.1:{brokers.free_port()}", web_port=0, timeout=0.2)


def message(offset: int, seconds: float, value: bytes = b"{}", partition: int = 0) -> SimpleNamespace:
    moment = START.timestamp() + seconds
    return SimpleNamespace(partition=partition, offset=offset, timestamp=moment, value=value)


def test_a_pack_is_acknowledged_when_it_has_left_the_guards_memory() -> None:
    guard = live_guard.Guard(live_guard.Rules(window_seconds=60))
    packs = [message(offset, seconds=50.0 * offset) for offset in range(5)]
    assert [[left.offset for left in guard.hold(pack)] for pack in packs] == [[], [], [], [0], [1]]
    assert all(pack.value is None for pack in packs), "what waits holds no text"


def test_packs_that_wait_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_guard, "HORIZON_PACKS", 3)
    guard = live_guard.Guard(live_guard.Rules())
    left = [guard.hold(message(offset, seconds=0)) for offset in range(6)]
    assert [len(packs) for packs in left] == [0, 0, 0, 1, 1, 1]


def test_a_partition_that_moves_away_takes_its_counts_along() -> None:
    guard = live_guard.Guard(live_guard.Rules())
    for partition in (0, 1):
        guard.observe(message(0, seconds=0, value=b"[]\n{}", partition=partition))
    guard.forget(0)
    assert (guard.view()["partitions"], guard.view()["lines"]) == ([1], 2)


def test_the_live_view_needs_no_faust() -> None:
    program = "import sys, streams.live_guard as g; g.Guard(g.Rules()).view(); print('faust' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "False"
