"""How the guard itself does: whether the broker answers, what waits to be counted, how old the numbers are."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Literal

_RATE_SECONDS = 60.0
"""Events a second are an average over so long."""
_SAY_SECONDS = 60.0
"""An absence is said again so often."""

Turn = Literal["lost", "away", "back"]
State = Literal["well", "starting", "away", "stale"]


class BrokerPulse:
    """What the last probes of the broker found, and what follows from it. Times are seconds of `clock`.

    Args:
        stale_seconds: The guard is unhealthy when it has got no further for so long although messages wait.
        clock: Seconds that never go back.

    Attributes:
        since: The start of the guard.
        refreshed: When the numbers were last those of the broker, or on their way there; None before the first time.
        lost: Since when the broker has not answered; None while it does.
        why: What was heard of the broker's absence, empty while it is there.
        held: Whether the group has told this worker which partitions it holds; it may hold none.
        lag: Messages that wait to be counted, by partition of the events topic held by this worker.
    """

    def __init__(self, stale_seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.stale_seconds, self.clock = stale_seconds, clock
        self.since = clock()
        self.refreshed: float | None = None
        self.lost: float | None = None
        self.why = ""
        self.held = False
        self.lag: dict[int, int] = {}
        self._said = self.since
        self._seen: deque[tuple[float, int]] = deque([(self.since, 0)])
        self._waiting = 0

    def answered(self, lag: Mapping[int, int], lines: int) -> Turn | None:
        """Take a probe that the broker answered; returns `back` when it had been away.

        Args:
            lag: As the attribute.
            lines: Lines that this process has read so far.
        """
        now = self.clock()
        moved = lines > self._seen[-1][1] or sum(lag.values()) < self._waiting
        self.lag, self._waiting = dict(lag), sum(lag.values())
        self._seen.append((now, lines))
        while len(self._seen) > 2 and self._seen[1][0] <= now - _RATE_SECONDS:
            self._seen.popleft()
        if self.held and (moved or not self._waiting):
            self.refreshed = now
        was_away, self.lost, self.why = self.lost is not None, None, ""
        return "back" if was_away else None

    def silent(self, why: str) -> Turn | None:
        """Take a probe without an answer; returns `lost` at the first, `away` once a minute, else None."""
        now = self.clock()
        self.why = why
        if self.lost is None:
            self.lost = self._said = now
            return "lost"
        if now - self._said < _SAY_SECONDS:
            return None
        self._said = now
        return "away"

    def age(self) -> float | None:
        """Age of the numbers in seconds, None before the first."""
        return None if self.refreshed is None else self.clock() - self.refreshed

    def events_per_second(self) -> float:
        """Lines read a second, over the last minute that the broker answered; 0 while it does not."""
        (began, before), (ended, lines) = self._seen[0], self._seen[-1]
        return 0.0 if self.lost is not None or ended <= began else (lines - before) / (ended - began)

    def state(self) -> State:
        """`well`, or why the numbers must not be trusted as those of now."""
        age = self.age()
        if self.lost is not None:
            return "away"
        if not self.held or age is None:
            return "starting"
        return "stale" if age > self.stale_seconds else "well"

    def trouble(self) -> str | None:
        """The same in words, None when all is well."""
        match self.state():
            case "away":
                heard = f" ({self.why})" if self.why else ""
                return f"the broker has not answered for {self.clock() - (self.lost or 0):.0f} s{heard}"
            case "starting":
                return "the group has not said yet which partitions this worker holds"
            case "stale":
                return f"nothing was counted for {self.age():.0f} s although {self._waiting:,} messages wait"
            case _:
                return None
