"""Runs a server and ends all of its processes when whoever started it is gone, however that ended.

The signal that the kernel sends at a parent's death is not enough for vLLM: SIGTERM while it starts its engine can
leave both waiting for each other for ever. So a small process stands between: its standard input is a pipe from the
owner, which the kernel closes at the owner's death. It is the leader of the server's process group.
"""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

from streams import children

SECONDS_TO_END = 15.0


def keep(command: list[str]) -> None:
    """Run a command until it ends, or until standard input closes; then end its whole process group, ourselves too.

    1. The server's process is tied to us, in case that we are killed.
    2. When standard input closes, the group gets SIGTERM.
    3. When the server has ended, or 15 s later, the group gets SIGKILL.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # ours is to stay until the others are gone
    server = subprocess.Popen(children.tied(command), stdin=subprocess.DEVNULL)
    gone = threading.Event()
    threading.Thread(target=_wait_for_owner, args=(gone,), daemon=True).start()
    while server.poll() is None and not gone.wait(0.1):
        pass
    if server.poll() is None:
        os.killpg(0, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            server.wait(SECONDS_TO_END)
    print(f"--- the server ended with code {server.poll()}", flush=True)
    os.killpg(0, signal.SIGKILL)


def _wait_for_owner(gone: threading.Event) -> None:
    sys.stdin.buffer.read()
    gone.set()


if __name__ == "__main__":
    keep(sys.argv[1:])
