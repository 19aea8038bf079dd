import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from streams import brokers, consumer, kafka_jars, producer, topics


def runs(pid: int) -> bool:
    try:
        return bool(
            psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        )  # an orphan that ended waits for its new parent
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(pid: int, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while (
        psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_a_broker_answers_on_loopback_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with brokers.start("tansu", tmp_path) as broker:
        topics.wait_for_broker(broker.bootstrap)
        assert broker.bootstrap.startswith("127.0.0.1:")
        assert {connection.laddr.ip for connection in psutil.Process(broker.pid).net_connections()} == {"127.0.0.1"}
        assert json.loads((tmp_path / "broker.json").read_text())["pid"] == broker.pid
    assert not psutil.pid_exists(broker.pid)
    assert not (tmp_path / "broker.json").exists()
    with pytest.raises(topics.BrokerUnavailableError):
        topics.wait_for_broker(broker.bootstrap, timeout=0.2)


def test_stopping_twice_is_allowed(tmp_path: Path) -> None:
    broker = brokers.start("tansu", tmp_path)
    broker.stop()
    broker.stop()
    assert not broker.alive()


@pytest.mark.slow
def test_a_broker_that_does_not_hear_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(brokers.SECONDS_TO_STOP, "tansu", 0.2)
    broker = brokers.start("tansu", tmp_path)
    os.kill(broker.pid, signal.SIGSTOP)  # a stopped process answers to SIGKILL alone
    broker.stop()
    assert not psutil.pid_exists(broker.pid)


def test_a_broker_that_keeps_nothing_does_not_wait_for_its_clients_to_leave(tmp_path: Path) -> None:
    broker = brokers.start("tansu", tmp_path)
    with socket.create_connection(("127.0.0.1", int(broker.bootstrap.split(":")[1]))):
        began = time.monotonic()
        broker.stop()
        assert time.monotonic() - began < 3, "Tansu alone takes five seconds"
    assert not psutil.pid_exists(broker.pid)


def test_two_brokers_live_side_by_side_on_ports_of_their_own(tmp_path: Path) -> None:
    with brokers.start("tansu", tmp_path / "a") as first, brokers.start("tansu", tmp_path / "b") as second:
        topics.create_topics(first.bootstrap)
        assert topics.partition_count(second.bootstrap) == 0


def test_a_directory_in_use_is_refused_and_its_broker_stays(tmp_path: Path) -> None:
    with brokers.start("tansu", tmp_path) as first:
        with pytest.raises(brokers.BrokerFailedError, match="is using"):
            brokers.start("tansu", tmp_path)
        assert first.alive()


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with brokers.start("tansu", tmp_path / "a") as first:
        port = int(first.bootstrap.split(":")[1])
        with pytest.raises(brokers.BrokerFailedError, match=f"port {port} .*--port"):
            brokers.start("tansu", tmp_path / "b", port=port)


@pytest.mark.slow
def test_a_broker_that_dies_at_once_shows_the_end_of_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no storage today >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CALF_TANSU_BIN", str(broken))
    with pytest.raises(brokers.BrokerFailedError, match=r"ended at once(.|\n)*no storage today"):
        brokers.start("tansu", tmp_path / "a")
    assert not (tmp_path / "a" / "broker.json").exists()


def test_an_unknown_kind_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kind == 'rabbit', must be one of tansu, kafka"):
        brokers.start("rabbit", tmp_path)


def test_kafka_without_java_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "java" in brokers.available_kinds()["kafka"]
    with pytest.raises(kafka_jars.KafkaJarsMissingError, match=r"java .* or use the broker kind tansu"):
        brokers.start("kafka", tmp_path)


@pytest.mark.slow
def test_kafka_finds_its_settings_in_a_folder_that_is_named_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache" / "loveloop" / f"kafka-{kafka_jars.VERSION}").mkdir(parents=True)
    (tmp_path / "java").write_text('#!/bin/sh\nfor last; do :; done\ntest -f "$last" && echo settings are there\n')
    (tmp_path / "java").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(brokers.BrokerFailedError, match=r"ended at once(.|\n)*settings are there"):
        brokers.start("kafka", Path("data/broker"))


def test_a_maven_that_fails_leaves_no_half_filled_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("java", "exit 0"), ("mvn", "mkdir libs; echo no route to the registry; exit 1")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(kafka_jars.KafkaJarsMissingError, match="no route to the registry"):
        kafka_jars.fetch()
    assert list((tmp_path / "cache" / "loveloop").iterdir()) == []


def test_the_environment_names_a_broker_that_overrides_ours(
    tansu: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", tansu)
    with brokers.at_hand(tmp_path) as bootstrap:
        assert bootstrap == tansu
    assert list(tmp_path.iterdir()) == []
    topics.wait_for_broker(tansu)


def test_without_the_environment_a_broker_of_ours_lasts_as_long_as_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP", raising=False)
    with brokers.at_hand(tmp_path) as bootstrap:
        pid = json.loads((tmp_path / "broker.json").read_text())["pid"]
        topics.wait_for_broker(bootstrap)
    assert wait_until_gone(pid)


def serve(directory: Path, *, tied: bool = True) -> "subprocess.Popen[str]":
    """A process that serves a broker; one whose broker is not tied to it is what other systems than Linux have."""
    program = "import sys, pathlib, streams.brokers as b; b.serve_forever('tansu', pathlib.Path(sys.argv[1]))"
    if not tied:
        program = f"import streams.children; streams.children.tied = lambda command: command; {program}"
    return subprocess.Popen(
        [sys.executable, "-c", program, str(directory)], stdout=subprocess.PIPE, text=True, bufsize=1
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_served_broker_ends_with_its_server(number: signal.Signals, tmp_path: Path) -> None:
    server = serve(tmp_path)
    assert server.stdout is not None
    said = server.stdout.readline()
    pid = json.loads((tmp_path / "broker.json").read_text())["pid"]
    server.send_signal(number)
    assert (server.wait(10), wait_until_gone(pid)) == (0, True)
    assert f"pid {pid}" in said


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_broker_ends_with_an_owner_that_was_killed(tmp_path: Path) -> None:
    server = serve(tmp_path)
    assert server.stdout is not None
    server.stdout.readline()
    pid = json.loads((tmp_path / "broker.json").read_text())["pid"]
    server.kill()
    server.wait()
    assert wait_until_gone(pid)


@pytest.mark.slow
def test_the_broker_of_an_owner_that_was_killed_is_ended_by_the_next_start(tmp_path: Path) -> None:
    server = serve(tmp_path, tied=False)
    assert server.stdout is not None
    server.stdout.readline()
    orphan = json.loads((tmp_path / "broker.json").read_text())["pid"]
    server.kill()
    server.wait()
    assert psutil.pid_exists(orphan)
    with brokers.start("tansu", tmp_path) as broker:
        assert wait_until_gone(orphan)
        assert broker.alive()


@pytest.mark.slow
def test_kafka_keeps_its_topics_when_it_is_started_again(tmp_path: Path) -> None:
    lacking = kafka_jars.missing()
    if lacking:
        pytest.skip(lacking)
    with brokers.start("kafka", tmp_path) as first:
        topics.create_topics(first.bootstrap)
        with producer.EventProducer(first.bootstrap) as sender:
            sender.send_line(b'{"user_id":"u"}')
    assert not psutil.pid_exists(first.pid)
    with brokers.start("kafka", tmp_path) as second:
        assert topics.create_topics(second.bootstrap) == []
        assert [message.value for message in consumer.read_to_end(second.bootstrap)] == [b'{"user_id":"u"}']
