"""The worker behind `sink.ingest`: poll, collect, commit, in step with the warehouse's positions."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from streams.topics import BrokerUnavailableError, Topics
from streams.wire import PACK_LINES
from warehouse.ingest import log, positions
from warehouse.ingest.commit import Committed, commit
from warehouse.ingest.dead_letter_topic import DeadLetterTopic
from warehouse.ingest.decoding import Batch, decode_batch
from warehouse.ingest.positions import PositionMovedError
from warehouse.ingest.records import Record, TopicPartition
from warehouse.storage.transaction import WarehouseConflictError

if TYPE_CHECKING:
    from warehouse.connection import Warehouse

_log = logging.getLogger(__name__)
_TELL_SECONDS = 10.0
_UNDER_WAY = 2
"""Batches that are being decoded or stored, while the next one is read."""
_SILENCE_SECONDS = 60.0
"""A bounded read gives up after so long without an answer of the broker; one that follows the stream never does."""


@dataclass
class IngestReport:
    """What one call of `ingest` did.

    Attributes:
        events: Lines read; = responses + reactions + erasures + flags + metrics + kill_switches + duplicates
            + dead_letters + erased.
        erased: Lines not stored because their user had asked to be erased.
        flags: Lines of the live guard, as are `metrics` and `kill_switches`.
        batches: Transactions.
        dropped_batches: Batches that another worker had stored already.
        seconds: From the first assignment to the end.
        told: What was changed in reading, by rule, in events.
    """

    events: int = 0
    responses: int = 0
    reactions: int = 0
    erasures: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    erased: int = 0
    flags: int = 0
    metrics: int = 0
    kill_switches: int = 0
    batches: int = 0
    dropped_batches: int = 0
    seconds: float = 0.0
    told: Counter[str] = field(default_factory=Counter)


class SinkWorker:
    """One member of the consumer group. See `sink.ingest` for the arguments.

    While one batch is being stored, the next one is decoded and the one after it is read: DuckDB and Arrow leave
    Python's lock alone.
    """

    def __init__(
        self, store: Warehouse, bootstrap: str, *, group: str, topics: Topics,
        session_seconds: float, poll_seconds: float, batch_rows: int, batch_seconds: float,
        until_caught_up: bool, progress: bool, timeout: float,
    ) -> None:  # fmt: skip
        self.report = IngestReport()
        self._store = store
        self._session = store.session()
        self._topics = topics
        self._batch_rows = batch_rows
        self._batch_seconds = batch_seconds
        self._progress = progress
        self._log = log.Log(
            bootstrap, group, topics, session_seconds, poll_seconds, alone=until_caught_up, timeout=timeout
        )
        self._dead_letters = DeadLetterTopic(bootstrap, topics.dead_letters)
        self._bootstrap = bootstrap
        self._until_caught_up = until_caught_up
        self._decoder = ThreadPoolExecutor(1, "loveloop-decode")
        self._pool = ThreadPoolExecutor(1, "loveloop-commit")
        self._storing: deque[Future[tuple[Committed, Batch]]] = deque()
        self._expected: dict[TopicPartition, int] = {}
        self._pending: list[Record] = []
        self._read: dict[TopicPartition, int] = {}
        self._lines = 0
        self._lines_each = PACK_LINES
        self._ends_known = False
        self._since = 0.0
        self._told = time.monotonic(), 0

    def __enter__(self) -> SinkWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        self._session.release()
        self._decoder.shutdown()
        self._log.close()
        self._dead_letters.close()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set or, if so asked, until the warehouse holds what the log held at the start.

        Raises:
            BrokerUnavailableError: It fell silent for a minute; only if asked to end. Otherwise it is waited for.
            CodecMissingError: Messages need a package that is not installed; what was read before them is stored.
        """
        from tqdm import tqdm

        from streams.compression import CodecMissingError

        ends = self._log.ends if self._until_caught_up else {}
        stored = self._positions()
        total = sum(end - stored.get(slot, 0) for slot, end in ends.items()) or None
        off = None if self._progress else True
        with tqdm(total=total, desc="ingest", unit="message", disable=off, leave=False) as self._bar:
            if self._log.reassigned():  # all are ours: no fetch before the seek, it would be for nothing
                self._seek()
            try:
                self._follow(stop, ends)
            except CodecMissingError:
                self._flush()
                self._settle()
                raise

    def _follow(self, stop: threading.Event, ends: dict[TopicPartition, int]) -> None:
        while not stop.is_set():
            self._collect()
            if self._due(ends):
                self._flush()
            self._settle_done()
            self._tell()
            if self._until_caught_up and not self._pending and self._reached(ends) and self._settle():
                return
        self._flush()
        self._settle()

    def _collect(self) -> None:
        """Read some more. After a change of assignment nothing read so far counts: go to the stored positions first."""
        if self._pending:
            self._lines_each = max(1, self._lines // len(self._pending))
        wanted = (self._batch_rows - self._lines) // self._lines_each
        found = self._log.poll(min(max(1, wanted), 2_000))
        if self._log.reassigned():
            self._seek()
            return
        for slot, records in found.items():
            self._take(slot, records)
        self._ends_known = self._log.learn_ends(self._expected)
        if self._log.silence() > _SILENCE_SECONDS and self._until_caught_up:
            raise BrokerUnavailableError(
                f"{self._bootstrap} has not answered for {_SILENCE_SECONDS:g} s; {self.report.events:,} events were "
                "stored; start the broker and run the same again, it goes on there"
            )

    def _take(self, slot: TopicPartition, records: list[Record]) -> None:
        expected = self._expected.get(slot)
        if expected is None:  # assigned a moment ago: we go to its stored position next
            return
        if records[0].offset < expected:
            self._log.check_not_shrunk(slot, expected)
            records = [record for record in records if record.offset >= expected]
        if not records:
            return
        if not self._pending:
            self._since = time.monotonic()
        self._pending += records
        self._read[slot] = records[-1].offset + 1
        self._lines += len(records) + sum(record.value.count(b"\n") for record in records if record.value)

    def _due(self, ends: dict[TopicPartition, int]) -> bool:
        """Whether to store what is pending: enough, waited long enough, or nothing more to wait for."""
        if not self._pending:
            return False
        if self._lines >= self._batch_rows or time.monotonic() - self._since >= self._batch_seconds:
            return True
        return bool(ends) and all((self._expected | self._read).get(slot, 0) >= end for slot, end in ends.items())

    def _flush(self) -> None:
        """Start to decode and then store what is pending; wait only while two batches are under way."""
        records, read = self._pending, self._read
        self._forget()
        if not records:
            return
        expected = {slot: self._expected[slot] for slot in read}
        self._expected |= read
        decoded = self._decoder.submit(decode_batch, records, self._topics)
        self._storing.append(self._pool.submit(self._commit, decoded, expected))
        while len(self._storing) > _UNDER_WAY and self._settle_first():
            pass

    def _forget(self) -> None:
        self._pending = []
        self._read = {}
        self._lines = 0

    def _commit(self, decoded: Future[Batch], expected: dict[TopicPartition, int]) -> tuple[Committed, Batch]:
        batch = decoded.result()
        done = commit(self._session, batch, expected)
        if sum(not each.done() for each in tuple(self._storing)) <= 1:  # none but this one
            self._session.release()
        return done, batch

    def _settle(self) -> bool:
        """Wait for the batches under way; false when another worker had stored one and we went back."""
        return all(self._settle_first() for _ in range(len(self._storing)))

    def _settle_done(self) -> None:
        """Take note of batches that are stored, though nothing waits for them: hints, dead letters, the report."""
        while self._storing and self._storing[0].done() and self._settle_first():
            pass

    def _settle_first(self) -> bool:
        future = self._storing.popleft()
        while not wait([future], timeout=0.5).done:
            self._log.heartbeat()
        try:
            done, batch = future.result()
        except (PositionMovedError, WarehouseConflictError) as moved:
            _log.warning("batch dropped: %s", moved)
            self.report.dropped_batches += 1
            self._seek()
            return False
        self._add(done, batch)
        self._dead_letters.send(done.dead)
        self._log.commit_offsets({self._log.slot(*key): span.next for key, span in batch.spans.items()})
        return True

    def _seek(self) -> None:
        """Forget what is pending and go to the stored positions, once nothing is under way."""
        while self._storing and self._settle():
            pass
        self._forget()
        self._ends_known = False
        stored = self._positions()
        self._expected = {slot: stored.get(slot, 0) for slot in self._log.assigned()}
        self._log.seek(self._expected)

    def _reached(self, ends: dict[TopicPartition, int]) -> bool:
        """Whether the warehouse holds everything below the ends, stored by this worker or another one."""
        if not self._ends_known:
            return False
        missing = {slot for slot, end in ends.items() if self._expected.get(slot, 0) < end}
        missing = {slot for slot in missing if not self._log.passed(slot, ends[slot])}
        if missing - self._expected.keys():  # others work on those
            stored = self._positions()
            missing = {slot for slot in missing if stored.get(slot, 0) < ends[slot]}
        return not missing

    def _positions(self) -> dict[TopicPartition, int]:
        with self._store.read() as connection:
            return positions.read(connection)

    def _tell(self) -> None:
        """One line in the log every ten seconds, where no progress bar shows it."""
        since, before = self._told
        seconds = time.monotonic() - since
        if self._bar.disable and seconds >= _TELL_SECONDS:
            self._told = time.monotonic(), self.report.events
            rate, lag = (self.report.events - before) / seconds, self._log.lag(self._expected)
            _log.info("%s events stored, %.0f a second; %s messages to go", f"{self.report.events:,}", rate, f"{lag:,}")

    def _add(self, done: Committed, batch: Batch) -> None:
        report = self.report
        report.batches += 1
        report.events += sum(span.events for span in batch.spans.values())
        report.duplicates += done.duplicates
        report.told += batch.told
        report.dead_letters += len(done.dead)
        report.erased += done.erased
        for table, rows in done.rows.items():
            name = table.removeprefix("live_")
            setattr(report, name, getattr(report, name) + rows)
        self._bar.update(sum(span.messages for span in batch.spans.values()))
