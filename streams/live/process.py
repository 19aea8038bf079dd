"""Runs a Faust application in the foreground, and ends it within seconds, whether the broker is there or not."""

import contextlib
import logging
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from streams.live.worker import GuardWorker

SECONDS_TO_STOP = 2.0
"""An end in good order takes one second; after so long the process ends as it is: the log has all that is needed."""
_log = logging.getLogger(__name__)


def run(worker: GuardWorker, scratch: Path) -> None:
    """Run until SIGINT or SIGTERM, then return.

    A broker that is away, or goes away meanwhile, would hold Faust up for a minute (it leaves its group, and sends what
    it has). The process ends at once then, with the exit code 0 (1 after a failure): as after SIGKILL nothing is lost.

    Args:
        worker: Whose application runs.
        scratch: Removed when the process ends so.
    """
    import faust

    class Foreground(faust.Worker):  # type: ignore[misc]
        async def on_start(self) -> None:
            await super().on_start()
            for watch in worker.watches():
                self.add_future(watch)

        def install_signal_handlers(self) -> None:
            for number in (signal.SIGINT, signal.SIGTERM):
                self.loop.add_signal_handler(number, self._ask, number)

        def _ask(self, number: signal.Signals) -> None:
            if worker.guard.pulse.lost is not None:
                _log.warning("%s while the broker is away: ending without leaving the group", number.name)
                _end(worker, scratch)
            _mute()
            if watchdog.is_alive():  # asked twice
                _end(worker, scratch)
            watchdog.start()
            self._schedule_shutdown(number)

    watchdog = threading.Timer(SECONDS_TO_STOP, _end, (worker, scratch))
    watchdog.daemon = True
    _execute(Foreground(worker.app, loglevel="WARNING", quiet=True, redirect_stdouts=False))
    watchdog.cancel()


def _execute(process: Any) -> None:
    process.spinner = None
    try:
        process.execute_from_commandline()
    except SystemExit as ended:  # Faust ends the process; a function returns
        if ended.code not in (0, None):
            raise


def _mute() -> None:
    """Leave out what Faust says of tasks and threads that the end cuts short."""
    for name in ("faust", "mode", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    threading.excepthook = lambda _: None


def _end(worker: GuardWorker, scratch: Path) -> None:
    shutil.rmtree(scratch, ignore_errors=True)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(1 if worker.failure else 0)
