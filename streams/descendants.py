"""A child process and all that it started, ended together."""

import signal
import subprocess
from typing import Any

import psutil


def end(process: "subprocess.Popen[Any]", *, grace: float) -> None:
    """End a process with all that it started, and return when they are gone: asked first, then killed, each by its id.

    Args:
        process: One that has ended already is left as it is.
        grace: Seconds that it has to end in order, and those that it started to be gone after they were killed.
    """
    if process.poll() is not None:
        return
    try:
        started = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        started = []
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for each in started:
        if each.is_running():
            each.kill()
    psutil.wait_procs(started, timeout=grace)
