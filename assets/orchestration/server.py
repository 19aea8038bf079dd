"""The processes behind `loveloop ui`: code server, web server and daemon, started, watched and ended together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import psutil

GRACE = 8.0
"""Seconds that a process has to end after it was asked to."""
PATIENCE = 180.0
"""Seconds within which the page must answer."""
BEAT = 0.1
CODE = "code"
"""The process that serves the definitions, and starts the runs."""
_WORKSPACE = """load_from:
  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: loveloop}}
"""
"""Where the code is served. Dagster knows schedules and sensors by the location's name, so it is always the same."""


class _Process(NamedTuple):
    """One process, the leader of a group of its own, so that whatever it started ends with it."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path


class PartDiedError(ValueError):
    """A process of the UI ended by itself; the text says which, and its last words."""


def check_port(port: int) -> None:
    """Refuse a port that cannot be served on.

    Raises:
        ValueError: It is none, or somebody listens there.
    """
    if not 1 <= port <= 65535:
        raise ValueError(f"--port {port} is no port; give one from 1024 to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise ValueError(f"port {port} needs rights that this user lacks; give one from 1024 on") from None
        except OSError:
            raise ValueError(
                f"port {port} of 127.0.0.1 is taken; end what listens there, or give another --port"
            ) from None


def serve(port: int, environment: Mapping[str, str], logs: Path, *, say: Callable[[str], object]) -> None:
    """Serve the UI until a signal or a process ends it; then everything has ended.

    1. The code server and the web server load side by side; the web server waits for the code.
    2. The daemon follows when the page answers, since it would only slow both: it tells the run's history, and then
       runs schedules, sensors and queued runs.

    Args:
        port: Of the page.
        environment: Of the processes; holds DAGSTER_HOME.
        logs: The folder in which each process writes what it says.
        say: Told what goes on.

    Raises:
        PartDiedError: A process ended by itself.
        TimeoutError: The page does not answer.
    """
    logs.mkdir(parents=True, exist_ok=True)
    code_port, started = _free_port(), time.monotonic()
    here = ["--host", "127.0.0.1", "--port", str(code_port)]
    workspace = logs.parent / "workspace.yaml"
    workspace.write_text(_WORKSPACE.format(port=code_port))
    with ExitStack() as stack:
        stopped = stack.enter_context(_signals())
        parts: list[_Process] = []

        def start(name: str, *words: str) -> None:
            parts.append(stack.enter_context(_running(name, words, environment, logs / f"{name}.log")))

        say(f"starting Dagster; what it says stands in {logs}")
        start(CODE, "-m", "dagster", "api", "grpc", "-m", "assets.definitions", *here)
        start("web", "-m", "assets.orchestration.web", str(port), str(code_port), str(workspace))
        while not stopped and not _answers(port):
            _alive(parts)
            if time.monotonic() - started > PATIENCE:
                raise TimeoutError(f"the page did not answer within {PATIENCE:g} s; see {logs}")
            time.sleep(BEAT)
        if not stopped:
            took = time.monotonic() - started
            say(f"http://127.0.0.1:{port} is ready ({took:.0f} s); the run's history follows   Ctrl-C ends it")
            start("daemon", "-m", "assets.orchestration.daemon", str(workspace))
        while not stopped:
            _alive(parts)
            time.sleep(BEAT)
        say("ending")
        for part in parts:
            _signal_group(part, signal.SIGTERM)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """SIGTERM, SIGINT and SIGHUP end the UI in order: the list holds what came."""
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    before = {each: signal.signal(each, note) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield came
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _running(name: str, words: tuple[str, ...], environment: Mapping[str, str], log: Path) -> Iterator[_Process]:
    """A Python process, and its end."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *words], env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    part = _Process(name, process, log)
    try:
        yield part
    finally:
        _end(part)


def _end(part: _Process) -> None:
    """End a process and whatever it started: asked first, then killed. The group outlives its leader."""
    _signal_group(part, signal.SIGTERM)
    ends = time.monotonic() + GRACE
    while _busy(part) and time.monotonic() < ends:
        time.sleep(BEAT)
    _signal_group(part, signal.SIGKILL)
    part.process.wait()


def _busy(part: _Process) -> bool:
    """Whether a process still puts its things in order; the code server ignores SIGTERM, the runs in it do not."""
    if part.process.poll() is not None:
        return False
    if part.name != CODE:
        return True
    try:
        children = psutil.Process(part.process.pid).children(recursive=True)
        return any("resource_tracker" not in " ".join(child.cmdline()) for child in children)
    except psutil.Error:  # one of them has just ended
        return part.process.poll() is None


def _signal_group(part: _Process, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(part.process.pid, number)


def _alive(parts: list[_Process]) -> None:
    for part in parts:
        code = part.process.poll()
        if code is not None:
            last = "\n".join(part.log.read_text(errors="replace").splitlines()[-15:])
            raise PartDiedError(f"Dagster's {part.name} process ended ({code}); its last words, of {part.log}:\n{last}")


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/server_info", timeout=1) as page:
            return bool(page.status == 200)
    except (URLError, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
