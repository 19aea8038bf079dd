"""The guard on brokers that die and come back: it waits quietly, says so, counts on, and ends when it is told to."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streams import brokers, kafka_jars, producer, topics
from streams.events import Message, ReactionChanged, ResponseServed, new_event_id

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECONDS_TO_END = 3.0


class Guarded:
    """`loveloop guard` beside a broker of its own, which may be killed and started again on its port.

    Tansu lets the first worker of a group wait for half its session.
    """

    def __init__(self, kind: str, directory: Path, session_seconds: float) -> None:
        self._kind, self._directory = kind, directory
        self.broker = brokers.start(kind, directory / "broker")
        self.port, self.log = brokers.free_port(), directory / "guard.log"
        command = [str(Path(sys.executable).with_name("loveloop")), "guard", "--bootstrap", self.broker.bootstrap]
        with self.log.open("wb") as log:
            options = ["--web-port", self.port, "--publish-seconds", 0.5, "--session-seconds", session_seconds]
            self.process = subprocess.Popen([*command, *map(str, options)], stdout=log, stderr=log)

    def kill_broker(self) -> None:
        os.kill(self.broker.pid, signal.SIGKILL)
        wait_for(lambda: not self.broker.alive())
        self.broker.stop()

    def restart_broker(self) -> None:
        port = int(self.broker.bootstrap.rpartition(":")[2])
        self.broker = brokers.start(self._kind, self._directory / "broker", port=port)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=3) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, "{}"

    def is_well(self) -> bool:
        return self.get("/health")[0] == 200

    def is_unwell(self) -> bool:
        return self.get("/health")[0] == 503

    def counts(self) -> dict[str, tuple[int, int]]:
        """Served and loves by arm."""
        status, text = self.get("/arms")
        return {row["arm"]: (row["served"], row["loves"]) for row in json.loads(text)} if status == 200 else {}

    def said(self) -> list[str]:
        """What it logged after its first line."""
        return self.log.read_text().splitlines()[1:]

    def end(self, number: signal.Signals) -> float:
        """Seconds that it took to end by a signal."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(60)
        return time.monotonic() - began


def health(guard: Guarded) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(guard.get("/health")[1])
    return told


def wait_for(look: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"did not come within {seconds:g} s"
        time.sleep(0.1)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Guarded]]:
    running: list[Guarded] = []

    def begin(kind: str, session_seconds: float = 2.0) -> Guarded:
        if kind == "kafka":
            try:
                kafka_jars.fetch()
            except kafka_jars.KafkaJarsMissingError as error:
                pytest.skip(str(error))
        running.append(Guarded(kind, tmp_path, session_seconds))
        return running[-1]

    yield begin
    for each in running:
        each.process.kill()
        each.process.wait()
        each.broker.stop()


