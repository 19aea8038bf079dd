"""What the live guard counts: pure classes in event time and bounded memory, without Kafka or Faust.

All state belongs to one partition, and so to one worker: a user's events meet in one partition.
"""

from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from streams.events import ContractError, ReactionChanged, ResponseServed, decode

RULE_VERSION = 1
"""Raised whenever a rule below changes what it flags."""


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    """Something suspicious, as it is published. Reading the same events again gives the same flag, byte by byte.

    Attributes:
        rule: Which rule was broken.
        rule_version: Raised when the rule changes.
        subject: What the flag is about.
        user_id: Whom it is about.
        score: How many times over the rule's line, 1 or more.
        evidence: What was counted.
        flagged_at: Event time of the reaction that crossed the line.
    """

    rule: str
    user_id: str
    score: float
    evidence: dict[str, Any]
    flagged_at: datetime
    rule_version: int = RULE_VERSION
    subject: str = "user"


class LoveRate(msgspec.Struct, frozen=True, kw_only=True):
    """Loves per response for the responses that one arm served in one window, as it is published.

    The row of a window replaces the earlier ones with the same (partition, experiment, arm, policy, window_start).

    Attributes:
        value: loves / served.
        measured_at: Event time of the newest event of this partition that was counted.
        window_start: The window is [window_start, window_start + window_seconds).
    """

    experiment: str | None
    arm: str | None
    policy: str
    window_start: datetime
    window_seconds: int
    served: int
    loves: int
    value: float
    measured_at: datetime
    partition: int
    metric: str = "love_rate"


class _User:
    __slots__ = ("changes", "over")

    def __init__(self) -> None:
        self.changes: list[tuple[float, str]] = []
        self.over = False


class RateWindow:
    """Counts a user's reaction changes in the window that ends with the present one; copies of an event count once.

    >>> window = RateWindow(seconds=60, keep=10)
    >>> [window.add("ann", float(second), str(second)) for second in (0, 10, 59, 61, 200)]
    [1, 2, 3, 3, 1]
    >>> window.add("ann", 200.0, "200")
    0

    Args:
        seconds: Length of the window.
        keep: Changes remembered per user, the newest in event time.
        users: Users remembered, those with the latest arrivals.
    """

    def __init__(self, *, seconds: float, keep: int, users: int = 100_000) -> None:
        self._seconds, self._keep, self._limit = seconds, keep, users
        self._users: OrderedDict[str, _User] = OrderedDict()

    def add(self, user_id: str, moment: float, event_id: str) -> int:
        """Count a change; returns how many lie in (moment - seconds, moment], or 0 for a copy of one seen before."""
        changes = self._of(user_id).changes
        entry = (moment, event_id)
        place = bisect_right(changes, entry)
        if place and changes[place - 1] == entry:
            return 0
        insort(changes, entry)
        count = place + 1 - bisect_right(changes, (moment - self._seconds, "\U0010ffff"))
        if len(changes) > self._keep:
            del changes[0]
        return count

    def crossed(self, user_id: str, over: bool) -> bool:
        """Remember whether a user is over the line; true at the moment of crossing it."""
        user = self._of(user_id)
        before, user.over = user.over, over
        return over and not before

    def __len__(self) -> int:
        return len(self._users)

    def _of(self, user_id: str) -> _User:
        user = self._users.get(user_id)
        if user is None:
            user = self._users[user_id] = _User()
            if len(self._users) > self._limit:
                self._users.popitem(last=False)
        self._users.move_to_end(user_id)
        return user


class RateRule:
    """Flags a user who changes reactions faster than a person does, once for each time that the line is crossed.

    Args:
        per_minute: The line: as many changes within 60 s of event time.
    """

    NAME = "reactions_per_minute"

    def __init__(self, per_minute: int = 30) -> None:
        if per_minute < 2:
            raise ValueError(f"per_minute == {per_minute}, must be at least 2: one reaction is no rate")
        self._line = per_minute
        self._window = RateWindow(seconds=60.0, keep=4 * per_minute)

    def check(self, event: ReactionChanged) -> Flag | None:
        """The flag that this reaction gives rise to, if any."""
        count = self._window.add(event.user_id, event.reacted_at.timestamp(), event.event_id)
        if not count or not self._window.crossed(event.user_id, count >= self._line):
            return None
        return Flag(
            rule=self.NAME,
            user_id=event.user_id,
            score=count / self._line,
            evidence={"reactions": count, "seconds": 60, "line": self._line, "event_id": event.event_id},
            flagged_at=event.reacted_at.astimezone(UTC),
        )


Arm = tuple[str | None, str | None, str]
"""Experiment, arm, policy."""


class _Response:
    __slots__ = ("key", "loved", "user_id")

    def __init__(self, user_id: str, key: tuple[Arm, int]) -> None:
        self.user_id = user_id
        self.key = key
        self.loved = False


