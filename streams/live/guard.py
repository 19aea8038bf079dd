"""All that one worker of the live guard knows, without Kafka or Faust: partitions, the board, flags and trips."""

import logging
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from streams.live import switch
from streams.live.board import Board
from streams.live.messages import Flag, Trip, pack, unpack
from streams.live.partition import PartitionGuard, taken_changes
from streams.live.pulse import BrokerPulse
from streams.live.rules import Rules
from streams.live.shared import SharedRates, spread

_log = logging.getLogger(__name__)
FLAGS_SHOWN = 200


class Publications(NamedTuple):
    """What is to be published before the messages that led to it may be acknowledged.

    Attributes:
        flags: Key and value of each message.
        changes: Partition and value of each message of the guard-counts topic.
    """

    flags: list[tuple[bytes, bytes]]
    changes: list[tuple[int, bytes]]


class Guard:
    """The state of one worker (see the module).

    Args:
        rules: Dials.
        pulse: How the worker itself does; a new one if None.
        life: Id of the events topic.

    Attributes:
        lines: Lines of events that this process has read, those read again after a rebalance too.
        unreadable: Of them those that break the contract.
        board: What all workers counted.
        partitions: Of the events topic, those that this worker holds.
        shared: The same of the guard-counts topic.
        trips: Every trip that was published, by (experiment, arm, metric).
        recent: The latest flags of all workers.
    """

    def __init__(self, rules: Rules, pulse: BrokerPulse | None = None, life: str = "") -> None:
        self.rules = rules
        self.pulse = pulse or BrokerPulse()
        self.lines = self.unreadable = 0
        self.board = Board(rules.window_seconds, life)
        self.partitions: dict[int, PartitionGuard] = {}
        self.shared: dict[int, SharedRates] = {}
        self.trips: dict[tuple[str, str, str], Trip] = {}
        self.recent: deque[Flag] = deque(maxlen=FLAGS_SHOWN)
        self._released: dict[tuple[bool, int], int] = {}
        self._standings: tuple[int, list[switch.ArmStanding]] = -1, []

    def observe(self, message: Any, end: int | None = None) -> None:
        """Count a message of the events topic (partition, offset, timestamp in s, timestamp_type, value).

        Args:
            message: One that goes back in its partition begins it anew: the partition came back to this worker.
            end: Offset behind the partition's last message, where it is known.
        """
        partition = message.partition
        if self.begins(message):
            self.board.check_not_ahead(partition, end)
            self.partitions[partition] = PartitionGuard(partition, self.rules, self.board, message.offset)
            self._released[True, partition] = message.offset - 1
        counted = self.partitions[partition]
        lines, unreadable = counted.lines, counted.unreadable
        counted.observe(message)
        self.lines += counted.lines - lines
        self.unreadable += counted.unreadable - unreadable

    def add(self, message: Any) -> None:
        """Add up a message of the guard-counts topic."""
        shared = self.shared.get(message.partition)
        if shared is None or message.offset < shared.next:
            shared = self.shared[message.partition] = SharedRates(self.rules, message.offset)
            self._released[False, message.partition] = message.offset - 1
        shared.observe(message)

    def follow(self, kind: type[Any], value: bytes | None) -> None:
        """Take what a worker, this one included, has published: `ArmWindow`, `Flag` or `Trip`, as `kind` says."""
        if kind is Flag:
            known = {flag.identity for flag in self.recent}
            self.recent.extend(flag for flag in unpack(value, Flag) if flag.identity not in known)
        elif kind is Trip:
            for trip in unpack(value, Trip):
                self.trips.setdefault(trip.identity, trip)
        else:
            told = self.board.take(value)
            if told and told[0] in self.partitions:
                self.partitions[told[0]].arms.publish_again(told[1])

    def outbox(self, partitions: int) -> Publications:
        """Take the flags and changes that piled up; the guard-counts topic has so many partitions."""
        found: list[Flag] = []
        changes: list[tuple[int, bytes]] = []
        for number, guard in self.partitions.items():
            found, guard.flags = found + guard.flags, []
            changes += spread(number, taken_changes(guard), partitions).items()
        for shared in self.shared.values():
            found, shared.flags = found + shared.flags, []
        return Publications([(flag_key(flag), pack([flag])) for flag in found], changes)

    def snapshots(self) -> list[tuple[bytes, bytes]]:
        """Key and value of one message for each block of windows that changed."""
        return [
            snapshot
            for guard in self.partitions.values()
            for snapshot in guard.arms.snapshots(guard.next - 1, guard.newest)
        ]

    def begins(self, message: Any) -> bool:
        """Whether a message of the events topic begins a partition: the board must be up to date then."""
        guard = self.partitions.get(message.partition)
        return guard is None or message.offset < guard.next

    def new_trips(self) -> list[Trip]:
        """What trips now and never did; told by the worker that holds partition 0, so by one."""
        if 0 not in self.partitions:
            return []
        return switch.trips(self.standings(), self.board.newest, self.rules.alpha, self.trips)

    def standings(self) -> list[switch.ArmStanding]:
        """How far the evidence against every arm has come; worked out anew when the board has changed."""
        if self._standings[0] != self.board.version:
            self._standings = self.board.version, switch.standings(self.board, self.rules)
        return self._standings[1]

    def releases(self) -> Iterator[tuple[bool, int, range]]:
        """What no restarted guard needs any more: whether of the events topic, partition, offsets; each once.

        To be asked when everything is published and nothing was observed since.
        """
        lasts = {(True, number): guard.release() for number, guard in self.partitions.items()}
        lasts |= {(False, number): shared.release() for number, shared in self.shared.items()}
        for (events, partition), last in lasts.items():
            before = self._released[events, partition]
            if last > before:
                self._released[events, partition] = last
                yield events, partition, range(before + 1, last + 1)

    def start_over(self, life: str) -> None:
        """Drop all that was counted and found: the broker lost its topics, and the new events topic has this id."""
        _log.warning("the topics are not those of before: counting begins anew")
        self.board = Board(self.rules.window_seconds, life)
        self.partitions.clear()
        self.shared.clear()
        self.trips.clear()
        self.recent.clear()
        self._released.clear()
        self._standings = -1, []

    def forget(self, *, events: bool, partition: int) -> None:
        """Drop a partition, of the events topic or of guard-counts, that another worker takes over."""
        if events:
            self.partitions.pop(partition, None)
        else:
            self.shared.pop(partition, None)


def flag_key(flag: Flag) -> bytes:
    """Key of a flag's message: the user, device or network."""
    return (flag.user_id or flag.key or "").encode()
