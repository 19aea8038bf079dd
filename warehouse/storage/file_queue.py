"""A fair queue for a file that one process at a time can open: a waiter leaves a marker, and the holder yields to it.

Without it a process that opens the file again and again starves others that try now and then. The marker is an empty
file beside the warehouse. A waiter touches it at every try; one that was not touched for a second belongs to a process
that died.
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
    """Yield a function to call after each failed try: it touches this waiter's marker, which goes with the block."""
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
    """Wait until no marker is fresh, .3 s at most."""
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
    # A waiter touches its sign at every try, some tenths of a second apart: after a minute nobody tries any more.
    if age > _FRESH_SECONDS * 60:  # its process is gone
        with suppress(OSError):
            sign.unlink()
    return age < _FRESH_SECONDS