class ArmLoveRate:
    """Love rate per arm in tumbling windows of the time at which the responses were served.

    A love counts for the window of its response, once, and no more when it is taken back. Copies of a response count
    once. Loves by others than the user who was shown the response, or of responses no longer remembered, do not count.

    Args:
        seconds: Length of a window.
        responses: Remembered, the latest arrivals.
        windows: Rows remembered (one per window and arm), the latest made.
    """

    def __init__(self, *, seconds: int = 300, responses: int = 100_000, windows: int = 1_000) -> None:
        self.seconds = seconds
        self._most_responses, self._most_windows = responses, windows
        self._responses: OrderedDict[str, _Response] = OrderedDict()
        self._counts: OrderedDict[tuple[Arm, int], list[int]] = OrderedDict()
        self._changed: set[tuple[Arm, int]] = set()

    def served(self, event: ResponseServed) -> None:
        """Count a response that was served."""
        if event.response_id in self._responses:
            return
        key = (event.experiment, event.arm, event.policy), int(event.served_at.timestamp()) // self.seconds
        self._add(key, 0, 1)
        self._responses[event.response_id] = _Response(event.user_id, key)
        if len(self._responses) > self._most_responses:
            self._responses.popitem(last=False)

    def reacted(self, event: ReactionChanged) -> None:
        """Count a love, or its retraction."""
        response = self._responses.get(event.response_id)
        loved = event.action == "added"
        if event.reaction != "love" or response is None or response.user_id != event.user_id or response.loved == loved:
            return
        response.loved = loved
        if response.key in self._counts:
            self._add(response.key, 1, 1 if loved else -1)

    def rows(self) -> Iterator[tuple[Arm, int, int, int]]:
        """Every remembered row: arm, start of the window (s since 1970 UTC), served, loves."""
        for (arm, number), (served, loves) in self._counts.items():
            yield arm, number * self.seconds, served, loves

    def changed(self) -> list[tuple[Arm, int, int, int]]:
        """The rows that changed since the last call."""
        keys, self._changed = self._changed, set()
        rows = [(key, self._counts[key]) for key in keys if key in self._counts]
        return [(arm, number * self.seconds, served, loves) for (arm, number), (served, loves) in rows]

    def _add(self, key: tuple[Arm, int], column: int, amount: int) -> None:
        self._counts.setdefault(key, [0, 0])[column] += amount
        self._changed.add(key)
        if len(self._counts) > self._most_windows:
            self._counts.popitem(last=False)


class PartitionGuard:
    """The rule and the metric over the lines of one partition.

    Args:
        partition: Its number.
        per_minute: The rate rule's line.
        window_seconds: Of the Love rate.
        whole: The partition is read from its beginning. Otherwise the window that is cut by the start is not published,
            since it was published whole before.
    """

    def __init__(self, partition: int, *, per_minute: int, window_seconds: int, whole: bool) -> None:
        self.partition = partition
        self.lines = self.unreadable = 0
        self._rule = RateRule(per_minute)
        self._love = ArmLoveRate(seconds=window_seconds)
        self._newest = datetime.min.replace(tzinfo=UTC)
        self._publish_from: float | None = 0.0 if whole else None

    def observe(self, line: bytes, received_at: datetime) -> Flag | None:
        """Count a line; what breaks the contract is counted as unreadable (the sink keeps it as a dead letter)."""
        self.lines += 1
        try:
            event = decode(line, received_at=received_at).event
        except ContractError:
            self.unreadable += 1
            return None
        if isinstance(event, ResponseServed):
            self._seen(event.served_at)
            self._love.served(event)
        elif isinstance(event, ReactionChanged):
            self._seen(event.reacted_at)
            self._love.reacted(event)
            return self._rule.check(event)
        return None

    def love_rates(self) -> list[LoveRate]:
        """The rows to publish: those that changed since the last call."""
        start = self._publish_from or 0.0
        return [self._rate(*row) for row in self._love.changed() if row[1] >= start]

    def totals(self) -> dict[Arm, tuple[int, int]]:
        """Served and loves per arm over all windows that are remembered."""
        sums: dict[Arm, tuple[int, int]] = {}
        for arm, _, served, loves in self._love.rows():
            before = sums.get(arm, (0, 0))
            sums[arm] = before[0] + served, before[1] + loves
        return sums

    def _seen(self, moment: datetime) -> None:
        self._newest = max(self._newest, moment)
        if self._publish_from is None:
            self._publish_from = moment.timestamp() + 1e-6  # the window that holds this moment began before it

    def _rate(self, arm: Arm, start: int, served: int, loves: int) -> LoveRate:
        return LoveRate(
            experiment=arm[0], arm=arm[1], policy=arm[2],
            window_start=datetime.fromtimestamp(start, UTC), window_seconds=self._love.seconds,
            served=served, loves=loves, value=loves / served,
            measured_at=self._newest.astimezone(UTC), partition=self.partition,
        )  # fmt: skip