def send(bootstrap: str, first: int, count: int) -> None:
    """Responses of two arms in turn; every tenth is loved."""
    with producer.EventProducer(bootstrap) as sender:
        for number in range(first, first + count):
            moment, user = NOON + timedelta(seconds=number), f"u{number % 50}"
            sender.send(
                ResponseServed(
                    event_id=new_event_id(moment, number), served_at=moment, user_id=user, response_id=f"r{number}",
                    session_id="s", conversation_id="c", turn=0, policy="p", experiment="e", arm="ab"[number % 2],
                    conversation=[Message("user", "hi")], response="hello",
                )
            )  # fmt: skip
            if number % 10 == 0:
                sender.send(
                    ReactionChanged(
                        event_id=new_event_id(moment, 10**6 + number), reacted_at=moment, user_id=user,
                        response_id=f"r{number}", session_id="s", reaction="love", action="added",
                    )
                )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "kept"), [("kafka", {"a": (200, 40), "b": (200, 0)}), ("tansu", {"a": (100, 20), "b": (100, 0)})]
)
def test_a_lost_broker_is_waited_for_quietly_and_counting_goes_on_when_it_is_back(
    kind: str, kept: dict[str, tuple[int, int]], start: Callable[..., Guarded]
) -> None:
    """Kafka keeps its log; Tansu forgets everything, and what was counted of it must not be mixed with the new log."""
    guard = start(kind)
    wait_for(guard.is_well)
    send(guard.broker.bootstrap, 0, 200)
    wait_for(lambda: guard.counts() == {"a": (100, 20), "b": (100, 0)})
    assert guard.said() == []
    guard.kill_broker()
    wait_for(guard.is_unwell, 15)
    told = json.loads(guard.get("/health")[1])
    assert told["broker"] == "away"
    assert told["reason"].startswith("the broker has not answered for")
    assert "<strong>The broker does not answer.</strong>" in guard.get("/live")[1]
    assert "loveloop_guard_broker_up 0.0" in guard.get("/metrics")[1]
    assert guard.counts() == {"a": (100, 20), "b": (100, 0)}, "the old numbers stay"
    time.sleep(1)
    assert len(guard.said()) == 1, "the client library alone would have written dozens of lines"
    guard.restart_broker()
    wait_for(
        lambda: topics.partition_count(guard.broker.bootstrap)
    )  # where it came back without topics, the guard helps
    topics.create_topics(guard.broker.bootstrap)  # all of them: what is sent to one that is not there fails
    send(guard.broker.bootstrap, 200, 200)
    wait_for(lambda: guard.is_well() and guard.counts() == kept)
    assert "does not answer" in guard.said()[0]
    assert "answers again" in guard.said()[-1]
    assert len(guard.said()) <= 3
    guard.kill_broker()
    wait_for(guard.is_unwell, 15)
    assert guard.end(signal.SIGTERM) < SECONDS_TO_END
    assert guard.process.returncode == 0
    assert "Traceback" not in guard.log.read_text()


@pytest.mark.slow
def test_a_broker_lost_before_it_gave_out_partitions_is_said_and_waited_for(start: Callable[..., Guarded]) -> None:
    """The pages answer seconds before the group does, so the broker dies in between."""
    guard = start("tansu", session_seconds=6.0)
    wait_for(guard.is_unwell)
    guard.kill_broker()
    wait_for(lambda: health(guard).get("broker") == "away")
    told = health(guard)
    assert told["refreshed_at"] is None, "no partition was ever held"
    assert told["broker_away_since"]
    assert re.fullmatch(r"the broker has not answered for \d+ s \(.*Connect call failed.*\)", told["reason"])
    assert "<strong>The broker does not answer.</strong>" in guard.get("/live")[1]
    assert [line for line in guard.said() if "there are no numbers yet" in line] == guard.said()
    assert len(guard.said()) == 1
    guard.restart_broker()
    wait_for(guard.is_well)
    send(guard.broker.bootstrap, 0, 200)
    wait_for(lambda: guard.counts() == {"a": (100, 20), "b": (100, 0)})
    assert "answers again" in guard.said()[-1]
    assert guard.end(signal.SIGINT) < SECONDS_TO_END
    assert guard.process.returncode == 0
    assert "Traceback" not in guard.log.read_text()


@pytest.mark.slow
def test_sigterm_ends_a_guard_that_never_held_a_partition_when_the_broker_died_this_moment(
    start: Callable[..., Guarded],
) -> None:
    guard = start("tansu", session_seconds=6.0)
    wait_for(guard.is_unwell)
    guard.kill_broker()
    assert guard.end(signal.SIGTERM) < SECONDS_TO_END
    assert guard.process.returncode == 0
    assert guard.said() == []


@pytest.mark.slow
@pytest.mark.parametrize("broker_is_there", [True, False])
def test_ctrl_c_ends_the_guard_within_seconds_also_when_the_broker_died_this_moment(
    broker_is_there: bool, start: Callable[..., Guarded]
) -> None:
    guard = start("tansu")
    wait_for(guard.is_well)
    send(guard.broker.bootstrap, 0, 200)
    wait_for(lambda: guard.counts() == {"a": (100, 20), "b": (100, 0)})
    if not broker_is_there:
        guard.kill_broker()
    assert guard.end(signal.SIGINT) < SECONDS_TO_END
    assert guard.process.returncode == 0
    assert guard.said() == []
