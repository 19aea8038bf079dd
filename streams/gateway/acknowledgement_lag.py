"""How long events wait for the broker's acknowledgement: those of the last moments, and those that wait now."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

_REMEMBERED = 200
"""Acknowledgements that the figures are of."""


class AcknowledgementLag:
    """Measures waits; used by the event loop alone, so that no lock is needed.

    >>> lag = AcknowledgementLag(clock=iter([0.0, 0.25, 1.0, 1.0]).__next__)
    >>> with lag.waiting():
    ...     pass
    >>> lag.told()["median_seconds"], lag.told()["waiting"]
    (0.25, 0)

    Args:
        clock: Seconds of a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: deque[float] = deque(maxlen=_REMEMBERED)
        self._begun: dict[object, float] = {}

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Measure a block that ends when the broker has acknowledged; one that raises was not acknowledged."""
        name, began = object(), self._clock()
        self._begun[name] = began
        try:
            yield
            self._last.append(self._clock() - began)
        finally:
            del self._begun[name]

    def told(self) -> dict[str, Any]:
        """`waiting` now, the `oldest_seconds` among them, and of the last `measured` ones median and slowest."""
        now = self._clock()
        oldest = max((now - began for began in self._begun.values()), default=0.0)
        return {
            "waiting": len(self._begun),
            "oldest_seconds": round(oldest, 4),
            "measured": len(self._last),
            "median_seconds": round(median(self._last), 4) if self._last else None,
            "slowest_seconds": round(max(self._last), 4) if self._last else None,
        }
