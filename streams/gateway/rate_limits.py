"""How many requests a client may make: a bucket of tokens for each key, and for each user of a key."""

import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_BUCKETS = 100_000
"""The least recently used go first: whoever makes up users gets no memory of ours."""


class TokenBuckets:
    """Buckets that hold a minute's requests and fill evenly.

    >>> buckets = TokenBuckets(per_minute=2, clock=lambda: 0.0)
    >>> [buckets.take("ada") for _ in range(3)]
    [0.0, 0.0, 30.0]

    Args:
        per_minute: Requests; as many may come at once.
        clock: Seconds that never run backwards.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = max(1.0, per_minute)
        self._a_second = per_minute / 60
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> float:
        """Take a token: 0, or the seconds until there is one."""
        now = self._clock()
        left, at = self._buckets.get(name, (self._most, now))
        left = min(self._most, left + (now - at) * self._a_second)
        wait = 0.0 if left >= 1 else (1 - left) / self._a_second
        self._buckets[name] = (left - 1 if not wait else left, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return wait
