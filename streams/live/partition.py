"""What a guard knows of one partition of the events topic: a function of the log.

Memory is cut into generations by the time stamps of messages. Two are kept, the present one and the one before, so that
memory is bounded, forgetting costs nothing, and a guard that reads the log again from where the older one began comes
to know exactly what the one that died knew. A stamp ahead of the clock counts as of now; it is only there, and where a
line of a topic without the broker's stamps lies a day ahead, that the moment of reading matters (`streams.receipt`).
"""

import time
from bisect import bisect_right, insort
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from streams import closing, receipt, wire
from streams.events import ContractError, Event, ReactionChanged, ResponseServed, moment_of
from streams.live.arms import CLOSINGS, LOVES, SERVED, ArmCounts
from streams.live.board import Board
from streams.live.messages import Arm, Flag, ReactionCount, Subject
from streams.live.reading import read
from streams.live.rules import Rules

MOST_REMEMBERED = 250_000
"""Responses and reactions of one generation, some 100 bytes each; at more it ends before its time."""
WINDOW = 60.0
"""Seconds of event time over which reaction changes are counted."""
USER_RULE = "reactions_per_minute"


class UserRate:
    """The newest changes of one user, in event time.

    Attributes:
        moments: Seconds since 1970, in order.
        count: Changes in the minute that ended with the latest arrival.
        over: Whether that reached the line.
    """

    __slots__ = ("count", "moments", "over")

    def __init__(self, over: bool) -> None:
        self.moments: list[float] = []
        self.count = 0
        self.over = over

    def within(self, moment: float) -> int:
        """How many lie in (moment - 60 s, moment]."""
        return bisect_right(self.moments, moment) - bisect_right(self.moments, moment - WINDOW)


class Generation:
    """What messages from `start` on left behind.

    Attributes:
        start: Offset of its first message.
        before: Offset of the message just before it; up to there nothing is needed once it is the older one.
        responses: Arm and window of each response, by the hash of (response_id, user_id).
        loved: Those of them that are loved at present.
        reactions: Hashes of the event ids of reactions.
        users: Their rates.
    """

    __slots__ = ("before", "loved", "number", "reactions", "responses", "start", "users")

    def __init__(self, number: int, start: int, before: int = -1) -> None:
        self.number, self.start, self.before = number, start, before
        self.responses: dict[int, tuple[Arm, int]] = {}
        self.loved: set[int] = set()
        self.reactions: set[int] = set()
        self.users: dict[str, UserRate] = {}

    def __len__(self) -> int:
        return len(self.responses) + len(self.reactions)


