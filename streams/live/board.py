"""The newest snapshot of every window of every partition: what all guards together have counted.

Each worker follows the whole live-metrics topic. It is the guard's durable memory of counts: a worker that takes over a
partition takes up its snapshots and counts on from the offset that they name.
"""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from streams.live.messages import Arm, ArmWindow, unpack

_log = logging.getLogger(__name__)
BLOCK_WINDOWS = 12
"""Windows of one message: an hour of windows of five minutes."""
MOST_ROWS = 200_000
"""Rows kept, some 60 MB; the oldest blocks are forgotten first."""

Counts = tuple[int, int, int]
"""Served, loves, closings."""
Rows = dict[tuple[int, Arm], Counts]
"""Counts by number of the window (its start over its length) and arm."""


class Snapshot(NamedTuple):
    """One block of one partition: its rows, and the offset up to which messages were counted."""

    rows: Rows
    through: int


NOTHING = Snapshot({}, -1)


class Board:
    """Newest snapshots, by partition and number of the block (see the module).

    Args:
        window_seconds: Snapshots with windows of another length are left out: whoever changes the length begins anew.
        life: Id of the events topic; snapshots of another one count offsets that mean nothing here, and are left out.

    Attributes:
        newest: Event time of the newest event that anybody counted.
        forgotten: Blocks up to this number had to make room; they are not counted any more.
        version: Grows with every change.
    """

    def __init__(self, window_seconds: int, life: str = "") -> None:
        self.window_seconds, self.life = window_seconds, life
        self.newest = datetime.fromtimestamp(0, UTC)
        self.forgotten = -1
        self.version = 0
        self._told: dict[tuple[int, int], Snapshot] = {}
        self._rows = 0

    def take(self, value: bytes | None) -> tuple[int, int] | None:
        """Read a message of the live-metrics topic; returns its partition and block.

        A snapshot with a lower offset comes from a worker that lost the partition. It is accepted all the same, since
        every worker sees it; the partition's owner then publishes its own again.
        """
        windows = [row for row in unpack(value, ArmWindow) if row.window_seconds == self.window_seconds]
        if not windows or windows[0].through < 0:
            return None
        first = windows[0]
        if first.life != self.life and first.life and self.life:
            return None
        block = first.partition, self._number(first) // BLOCK_WINDOWS
        rows = {(self._number(w), (w.experiment, w.arm, w.policy)): (w.served, w.loves, w.closings) for w in windows}
        self.put(*block, Snapshot(rows, first.through), first.measured_at)
        return block

    def put(self, partition: int, block: int, snapshot: Snapshot, measured_at: datetime) -> None:
        """Take a snapshot that is known already, as its writer does."""
        self.newest = max(self.newest, measured_at)
        self.version += 1
        if block <= self.forgotten:
            return
        before = self._told.pop((partition, block), NOTHING)
        self._told[partition, block] = snapshot
        self._rows += len(snapshot.rows) - len(before.rows)
        if self._rows > MOST_ROWS:
            self._forget_oldest()

    def told(self, partition: int, block: int) -> Snapshot:
        """The newest snapshot of a block; an empty one through offset -1 where none was published."""
        return self._told.get((partition, block), NOTHING)

    def through(self, partition: int) -> int:
        """The highest offset that any snapshot of a partition names, -1 for none."""
        return max((snapshot.through for (p, _), snapshot in self._told.items() if p == partition), default=-1)

    def check_not_ahead(self, partition: int, end: int | None) -> None:
        """Forget the snapshots of a partition that name offsets behind its end: its topic was deleted and made anew."""
        if end is not None and self.through(partition) >= end:
            _log.warning("partition %d ends at %d, less than was counted of it: counting it anew", partition, end)
            self.version += 1
            for key in [key for key in self._told if key[0] == partition]:
                self._rows -= len(self._told.pop(key).rows)

    def rows(self) -> Iterator[tuple[int, Arm, Counts]]:
        """Number of the window, arm and counts of every row; a window has one row from each partition."""
        for snapshot in self._told.values():
            for (window, arm), counts in snapshot.rows.items():
                yield window, arm, counts

    def totals(self) -> dict[Arm, Counts]:
        """Counts per arm over everything that is remembered."""
        sums: dict[Arm, Counts] = {}
        for _, arm, (served, loves, closings) in self.rows():
            before = sums.get(arm, (0, 0, 0))
            sums[arm] = before[0] + served, before[1] + loves, before[2] + closings
        return sums

    def first_windows(self) -> dict[Arm, int]:
        """Number of the first window of every arm that is remembered."""
        found: dict[Arm, int] = {}
        for window, arm, _ in self.rows():
            found[arm] = min(window, found.get(arm, window))
        return found

    def _number(self, row: ArmWindow) -> int:
        return int(row.window_start.timestamp()) // self.window_seconds

    def _forget_oldest(self) -> None:
        for key in sorted(self._told, key=lambda key: key[1])[: len(self._told) // 10 + 1]:
            self._rows -= len(self._told.pop(key).rows)
            self.forgotten = key[1]
