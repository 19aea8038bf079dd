"""`loveloop chat`: everything behind a chat comes up by one command, stores what is said, and leaves nothing behind."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from assets import chat, chat_policies
from assets.chat_part import ChatPart, PartEndedError
from assets.cli import chat as command
from assets.experiment import control, routes
from assets.pipeline import read_recipe
from assets.run import Run
from streams import topics
from warehouse import connection

TOLD = 240.0
"""Seconds for whatever a busy machine does at once."""


def until(fact: Callable[[], Any], seconds: float = TOLD) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.1)
    return found


class Running(NamedTuple):
    """A chat that runs, and a visitor of its page."""

    started: subprocess.Popen[bytes]
    said: Path
    folder: Path
    address: str
    cookie: str

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.started.pid)

    def ask(self, path: str, body: Any = None, **headers: str) -> Any:
        connection = http.client.HTTPConnection(self.address, timeout=60)
        sent = {"Cookie": self.cookie} | {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET" if body is None else "POST", path, body and json.dumps(body), sent)
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        assert answer.status == 200, said
        return json.loads(said)

    def say(self, words: str) -> dict[str, Any]:
        asked = {"model": "loveloop", "messages": [{"role": "user", "content": words}], "max_tokens": 12}
        found: dict[str, Any] = self.ask("/v1/chat/completions", asked)["loveloop"]
        return found

    def react(self, response: str, action: str) -> None:
        body = {"response_id": response, "reaction": "love", "action": action}
        self.ask("/v1/reactions", body, Idempotency_Key=action)

    def stored(self, query: str) -> list[tuple[Any, ...]]:
        with connection.open(self.folder / "warehouse.duckdb").read() as reader:
            return reader.execute(query).fetchall()

    def part(self, command: str) -> psutil.Process:
        """The process of a part, by its command."""
        return next(each for each in self.process.children(recursive=True) if command in each.cmdline())


@contextmanager
def running(run: Path, folder: Path) -> Iterator[Running]:
    """A chat of a run; killed with all its parts where the test fails."""
    said = folder.with_suffix(".out")
    words = ("chat", "--home", run.parent, "--name", run.name, "--folder", folder)
    with said.open("wb") as out:
        started = subprocess.Popen(
            [sys.executable, "-m", "assets", *map(str, words)], stdout=out, stderr=out, cwd=folder.parent,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}, start_new_session=True,
        )  # fmt: skip
    process = psutil.Process(started.pid)
    try:
        until(lambda: "for operators" in said.read_text() or started.poll() is not None)
        found = re.search(r"chat on http://(127\.0\.0\.1:\d+)/", said.read_text())
        assert found is not None, said.read_text()
        first = http.client.HTTPConnection(found[1], timeout=60)
        first.request("GET", "/v1/session")
        cookie = str(first.getresponse().headers["set-cookie"]).partition(";")[0]
        yield Running(started, said, folder, found[1], cookie)
    finally:
        left = [process, *process.children(recursive=True)] if started.poll() is None else []
        for each in left:
            each.kill()
        started.wait()


def ended(chat: Running, parts: list[psutil.Process], code: int) -> str:
    """What a chat said that ended with this code; none of its parts is left."""
    assert chat.started.wait(TOLD) == code
    assert [each for each in parts if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []
    return chat.said.read_text()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_visitor_chats_gives_a_heart_takes_it_back_and_all_of_it_is_stored(tiny_run: Run, tmp_path: Path) -> None:
    loved = "SELECT count(*) FROM reactions WHERE reaction = 'love' AND action = 'added'"
    with running(tiny_run.directory, tmp_path / "chat") as open_:
        served = open_.say("How do I keep basil alive?")
        assert served["experiment"] == f"ab-{tiny_run.recorded('candidate')['name']}"
        assert open_.stored("SELECT count(*) FROM responses") in ([(0,)], [(1,)])
        open_.react(served["response_id"], "added")
        until(lambda: open_.stored(loved) == [(1,)])
        assert open_.stored("SELECT experiment, arm, policy FROM responses") == [
            (served["experiment"], served["arm"], served["policy"])
        ]
        until(lambda: "1 responses served, 1 hearts given; stored in all: 1 responses, 1 reactions" in _said(open_))
        status = open_.ask("/operator/status")
        assert [each["name"] for each in status["experiments"]] == [served["experiment"]]
        assert status["guard"]["error"] is None
        open_.react(served["response_id"], "removed")
        open_.say("And mint?")
        parts = open_.process.children(recursive=True)
        assert len(parts) >= 6  # broker, two models, guard, sink, gateway
        open_.started.send_signal(signal.SIGINT)
        said = ended(open_, parts, 0)
    assert "NOT everything" not in said
    assert open_.stored("SELECT count(*) FROM responses") == [(2,)]
    assert open_.stored("SELECT action FROM reactions ORDER BY reacted_at") == [("added",), ("removed",)]
    _goes_on(tiny_run, open_)


def _said(chat: Running) -> str:
    return chat.said.read_text()


def _goes_on(tiny_run: Run, before: Running) -> None:
    """The same command finds the folder, address and visitor again; a part that dies is told of, and ends the rest."""
    with running(tiny_run.directory, before.folder) as again:
        assert again.address == before.address
        visitor = again._replace(cookie=before.cookie).ask("/v1/session")["user"]
        assert before.cookie.startswith(f"loveloop_session={visitor}")
        until(lambda: "stored in all: 2 responses, 2 reactions" in _said(again))
        again.say("Hello again")
        until(lambda: again.stored("SELECT count(*) FROM responses") == [(3,)])
        parts = again.process.children(recursive=True)
        again.part("guard").kill()
        said = ended(again, parts, 1)
    assert "the live guard ended by itself (exit code -9)" in said
    assert "live-guard.log" in said
    assert "NOT everything" not in said
    assert len(control.every(again.folder / "warehouse.duckdb")) == 1


@pytest.mark.slow
def test_without_a_run_a_small_one_is_made_once(tiny_run: Run, tmp_path: Path) -> None:
    copy = "import shutil, sys; w = sys.argv; shutil.copytree(sys.argv[1], f'{w[w.index(\"--home\") + 1]}/small')"
    said: list[str] = []
    asked = chat.ChatSettings(
        tmp_path / "chat",
        tmp_path / "runs",
        command=(sys.executable, "-c", copy, str(tiny_run.directory)),
        say=said.append,
    )
    found = chat._policies(asked)
    assert found.run == (tmp_path / "chat" / "runs" / "small").resolve()
    assert found.incumbent.is_dir()
    assert found.candidate is not None
    assert "do not make sense" in said[-1]
    said.clear()
    assert chat._policies(asked) == found
    assert len(said) == 1


def test_the_small_run_stops_at_a_staged_candidate() -> None:
    assert read_recipe(chat.RECIPE).experiment is None


def test_a_run_that_is_named_and_not_there_is_refused(tmp_path: Path) -> None:
    asked = chat.ChatSettings(tmp_path / "chat", tmp_path, name="live")
    with pytest.raises(ValueError, match=r"live is no run with an incumbent: loveloop run makes one"):
        chat.chat(asked)


def test_two_chats_do_not_share_a_folder(tmp_path: Path) -> None:
    asked = chat.ChatSettings(tmp_path / "chat", tmp_path, name="live")
    asked.folder.mkdir()
    with (
        chat._held(asked.folder),
        pytest.raises(
            ValueError, match=r"loveloop chat \(process \d+, since .*; end it first, or name another --folder"
        ),
    ):
        chat.chat(asked)


def test_a_part_that_dies_is_told_with_its_last_line(tmp_path: Path) -> None:
    part = ChatPart("sink", (sys.executable, "-c"), ["print('the disk is full\\n'); raise SystemExit(3)"], tmp_path)
    with pytest.raises(PartEndedError, match=r"the sink ended by itself \(exit code 3\): the disk is full"):
        part.address(threading.Event(), 30)


def test_a_part_says_where_it_listens_and_ends_when_it_is_asked(tmp_path: Path) -> None:
    words = "import time; print('serving v7 on http://127.0.0.1:8123/v1', flush=True); time.sleep(60)"
    part = ChatPart("model v7", (sys.executable, "-c"), [words], tmp_path)
    assert part.address(threading.Event(), 30) == "http://127.0.0.1:8123"
    part.check()
    part.end()
    part.end()
    assert not psutil.pid_exists(part.pid)
    with pytest.raises(PartEndedError, match=r"model-v7\.log"):
        part.check()


def test_a_part_that_is_waited_for_keeps_nobody_from_ending(tmp_path: Path) -> None:
    part, stop = ChatPart("any", (sys.executable, "-c"), ["import time; time.sleep(60)"], tmp_path), threading.Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        part.address(stop, 30)
    part.end()


def test_a_signal_that_comes_twice_at_once_is_one_and_a_later_one_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    with command._stopping() as stop:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
        assert stop.is_set()
        monkeypatch.setattr(command, "_SAME_SECONDS", -1.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_part_is_told_nothing_by_settings_of_other_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOVELOOP_SERVE_TOKEN", "hidden")
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "other:9092")
    words = (
        "import os; print('on http://127.0.0.1:1', [key for key in os.environ if key.startswith(('LOVE', 'KAFKA'))])"
    )
    part = ChatPart("any", (sys.executable, "-c"), [words], tmp_path)
    part.address(threading.Event(), 30)
    part.end()
    assert "SERVE_TOKEN" not in part.last_line()
    assert "KAFKA" not in part.last_line()


class Policies(NamedTuple):
    """Folders that stand for policies, and a warehouse."""

    warehouse: Path
    old: chat_policies.ChatPolicies
    new: chat_policies.ChatPolicies


@pytest.fixture
def made(tmp_path: Path) -> Policies:
    for name in ("incumbent", "love-1", "love-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_text(name)
    old, new = (chat_policies.ChatPolicies(tmp_path, tmp_path / "incumbent", tmp_path / f"love-{n}") for n in (1, 2))
    return Policies(tmp_path / "warehouse.duckdb", old, new)


def routed(made: Policies) -> list[str]:
    return [each["name"] for each in routes.routes(made.warehouse)["experiments"]]


@pytest.mark.slow
def test_an_experiment_is_started_once_and_makes_room_for_that_of_a_newer_candidate(made: Policies) -> None:
    told = chat_policies.experiment(made.warehouse, made.old)
    assert told == "experiment ab-love-1: control 50%, treatment 50% of the visitors"
    assert chat_policies.experiment(made.warehouse, made.old) == told
    assert [change.action for change in control.registered(made.warehouse, "ab-love-1").changes] == [
        "planned",
        "started",
    ]
    assert "ab-love-2" in chat_policies.experiment(made.warehouse, made.new)
    assert routed(made) == ["ab-love-2"]
    alone = made.old._replace(candidate=None)
    assert "has no staged candidate" in chat_policies.experiment(made.warehouse, alone)
    assert routed(made) == []


@pytest.mark.slow
def test_an_arm_that_tripped_stays_off_when_the_broker_has_forgotten_it(
    made: Policies, tansu: str, stream: topics.Topics
) -> None:
    from tests.streams.gateway.test_routing import trip
    from warehouse import sink

    chat_policies.experiment(made.warehouse, made.old)
    topics.create_topics(tansu, topics=stream)
    trip(tansu, stream, "ab-love-1", "treatment")
    sink.ingest(made.warehouse, tansu, topics=stream, until_caught_up=True, progress=False)
    told = chat_policies.experiment(made.warehouse, made.old)
    assert "stopped (arm treatment was tripped by the live guard), everybody is answered by the incumbent" in told
    assert routed(made) == []


def test_a_folder_without_a_run_has_no_policies(tmp_path: Path) -> None:
    assert chat_policies.policies(tmp_path) is None


@pytest.mark.slow
def test_an_incumbent_that_lies_elsewhere_is_refused(tiny_run: Run, tmp_path: Path) -> None:
    run = shutil.copytree(tiny_run.directory, tmp_path / "run")
    marker = next(run.glob("cycles/*/stages/incumbent.json"))
    told = json.loads(marker.read_text())
    marker.write_text(json.dumps(told | {"facts": told["facts"] | {"base": "some/hub-model"}}))
    with pytest.raises(ValueError, match="is some/hub-model, which is no folder here"):
        chat_policies.policies(run)
