"""A line before a file that only one process can have: who waits says so, and who has it looks.

A lock that is taken and given back without a pause starves those who try now and then. The sign is an empty file beside
the warehouse, touched at every try; one that was not touched for a second is of a process that died.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FRESH_SECONDS = 1.0
_GIVE_WAY_SECONDS = 0.3


@contextmanager
def wait_in_line(path: Path) -> Iterator[Callable[[], None]]:
    """Within the block, call what it gives after every try that failed; the sign goes with the block."""
    sign = path.with_name(f"{path.name}.waiting-{os.getpid()}-{threading.get_ident()}")
    try:
        yield lambda: _touch(sign)
    finally:
        with suppress(OSError):
            sign.unlink(missing_ok=True)


def anybody_waits(path: Path) -> bool:
    """Whether somebody tried to open the file within the last second and could not."""
    return any(_fresh(sign) for sign in path.parent.glob(f"{path.name}.waiting-*"))


def give_way(path: Path) -> None:
    """Wait until nobody waits any more, .3 s at most."""
    deadline = time.monotonic() + _GIVE_WAY_SECONDS
    while time.monotonic() < deadline and anybody_waits(path):
        time.sleep(0.005)


def _touch(sign: Path) -> None:
    with suppress(OSError):  # a folder that we may only read: we wait without a sign
        sign.touch()


def _fresh(sign: Path) -> bool:
    try:
        age = time.time() - sign.stat().st_mtime
    except OSError:
        return False
    if age > _FRESH_SECONDS * 60:  # nobody will take it away
        with suppress(OSError):
            sign.unlink()
    return age < _FRESH_SECONDS
