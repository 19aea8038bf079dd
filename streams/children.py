"""Child processes that do not outlive us: however this process ends, SIGKILL included, the kernel ends them too.

Linux alone can do that (prctl's PR_SET_PDEATHSIG). The child sets it for itself and then becomes the program: code that
runs between fork and exec could meet a lock that another thread held at the fork, and would wait for ever.
"""

import os
import signal
import sys
import threading
from pathlib import Path

_SET_PARENT_DEATH_SIGNAL = 1


def tied(command: list[str]) -> list[str]:
    """The command, such that its process gets SIGTERM when this process ends; its process id stays the same.

    Off Linux, and in a thread other than the main one, it is the same command: the kernel goes by the life of the
    *thread* that started the child, and others may end before the work does.

    Args:
        command: A program and its arguments.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return command
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(os.getpid()), *command]


def _become(parent: int, command: list[str]) -> None:
    """Ask for the signal, then run the command in this process's place; end at once if the parent is gone already.

    A parent that ignores SIGTERM hands that down, and what ignores it would outlive us: it is heard again from here on.
    """
    import ctypes

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(128 + signal.SIGTERM)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
