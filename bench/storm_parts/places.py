"""Where a storm goes: a PostgreSQL server and a lake of our own, and loveloop's programs as processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streams.brokers import free_port

TRACEBACK = "Traceback (most recent call last)"


@contextmanager
def lake(directory: Path) -> Iterator[str]:
    """The target of a lake without tables, for as long as the block runs. Needs PostgreSQL's programs."""
    import psycopg2

    directory.mkdir(parents=True)
    drop = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    if drop:
        shutil.chown(directory, "postgres", "postgres")
        for parent in directory.parents:
            if parent.stat().st_uid == 0 and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)
    data, port = directory / "data", free_port()
    options: dict[str, Any] = {"cwd": directory, **drop}
    initdb = [_program("initdb"), "-D", str(data), "--username=loveloop", "--auth=trust", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, **options)
    settings = ["fsync=off", "listen_addresses=127.0.0.1", "unix_socket_directories=", f"port={port}"]
    words = [word for each in settings for word in ("-c", each)]
    server = subprocess.Popen([_program("postgres"), "-D", str(data), *words], stderr=subprocess.DEVNULL, **options)
    try:
        _await(port)
        session = psycopg2.connect(f"dbname=postgres host=127.0.0.1 port={port} user=loveloop")
        session.autocommit = True
        session.cursor().execute("CREATE DATABASE storm")
        session.close()
        keywords = f"dbname=storm host=127.0.0.1 port={port} user=loveloop"
        yield f"ducklake:postgres:{keywords};data={directory.parent / 'lake-files'}"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def no_postgres() -> str:
    """Why there can be no lake here; empty where there can."""
    try:
        _program("initdb")
    except StopIteration:
        return "no PostgreSQL: neither initdb on PATH nor /usr/lib/postgresql"
    return ""


def loveloop(*words: str) -> subprocess.CompletedProcess[str]:
    """A command, run to its end."""
    return subprocess.run([sys.executable, "-m", "assets", *words], capture_output=True, text=True, check=False)


def crashed(done: subprocess.CompletedProcess[str]) -> str:
    """The end of what a command said that crashed; empty where it did not."""
    said = done.stdout + done.stderr
    return said[-3_000:] or "no word" if done.returncode or TRACEBACK in said else ""


class LiveGuard:
    """A live guard as a process of its own."""

    def __init__(self, bootstrap: str, log: Path) -> None:
        self.port, self._log = free_port(), log
        with log.open("w") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "assets", "guard", "--bootstrap", bootstrap, "--web-port", str(self.port)],
                stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def wait_for(self, lines: int, seconds: float) -> int:
        """How many lines it has read, once they are so many or the time is over."""
        deadline, seen = time.monotonic() + seconds, dict[str, Any]()
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
                    seen = json.load(answer)
            except OSError:
                seen = {}
            if seen.get("lines", 0) >= lines:
                break
            time.sleep(10)  # its page has an arm for every hard text, and costs a second
        return int(seen.get("lines", 0))

    def end(self) -> str:
        """Stop it; the end of its log where it crashed before, or while it ended."""
        alive = self._process.poll() is None
        self._process.terminate()
        try:
            code = self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        said = self._log.read_text(errors="replace")
        return "" if alive and code == 0 and TRACEBACK not in said else said[-3_000:]


def _program(name: str) -> str:
    places = [shutil.which(name), *sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), reverse=True)]
    return next(place for place in places if place)


def _await(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            time.sleep(0.5)  # it listens a moment before it answers
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