class PartitionGuard:
    """Counts the messages of one partition.

    Flags and changes pile up in `flags` and `changes` until they are taken; those of messages up to `spoken` were
    published by the guard before this one and are left out.

    Args:
        partition: Its number.
        rules: Dials.
        board: Counts told so far.
        start: Offset of the first message.
    """

    def __init__(self, partition: int, rules: Rules, board: Board, start: int) -> None:
        self.partition, self.next = partition, start
        self.lines = self.unreadable = 0
        self.flags: list[Flag] = []
        self.changes: dict[tuple[int, Subject, str, int], int] = {}
        self.spoken = board.through(partition)
        self.arms = ArmCounts(partition, board)
        self.newest = datetime.fromtimestamp(0, UTC)
        self._rules = rules
        self._old: Generation | None = None
        self._new = Generation(0, start)
        self._windows: dict[tuple[Arm, int], tuple[Arm, int]] = {}
        self._last = -1

    def observe(self, message: Any) -> None:
        """Count a Kafka message (offset, timestamp in s, timestamp_type, value); its text is let go."""
        now = time.time()
        self._turn(message, now)
        by_broker = message.timestamp_type == receipt.BY_BROKER
        stamp = receipt.received(int(message.timestamp * 1000), by_broker=by_broker, now=int(now * 1000))
        received = datetime.fromtimestamp(stamp / 1000, UTC)
        for line in wire.unpack(message.value):
            self.lines += 1
            try:
                event = read(line, received)
            except ContractError:  # the sink keeps it as a dead letter
                self.unreadable += 1
                continue
            self._count(event, message.offset)
        message.value = None
        self._last, self.next = message.offset, message.offset + 1

    def release(self) -> int:
        """Offset of the last message that no restarted guard needs, -1 when there is none yet."""
        return self._old.before if self._old is not None else -1  # one without any event is false

    def rates(self) -> Iterator[tuple[str, UserRate]]:
        """Users with changes in this generation."""
        yield from self._new.users.items()

    def _turn(self, message: Any, now: float) -> None:
        """Begin another generation when its time has come or this one is full."""
        number = int(receipt.bounded(message.timestamp, now=now) // self._rules.memory_seconds)
        if self._last < 0:
            self._new.number = number
        elif number > self._new.number or len(self._new) >= MOST_REMEMBERED:
            self._old, self._new = self._new, Generation(max(number, self._new.number), message.offset, self._last)
            self._windows.clear()
            self.arms.forget_before(self._old.start)

    def _count(self, event: Event, offset: int) -> None:
        self.newest = max(self.newest, moment_of(event))
        if isinstance(event, ResponseServed):
            self._served(event, offset)
        elif isinstance(event, ReactionChanged):
            self._reacted(event, offset)

    def _served(self, event: ResponseServed, offset: int) -> None:
        name = hash((event.response_id, event.user_id))
        if name in self._new.responses or (self._old and name in self._old.responses):
            return
        place = (event.experiment, event.arm, event.policy), int(event.served_at.timestamp()) // self.arms.seconds
        self._new.responses[name] = self._windows.setdefault(place, place)
        self.arms.add(offset, *place, SERVED, 1)
        said = next((m.content for m in reversed(event.conversation) if m.role == "user"), "")
        if closing.needless_farewell(said, event.response):
            self.arms.add(offset, *place, CLOSINGS, 1)

    def _reacted(self, event: ReactionChanged, offset: int) -> None:
        name = hash(event.event_id)
        if name in self._new.reactions or (self._old and name in self._old.reactions):
            return
        self._new.reactions.add(name)
        if event.reaction == "love" or (event.reaction, event.action) == ("dislike", "added"):  # which takes its place
            loved = (event.reaction, event.action) == ("love", "added")
            self._loved(hash((event.response_id, event.user_id)), loved, offset)
        flag = self._rate(event)
        if offset <= self.spoken:
            return
        if flag:
            self.flags.append(flag)
        minute = int(event.reacted_at.timestamp() // WINDOW)
        for subject, key in (("device", event.device_id), ("network", event.network_id)):
            if key is not None:
                place: tuple[int, Any, str, int] = offset, subject, key, minute
                self.changes[place] = self.changes.get(place, 0) + 1

    def _loved(self, response: int, loved: bool, offset: int) -> None:
        """A love counts for the window of its response, once, and no more when it is taken back."""
        for generation in (self._new, self._old):
            place = generation.responses.get(response) if generation else None
            if generation is None or place is None:
                continue
            if (response in generation.loved) != loved:
                (generation.loved.add if loved else generation.loved.discard)(response)
                self.arms.add(offset, *place, LOVES, 1 if loved else -1)
            return

    def _rate(self, event: ReactionChanged) -> Flag | None:
        """The flag of a user who changes reactions faster than a person does, once each time the line is crossed."""
        moment, line = event.reacted_at.timestamp(), self._rules.user_line
        earlier = self._old.users.get(event.user_id) if self._old else None
        rate = self._new.users.get(event.user_id)
        if rate is None:
            rate = self._new.users[event.user_id] = UserRate(earlier.over if earlier else False)
        insort(rate.moments, moment)
        rate.count = rate.within(moment) + (earlier.within(moment) if earlier else 0)
        if len(rate.moments) > 4 * line:
            del rate.moments[0]
        before, rate.over = rate.over, rate.count >= line
        if before or not rate.over:
            return None
        return Flag(
            rule=USER_RULE, user_id=event.user_id, score=rate.count / line, flagged_at=event.reacted_at.astimezone(UTC),
            evidence={"reactions": rate.count, "seconds": int(WINDOW), "line": line, "event_id": event.event_id},
        )  # fmt: skip


def taken_changes(guard: PartitionGuard) -> list[ReactionCount]:
    """Take the changes that piled up."""
    changes, guard.changes = guard.changes, {}
    return [ReactionCount(*place, count) for place, count in changes.items()]
