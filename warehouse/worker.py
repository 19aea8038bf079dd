"""The worker behind `sink.ingest`: poll, collect, commit, in step with the warehouse's positions."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from streams.topics import Topics
from warehouse import log, positions
from warehouse.commit import Committed, commit
from warehouse.decoding import Record, Slot, decode_batch
from warehouse.positions import PositionMovedError

if TYPE_CHECKING:
    from warehouse.connection import Warehouse

_log = logging.getLogger(__name__)


@dataclass
class IngestReport:
    """What one call of `ingest` did.

    Attributes:
        events: Lines read; = responses + reactions + erasures + flags + metrics + duplicates + dead_letters.
        flags: Lines of the live guard, as are `metrics`.
        batches: Transactions.
        dropped_batches: Batches that another worker had stored already.
        seconds: From the first assignment to the end.
    """

    events: int = 0
    responses: int = 0
    reactions: int = 0
    erasures: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    flags: int = 0
    metrics: int = 0
    batches: int = 0
    dropped_batches: int = 0
    seconds: float = 0.0


class Worker:
    """One member of the consumer group, with the records that it has read and not yet stored. See `sink.ingest` for the arguments."""

    def __init__(
        self, store: Warehouse, bootstrap: str, *, group: str, topics: Topics, session_seconds: float,
        batch_rows: int, batch_seconds: float, progress: bool,
    ) -> None:  # fmt: skip
        self.report = IngestReport()
        self._store, self._topics = store, topics
        self._batch_rows, self._batch_seconds, self._progress = batch_rows, batch_seconds, progress
        self._log = log.Log(bootstrap, group, topics, session_seconds)
        self._expected: dict[Slot, int] = {}
        self._pending: list[Record] = []
        self._lines = 0
        self._since = 0.0

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._log.close()

    def run(self, stop: threading.Event, *, until_caught_up: bool) -> None:
        """Work until `stop` is set or, with `until_caught_up`, until the warehouse holds what the log held at the start."""
        from tqdm import tqdm

        ends = self._log.ends
        log.refuse_shrunken(self._positions(), ends)
        total = sum(ends.values()) - sum(self._positions().get(slot, 0) for slot in ends) if until_caught_up else None
        with tqdm(total=total, desc="ingest", unit="message", disable=None if self._progress else True) as bar:
            while not stop.is_set():
                self._collect()
                if self._due(ends if until_caught_up else {}):
                    bar.update(self._flush())
                if until_caught_up and not self._pending and self._reached(ends):
                    return
            bar.update(self._flush())

    def _collect(self) -> None:
        """Read some more. After a change of assignment nothing read so far counts: go to the stored positions first."""
        wanted = max(1, (self._batch_rows - self._lines) * max(1, len(self._pending)) // max(1, self._lines))
        records = self._log.poll(min(wanted, 2_000))
        if self._log.reassigned():
            self._seek()
            return
        for record in records:
            self._take(record)

    def _take(self, record: Record) -> None:
        slot = self._log.slot(record.topic, record.partition)
        if record.offset < self._expected[slot]:
            self._log.check_not_shrunk(slot, self._expected[slot])
            return
        if not self._pending:
            self._since = time.monotonic()
        self._pending.append(record)
        self._lines += record.value.count(b"\n") + 1 if record.value else 0

    def _due(self, ends: dict[Slot, int]) -> bool:
        if not self._pending:
            return False
        if self._lines >= self._batch_rows or time.monotonic() - self._since >= self._batch_seconds:
            return True
        read = {self._log.slot(record.topic, record.partition): record.offset + 1 for record in self._pending}
        return bool(ends) and all((self._expected | read).get(slot, 0) >= end for slot, end in ends.items())

    def _flush(self) -> int:
        """Store what is pending; returns how many messages that was (0 when another worker had stored it)."""
        records, self._pending, self._lines = self._pending, [], 0
        if not records:
            return 0
        batch = decode_batch(records, self._topics)
        slots = [self._log.slot(*key) for key in batch.spans]
        try:
            done = commit(self._store, batch, {slot: self._expected[slot] for slot in slots})
        except PositionMovedError as moved:
            _log.warning("batch dropped: %s", moved)
            self.report.dropped_batches += 1
            self._seek()
            return 0
        self._expected |= {slot: batch.spans[slot.topic, slot.partition].next for slot in slots}
        self._add(done, lines=sum(span.events for span in batch.spans.values()))
        self._log.send_dead_letters(done.dead)
        self._log.hint({slot: self._expected[slot] for slot in slots})
        return len(records)

    def _seek(self) -> None:
        self._pending, self._lines = [], 0
        stored = self._positions()
        self._expected = {slot: stored.get(slot, 0) for slot in self._log.assigned()}
        self._log.seek(self._expected)

    def _reached(self, ends: dict[Slot, int]) -> bool:
        """Whether the warehouse holds everything below the ends, whoever stored it."""
        if all(self._expected.get(slot, 0) >= end for slot, end in ends.items()):
            return True
        open_ = {
            slot: end
            for slot, end in ends.items()
            if self._expected.get(slot, 0) < end and not self._log.passed(slot, end)
        }
        stored = self._positions() if open_ and not open_.keys() <= self._expected.keys() else self._expected
        return all(stored.get(slot, 0) >= end for slot, end in open_.items())

    def _positions(self) -> dict[Slot, int]:
        with self._store.read() as connection:
            return positions.read(connection)

    def _add(self, done: Committed, *, lines: int) -> None:
        report = self.report
        report.batches += 1
        report.events += lines
        report.duplicates += done.duplicates
        report.dead_letters += len(done.dead)
        for name, rows in done.rows.items():
            name = name.removeprefix("live_")
            setattr(report, name, getattr(report, name) + rows)
