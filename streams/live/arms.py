"""Counts per arm and window of one partition: read from the board at the start, published to it when they change."""

from collections.abc import Iterable
from datetime import UTC, datetime

from streams.live.board import BLOCK_WINDOWS, Board, Snapshot
from streams.live.messages import Arm, ArmWindow, pack

SERVED, LOVES, CLOSINGS = range(3)
MOST_ARMS = 2_000
"""Rows of one block: whoever posts made-up arms or policies fills no memory."""


class _Block:
    __slots__ = ("rows", "through", "touched")

    def __init__(self, snapshot: Snapshot) -> None:
        self.rows = {key: list(counts) for key, counts in snapshot.rows.items()}
        self.through = snapshot.through
        self.touched = -1


class ArmCounts:
    """What the arms did in tumbling windows of the time at which their responses were served.

    Args:
        partition: Of the events topic.
        board: Where earlier counts come from and new ones go.
    """

    def __init__(self, partition: int, board: Board) -> None:
        self.partition, self.seconds = partition, board.window_seconds
        self._board = board
        self._blocks: dict[int, _Block] = {}
        self._changed: set[int] = set()

    def add(self, offset: int, arm: Arm, window: int, column: int, amount: int) -> None:
        """Count something that a message says, unless the block's snapshot has counted that message already.

        Args:
            offset: Of the message.
            arm: Whose.
            window: Its number: seconds since 1970 over the length.
            column: `SERVED`, `LOVES` or `CLOSINGS`.
            amount: 1, or -1 for what is taken back.
        """
        number = window // BLOCK_WINDOWS
        if number <= self._board.forgotten:
            return
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = _Block(self._board.told(self.partition, number))
        block.touched = offset
        if offset <= block.through:
            return
        row = block.rows.get((window, arm))
        if row is None:
            if len(block.rows) >= MOST_ARMS:
                return
            row = block.rows[window, arm] = [0, 0, 0]
        row[column] += amount
        self._changed.add(number)

    def publish_again(self, block: int) -> None:
        """Publish a block of ours again, after another worker published it: ours must be the newest."""
        if block in self._blocks and self._blocks[block].touched > self._board.told(self.partition, block).through:
            self._changed.add(block)

    def snapshots(self, through: int, measured_at: datetime) -> list[tuple[bytes, bytes]]:
        """Key and value of a message for each block that changed since the last call; the board takes them too."""
        changed, self._changed = sorted(self._changed), set()
        return [self._tell(number, through, measured_at) for number in changed]

    def forget_before(self, offset: int) -> None:
        """Drop blocks that no message from this offset on has changed; the board keeps their snapshots."""
        for number in [n for n, block in self._blocks.items() if block.touched < offset and n not in self._changed]:
            del self._blocks[number]

    def _tell(self, number: int, through: int, measured_at: datetime) -> tuple[bytes, bytes]:
        rows = {key: (row[0], row[1], row[2]) for key, row in self._blocks[number].rows.items() if row[SERVED]}
        self._board.put(self.partition, number, Snapshot(rows, through), measured_at)
        start = datetime.fromtimestamp(number * BLOCK_WINDOWS * self.seconds, UTC)
        key = f"{self.partition}/{self.seconds}/{start:%Y-%m-%dT%H:%M:%S}"
        return key.encode(), pack(self._lines(rows.items(), through, measured_at))

    def _lines(
        self, rows: Iterable[tuple[tuple[int, Arm], tuple[int, int, int]]], through: int, measured_at: datetime
    ) -> Iterable[ArmWindow]:
        for (window, (experiment, arm, policy)), (served, loves, closings) in rows:
            yield ArmWindow(
                experiment=experiment, arm=arm, policy=policy, served=served, loves=loves, closings=closings,
                window_start=datetime.fromtimestamp(window * self.seconds, UTC), window_seconds=self.seconds,
                value=loves / served, measured_at=measured_at, partition=self.partition, through=through,
                life=self._board.life,
            )  # fmt: skip
