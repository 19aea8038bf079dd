"""Import: files of events, or of another table's rows, straight into the ingest transaction.

A file is a topic of its own, named by its content and its mapping, with one partition; every 400 rows are a message.
Its position is stored with its rows, as Kafka's positions are: kill an import at any moment and run it again, it goes
on; run it twice, it does nothing. `warehouse.transfer.undo` takes one back.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from streams.topics import TOPICS
from streams.wire import PACK_LINES
from warehouse import connection
from warehouse.ingest import positions
from warehouse.ingest.commit import Committed, commit
from warehouse.ingest.decoding import Batch, decode_batch
from warehouse.ingest.positions import PositionMovedError
from warehouse.ingest.records import Record, TopicPartition
from warehouse.storage.transaction import WarehouseConflictError, WarehouseError
from warehouse.transfer import files, mappings, past_imports
from warehouse.transfer.foreign import PLAIN, Mapped, user_columns

if TYPE_CHECKING:
    from warehouse.storage.backend import Target, Warehouse

ROWS_AT_ONCE = 50_000
"""Rows of one transaction."""
_Item = TypeVar("_Item")


@dataclass
class ImportReport:
    """What one call of `import_files` did.

    Attributes:
        files: Files of which at least one row was read.
        finished_before: Files that were imported wholly by an earlier call, whatever their name was then.
        events: Rows read; = rows stored + duplicates + dead_letters + erased.
        topics: Under which the files stand in the warehouse.
        told: What was changed on the way, by rule, in events; nothing is changed in silence.
        ambiguous: Of each file, `response_id`s that stand for several responses.
    """

    files: int = 0
    finished_before: int = 0
    events: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    dead_letters: int = 0
    erased: int = 0
    seconds: float = 0.0
    topics: list[str] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    ambiguous: list[past_imports.Ambiguous] = field(default_factory=list)


def import_files(
    target: Target, paths: Sequence[Path], columns: Mapped | None = None, *, progress: bool = True
) -> ImportReport:
    """Store the rows of files, each exactly once.

    1. Check the mapping, and every file's kind, before anything is stored.
    2. For each file: find its slot by the hash of its content and the mapping, and read from the stored position on.
    3. Refuse a file whose first rows all break the contract, or whose reactions are numbers: its mapping is wrong.
    4. Decode 50,000 rows at a time and store them as ingest does (`commit`), the position in the same transaction;
       meanwhile the next ones are decoded.
    5. Look for ids that stand for several responses.

    A moment is checked against the time at which the file's import began (an event lies at most 24 hours ahead of it),
    so that old rows are as good as new ones.

    Args:
        target: The warehouse; made when it is not there.
        paths: .jsonl, .ndjson, .json, .csv, .tsv (each also .gz, .zst) or .parquet.
        columns: How rows of another table become events; the contract's own names if left out.
        progress: Show a progress bar on a terminal.

    Raises:
        WarehouseError: A file or a mapping that cannot be used; what was stored of earlier files stays.
    """
    started, columns = time.monotonic(), columns or PLAIN
    mappings.check(columns)
    for path in paths:
        files.kind_of(path)
    warehouse = connection.open(target)
    warehouse.migrate()
    report, now = ImportReport(), int(time.time() * 1000)
    for path in paths:
        _Import(warehouse, path, columns, report, now).run(progress=progress)
    warehouse.checkpoint()
    report.seconds = time.monotonic() - started
    return report


def slot_of(path: Path, columns: Mapped) -> TopicPartition:
    """The topic that a file is, with this mapping."""
    content = files.digest(path, columns.identity, str(PACK_LINES))
    return TopicPartition(f"file:{path.name}#{content[:12]}", content, 0)


def records_of(slot: TopicPartition, first: int, lines: Iterable[bytes], now: int) -> Iterator[Record]:
    """Lines as messages, of which the first has the offset `first`. A last one with fewer lines ends the file."""
    for number, pack in enumerate(some(lines, PACK_LINES)):
        yield Record(slot.topic, 0, first + number, now, b"\n".join(pack))


def decode(records: Sequence[Record], slot: TopicPartition, columns: Mapped) -> Batch:
    """Messages of a file, as a batch of events; its dead letters know where their rows name the user."""
    batch = decode_batch(records, TOPICS._replace(events=slot.topic))
    users = user_columns(columns)
    batch.dead = [replace(letter, user_columns=users) for letter in batch.dead]
    return batch


class _Import:
    """The import of one file."""

    def __init__(self, warehouse: Warehouse, path: Path, columns: Mapped, report: ImportReport, now: int) -> None:
        self._warehouse = warehouse
        self._path = path
        self._columns = columns
        self._report = report
        self._slot, self._position, begun = self._find()
        # One moment for all files of a call, and for all calls that one file takes: none of its rows was received
        # before another, so that an import that was killed ends as one that was not.
        self._now = now if begun is None else begun
        self._told: Counter[str] = Counter()

    def run(self, *, progress: bool) -> None:
        """Read from the stored position on, and store."""
        from tqdm import tqdm

        if not self._position:
            mappings.refuse_numbers(self._path, self._columns)
        before, read = self._report.events, self._position * PACK_LINES
        total = files.rows_of(self._path)
        bar = tqdm(
            total=total, initial=min(read, total or read), desc=self._path.name, unit="row",
            disable=None if progress else True,
        )  # fmt: skip
        parts = some(self._records(), ROWS_AT_ONCE // PACK_LINES)
        with bar, ThreadPoolExecutor(1, "loveloop-decode") as pool:
            ahead = pool.submit(self._decoded, parts)
            while batch := ahead.result():
                ahead = pool.submit(self._decoded, parts)
                bar.update(self._store(batch))
        self._report.topics.append(self._slot.topic)
        if self._report.events > before:
            self._report.files += 1
            self._report.told += self._told
            with self._warehouse.read() as reader:
                self._report.ambiguous += past_imports.ambiguous(reader, self._slot.topic)
        elif self._position:
            self._report.finished_before += 1

    def _find(self) -> tuple[TopicPartition, int, int | None]:
        """The file's slot, its stored position, and when its import began.

        A file that was imported under another name keeps that name.
        """
        mine = slot_of(self._path, self._columns)
        with self._warehouse.read() as reader:
            stored = {slot.topic_id: (slot, position) for slot, position in positions.read(reader).items()}
            begun = past_imports.begun(reader, mine)
        return *stored.get(mine.topic_id, (mine, 0)), begun

    def _records(self) -> Iterator[Record]:
        """Messages from the stored position on."""
        first = self._position
        lines = files.lines(self._path, self._columns, skip=first * PACK_LINES, told=self._told)
        for record in records_of(self._slot, first, lines, self._now):
            if record.offset == 0:
                rows = (record.value or b"").split(b"\n")
                mappings.refuse_broken(self._path, self._columns, rows, self._now, self._told)
            yield record

    def _decoded(self, parts: Iterator[list[Record]]) -> Batch | None:
        records = next(parts, None)
        return decode(records, self._slot, self._columns) if records else None

    def _store(self, batch: Batch) -> int:
        """Store messages; those that another process has stored meanwhile are left out. Returns the rows read."""
        if not self._position:
            past_imports.note(self._warehouse, self._slot, self._columns, self._now)
        while records := [record for record in batch.records if record.offset >= self._position]:
            if records[0].offset > self._position:
                raise WarehouseError(f"{self._path} was taken back while it was imported: import it again")
            if len(records) < len(batch.records):
                batch = decode(records, self._slot, self._columns)
            try:
                done = commit(self._warehouse, batch, {self._slot: self._position})
            except (PositionMovedError, WarehouseConflictError):
                with self._warehouse.read() as reader:
                    self._position = positions.read(reader).get(self._slot, 0)
                continue
            self._position = records[-1].offset + 1
            self._report.told += batch.told
            return self._count(done, sum(span.events for span in batch.spans.values()))
        return 0

    def _count(self, done: Committed, read: int) -> int:
        report = self._report
        report.events += read
        report.rows.update(done.rows)
        report.duplicates += done.duplicates
        report.dead_letters += len(done.dead)
        report.erased += done.erased
        return read


def some(items: Iterable[_Item], many: int) -> Iterator[list[_Item]]:
    """Items in lists of `many`; the last one may be shorter."""
    iterator = iter(items)
    while found := list(islice(iterator, many)):
        yield found
