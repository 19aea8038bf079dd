"""The client against a real broker, without one, and at the end of a program."""

import ast
import json
import logging
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from loveloop_client import Client, ContractError
from loveloop_client.spool import Spool

from streams import brokers, consumer, topics, wire

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "clients" / "python"
SHARED = ("drafts", "events", "faults", "outgoing", "topics", "upcasters", "wire")
SERVED: dict[str, Any] = {
    "user_id": "u", "response_id": "r", "conversation_id": "c", "session_id": "s", "turn": 0, "policy": "p",
    "conversation": [{"role": "user", "content": "hi"}], "response": "hello",
}  # fmt: skip
REACTED: dict[str, Any] = {"user_id": "u", "response_id": "r", "session_id": "s", "reaction": "\u2764\ufe0f"}
NOWHERE = "127.0.0.1:1"


@pytest.fixture
def topic(tansu: str, stream: topics.Topics) -> str:
    topics.create_topics(tansu, topics=stream)
    return stream.events


def stored(bootstrap: str, topic: str) -> list[dict[str, Any]]:
    return [json.loads(line) for each in consumer.read_to_end(bootstrap, topic) for line in wire.unpack(each.value)]


def run(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", code, *arguments]
    environment = os.environ | {"PYTHONPATH": str(CLIENT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=True)


def test_the_three_events_arrive_as_the_contract_writes_them(tansu: str, topic: str) -> None:
    with Client(tansu, topic) as client:
        ids = {
            client.response(**SERVED | {"conversation": [{"role": "developer", "content": "x"}]}, shown_in="app"),
            client.reaction(**REACTED),
            client.erase("u"),
        }
        assert client.flush(20)
        assert client.stats == (3, 3, 0, 0, 0, 0)
    served, reacted, erased = sorted(stored(tansu, topic), key=lambda event: event["type"], reverse=True)
    assert {event["event_id"] for event in (served, reacted, erased)} == ids
    assert (served["conversation"][0]["role"], served["shown_in"]) == ("system", "app")
    assert (reacted["reaction"], reacted["action"], erased["user_id"]) == ("love", "added", "u")


def test_a_user_s_events_keep_their_order_and_their_partition(tansu: str, topic: str) -> None:
    with Client(tansu, topic) as client:
        ids = [client.reaction(**REACTED | {"user_id": f"u{number % 7}"}) for number in range(2_000)]
    events = stored(tansu, topic)
    assert len(events) == len(ids)
    for user in range(7):
        assert [event["event_id"] for event in events if event["user_id"] == f"u{user}"] == ids[user::7]


def test_moments_and_ids_may_be_the_product_s_own(tansu: str, topic: str) -> None:
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    with Client(tansu, topic) as client:
        first, second = (client.reaction(**REACTED, reacted_at=moment) for _ in "12")
    assert first == second, "the same event told twice is a copy"
    assert {event["reacted_at"] for event in stored(tansu, topic)} == {"2026-03-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("changes", "field", "cure"),
    [
        ({"event_id": "45f891bf-8ffb-48b3-bb31-bc00a45a0908"}, "event_id", "new_event_id"),
        ({"user_id": ""}, "user_id", "leave none empty"),
        ({"served_at": datetime(2026, 3, 1)}, "served_at", "datetime.now(UTC)"),
        ({"turn": -1}, "turn", "from 0"),
        ({"conversation": []}, "conversation", "last message"),
        ({"response": None}, "response", "the user was shown"),
        ({"experiment": "tone"}, "experiment", "both or neither"),
    ],
)
def test_a_bad_event_is_an_error_that_names_the_field_and_the_cure(
    changes: dict[str, Any], field: str, cure: str
) -> None:
    client = Client(NOWHERE)
    with pytest.raises(ContractError) as caught:
        client.response(**SERVED | changes)
    assert [fault.field for fault in caught.value.faults] == [field]
    assert cure in str(caught.value)
    assert client.stats.refused == 1
    client.close()


def test_a_client_that_is_not_strict_logs_a_bad_event_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(NOWHERE, strict=False)
    assert client.response(**SERVED | {"turn": -1, "user_id": ""}) is None
    assert "turn == -1" in caplog.text
    assert "user_id == " in caplog.text
    assert (client.stats.sent, client.stats.refused) == (0, 1)
    client.close()


@pytest.mark.slow
def test_no_call_waits_for_a_broker_that_is_not_there_and_what_is_lost_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    started = time.monotonic()
    client = Client(NOWHERE, buffer_bytes=20_000, timeout=1)
    slowest = 0.0
    for _ in range(300):
        before = time.monotonic()
        client.reaction(**REACTED)
        slowest = max(slowest, time.monotonic() - before)
    assert slowest < 0.5, "usually a tenth of a millisecond; far from any timeout of a broker"
    assert time.monotonic() - started < 5
    assert 0 < client.stats.dropped < 300
    assert client.stats.dropped + client.stats.waiting == 300
    client.close()
    assert client.stats == (300, 0, 0, 0, 300, 0)
    told = [each for each in caplog.records if each.name == "loveloop_client"]
    assert 1 <= len(told) <= 3
    assert "dropped" in caplog.text


@pytest.mark.slow
def test_events_wait_for_a_broker_that_comes_later(tmp_path: Path) -> None:
    port = brokers.free_port()
    client = Client(f"127.0.0.1:{port}", timeout=2)
    client.reaction(**REACTED)
    with brokers.start("tansu", tmp_path, port=port) as broker:
        topics.create_topics(broker.bootstrap)
        assert client.flush(40)
        client.reaction(**REACTED)
        client.close()
        assert client.stats == (2, 2, 0, 0, 0, 0)
        assert len(stored(broker.bootstrap, topics.EVENTS)) == 2


@pytest.mark.slow
def test_what_the_broker_did_not_take_is_spooled_and_sent_by_the_next_process(tmp_path: Path) -> None:
    spool, port = tmp_path / "events.spool", brokers.free_port()
    with Client(f"127.0.0.1:{port}", spool=spool, timeout=1) as client:
        ids = {client.reaction(**REACTED) for _ in range(20)}
    assert client.stats == (20, 0, 0, 20, 0, 0)
    with spool.open("ab") as file:
        file.write(b'{"half": ')  # as a killed process leaves it
    with brokers.start("tansu", tmp_path / "broker", port=port) as broker:
        topics.create_topics(broker.bootstrap)
        with Client(broker.bootstrap, spool=spool) as later:
            assert later.flush(30)
        lines = [line for each in consumer.read_to_end(broker.bootstrap) for line in wire.unpack(each.value)]
    assert not spool.exists()
    assert {json.loads(line)["event_id"] for line in lines if line.endswith(b"}")} == ids


def test_a_line_left_half_written_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "spool"
    Spool(path).add([b"one", b"tw"])
    path.write_bytes(path.read_bytes()[:-1])
    again = Spool(path)
    again.add([b"three"])
    assert (list(again.parts(5)), again.lines) == ([[b"one", b"tw"], [b"three"]], 3)
    again.clear()
    assert (again.lines, path.exists()) == (0, False)


def test_a_topic_that_is_not_there_is_told_with_the_command(
    tansu: str, stream: topics.Topics, caplog: pytest.LogCaptureFixture
) -> None:
    with Client(tansu, stream.events, timeout=2) as client:
        client.reaction(**REACTED)
    assert "loveloop topics create" in caplog.text
    assert client.stats.dropped == 1


def test_threads_share_a_client(tansu: str, topic: str) -> None:
    with Client(tansu, topic) as client:
        threads = [threading.Thread(target=lambda: [client.reaction(**REACTED) for _ in range(100)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert client.stats.acknowledged == len({event["event_id"] for event in stored(tansu, topic)}) == 800


EXIT = """
import sys
from loveloop_client import Client
client = Client(sys.argv[1], sys.argv[2], timeout=float(sys.argv[3]))
for number in range(50):
    client.reaction(user_id=f"u{number}", response_id="r", session_id="s", reaction="love")
"""
FORK = """
import os, sys
from loveloop_client import Client
client = Client(sys.argv[1], sys.argv[2])
client.reaction(user_id="parent", response_id="r", session_id="s", reaction="love")
assert client.flush(20)
child = os.fork()
client.reaction(user_id="child" if child == 0 else "parent", response_id="r", session_id="s", reaction="love")
client.close()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.slow
def test_a_program_that_just_ends_has_sent_all(tansu: str, topic: str) -> None:
    assert run(EXIT, tansu, topic, "10").stderr == ""
    assert len(stored(tansu, topic)) == 50


@pytest.mark.slow
def test_a_program_that_ends_without_a_broker_says_what_it_lost_and_ends_soon() -> None:
    started = time.monotonic()
    assert "50 events were dropped" in run(EXIT, NOWHERE, "loveloop.events", "1").stderr
    assert time.monotonic() - started < 10


@pytest.mark.slow
def test_a_forked_process_sends_its_own_events_once(tansu: str, topic: str) -> None:
    run(FORK, tansu, topic)
    assert sorted(event["user_id"] for event in stored(tansu, topic)) == ["child", "parent", "parent"]


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name.split(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module).split(".")[0]


def test_the_client_imports_msgspec_kafka_and_the_standard_library_alone() -> None:
    found = {name for path in (CLIENT / "loveloop_client").glob("*.py") for name in imports_of(path)}
    assert found - set(sys.stdlib_module_names) == {"msgspec", "kafka"}


def test_importing_the_client_loads_nothing_else() -> None:
    shown = run("import sys; from loveloop_client import Client; print(*{n.split('.')[0] for n in sys.modules})")
    loaded = set(shown.stdout.split()) - set(sys.stdlib_module_names) - {"typing_extensions"}  # msgspec's, if there
    assert {name for name in loaded if not name.startswith("_")} == {"loveloop_client", "msgspec"}


def test_the_contract_is_one_file_for_the_client_and_for_loveloop() -> None:
    for name in SHARED:
        assert (CLIENT / "loveloop_client" / f"{name}.py").resolve() == ROOT / "streams" / f"{name}.py"


@pytest.mark.slow
def test_a_wheel_of_the_client_holds_the_contract_itself(tmp_path: Path) -> None:
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=CLIENT, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        for name in SHARED:
            assert wheel.read(f"loveloop_client/{name}.py") == (ROOT / "streams" / f"{name}.py").read_bytes()
        assert {name.split("/")[0].split("-")[0] for name in wheel.namelist()} == {"loveloop_client"}


def test_the_logger_of_kafka_python_is_left_alone_when_the_product_has_set_it() -> None:
    kafka = logging.getLogger("kafka")
    before = kafka.level
    try:
        for level, then in ((logging.NOTSET, logging.CRITICAL), (logging.INFO, logging.INFO)):
            kafka.setLevel(level)
            Client(NOWHERE).close()
            assert kafka.level == then
    finally:
        kafka.setLevel(before)
