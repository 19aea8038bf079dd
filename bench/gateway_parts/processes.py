"""The product's programs as processes that can be killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from streams import brokers, children

ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 90.0
"""Until a program must be ready, on a machine that others keep busy."""


@dataclass(slots=True)
class Program:
    """A program on this machine; `log` takes what it says.

    Attributes:
        words: Of its command line, after the interpreter.
        log: What it says.
        ready: Whether it does its work; asked until it says so.
        folder: Where it runs.
        kills: How often it was killed.
        process: The one that runs.
    """

    words: list[str]
    log: Path
    ready: Callable[[], bool] = lambda: True
    folder: Path = ROOT
    kills: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it; returns at once."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                children.tied([sys.executable, *self.words]), stdout=out, stderr=out, cwd=self.folder
            )

    def wait(self) -> None:
        """Return when it does its work.

        Raises:
            RuntimeError: It ended, or is not ready in time; with the end of its log.
        """
        assert self.process is not None
        deadline = monotonic() + _SECONDS
        while not self.ready():
            if self.process.poll() is not None or monotonic() > deadline:
                raise RuntimeError(f"{' '.join(self.words)} is not ready: {self.log.read_text()[-2_000:]}")
            sleep(0.1)

    def processor_seconds(self) -> float:
        """Seconds of processors that it has used."""
        import psutil

        assert self.process is not None
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def kill(self) -> None:
        """End it by SIGKILL: no handler runs, nothing is put in order."""
        assert self.process is not None
        self.kills += 1
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """End it in good order."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class KafkaProgram:
    """A broker that can be killed and comes back on its port with its log.

    Args:
        folder: Of its files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._port, self.kills = folder, brokers.free_port(), 0
        self.bootstrap = f"127.0.0.1:{self._port}"
        self._broker: brokers.Broker | None = None

    def start(self) -> None:
        """Start it; returns when it takes requests."""
        self._broker = brokers.start("kafka", self._folder, port=self._port)

    def wait(self) -> None:
        """Nothing is left to wait for."""

    def kill(self) -> None:
        """End it by SIGKILL."""
        assert self._broker is not None
        self.kills += 1
        os.kill(self._broker.pid, signal.SIGKILL)
        self._broker.stop()  # takes its record away

    def end(self) -> None:
        """End it in good order."""
        if self._broker is not None:
            self._broker.stop()


def answers(url: str) -> Callable[[], bool]:
    """Asks an address, and says whether it answers with a success."""

    def ask() -> bool:
        with suppress(OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return True
        return False

    return ask
