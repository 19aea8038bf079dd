"""The kill switch as a gateway follows it: from whenever the broker is there, and never in the way of a start."""

import logging
import threading

from streams import topics
from streams.kill_switch import KillSwitch

_FIND_SECONDS = 2.0
_PAUSE = 0.5
_log = logging.getLogger(__name__)


class ArmSwitch:
    """Says which arms are off. Until the trips so far have been read, all are: nobody is served what may have tripped.

    Args:
        bootstrap: `HOST:PORT` of the broker; it may come later.
        names: Topics; made when they are not there.
    """

    def __init__(self, bootstrap: str, names: topics.Topics) -> None:
        self._bootstrap, self._names = bootstrap, names
        self._switch: KillSwitch | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loveloop-arm-switch", daemon=True)

    @property
    def ready(self) -> bool:
        """Whether the trips so far have been read."""
        return self._switch is not None

    def is_off(self, experiment: str, arm: str) -> bool:
        """Whether an arm must not be served."""
        return self._switch is None or self._switch.is_off(experiment, arm)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        told = False
        while not self._stop.is_set():
            try:
                topics.create_topics(self._bootstrap, topics=self._names, timeout=_FIND_SECONDS)
                with KillSwitch(self._bootstrap, names=self._names, timeout=_FIND_SECONDS) as switch:
                    self._switch = switch
                    while switch.follows and not self._stop.wait(_PAUSE):
                        pass
            except Exception as error:  # kafka-python's are many; none may end the thread, which tries again
                if not told:
                    _log.warning("no arm is served until the kill switch has been read: %s", error)
                told = True
                self._stop.wait(_PAUSE)
