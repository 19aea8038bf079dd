"""What commands need that run for long: a log on stderr, and an end in good order."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_FORMAT = "%(asctime)s %(levelname)s %(message)s"


def log_to_stderr() -> None:
    """Show our log, from INFO on. kafka-python's is left out: while a broker is away it tells ten errors a second."""
    logging.basicConfig(level=logging.INFO, format=_FORMAT)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; a second signal does what it did before."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  (signal's signature)
        logging.getLogger(__name__).info("%s: storing what has been read", signal.Signals(number).name)
        restore()
        stop.set()

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        restore()
