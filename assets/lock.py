"""The lock of a run's directory: whoever works in it holds it, and says who it is."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

LOCK = ".lock"


class RunHeldError(ValueError):
    """Another process works in the run's directory; the text says which one, since when, and what to do."""


@contextmanager
def alone(directory: Path, who: str) -> Iterator[None]:
    """Hold the run in this directory until the block ends. The lock goes with the process, however it ends.

    Args:
        directory: The run's.
        who: What others are told that holds it, such as `loveloop run`.

    Raises:
        RunHeldError: Another process holds it.
    """
    with (directory / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunHeldError(
                f"{_holder(lock)} works in {directory}; wait until it is done, or give this run another --name"
            ) from None
        _write(lock, json.dumps({"who": who, "pid": os.getpid(), "since": datetime.now(UTC).isoformat()}))
        try:
            yield
        finally:
            _write(lock, "")


def holder(directory: Path) -> str | None:
    """Who holds the run in this directory, in words; None for nobody."""
    file = directory / LOCK
    if not file.exists():
        return None
    with file.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder(lock)
    return None


def _holder(lock: TextIO) -> str:
    lock.seek(0)
    try:
        held = json.loads(lock.read())
        since = datetime.fromisoformat(held["since"])
        return f"{held['who']} (process {held['pid']}, since {since:%Y-%m-%d %H:%M:%S} UTC)"
    except (ValueError, KeyError):  # it is being written at this moment
        return "another process"


def _write(lock: TextIO, text: str) -> None:
    lock.seek(0)
    lock.truncate()
    lock.write(text)
    lock.flush()
