"""A process that takes part in a chat: one of our own commands with a log of its own, ended by its process id."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from streams import children

SECONDS_TO_START = 180.0
"""A model server loads torch and the weights first, on a machine that may be busy."""
_SECONDS_TO_STOP = 40.0
"""From SIGTERM to SIGKILL: a gateway takes up to 30 s for the responses that are under way."""
_ADDRESS = re.compile(r"on (http://127\.0\.0\.1:\d+)")
_NOT_FOR_PARTS = ("KAFKA_BOOTSTRAP", "LOVELOOP_SERVE_TOKEN", "LOVELOOP_WAREHOUSE", "LOVELOOP_ROUTES", "LOVELOOP_HOME")
"""Settings of other commands of the user's: a part is told everything by its own words."""


def environment() -> dict[str, str]:
    """The environment of a part: ours, without what would make it another part's."""
    return {key: value for key, value in os.environ.items() if key not in _NOT_FOR_PARTS}


class PartEndedError(ValueError):
    """A part has ended by itself; the text has its last line and the way out."""


class ChatPart:
    """A running part. It outlives nobody: on Linux the kernel ends it with its owner.

    Args:
        name: In messages, such as `live guard`; its log is named after it.
        command: How `loveloop` is called.
        words: The command's words.
        folder: Where its log lies; begun anew.
    """

    def __init__(self, name: str, command: Sequence[str], words: Sequence[str | Path], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name.replace(' ', '-')}.log"
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C in the terminal reaches the owner, which ends the parts in their order.
            self._process = subprocess.Popen(
                children.tied([*command, *map(str, words)]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment(),
            )
        self.pid = self._process.pid

    def check(self) -> None:
        """Return while it runs.

        Raises:
            PartEndedError: It has ended.
        """
        code = self._process.poll()
        if code is not None:
            raise PartEndedError(
                f"the {self.name} ended by itself (exit code {code}): {self.last_line()}\nAll of it is in {self.log}; "
                "mend that and run the same command again: what was stored is kept"
            )

    def last_line(self) -> str:
        """The last thing that it said."""
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else "it said nothing"

    def address(self, stop: threading.Event, seconds: float = SECONDS_TO_START) -> str:
        """Where it listens, once it says so: `http://127.0.0.1:PORT`.

        Raises:
            KeyboardInterrupt: `stop` was set before.
            PartEndedError: It ended before.
            TimeoutError: It says nothing for too long.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = _ADDRESS.search(self.log.read_text(errors="replace"))
            if found:
                return found[1]
            self.check()
            if stop.wait(0.05):
                raise KeyboardInterrupt
        raise TimeoutError(f"the {self.name} does not say where it listens after {seconds:g} s; its log is {self.log}")

    def end(self) -> None:
        """End it: SIGTERM, then SIGKILL. Ending it twice is allowed."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
