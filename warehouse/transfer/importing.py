"""Import: files of events, or of another table's rows, straight into the ingest transaction.

A file is a topic of its own, named by its content and its mapping, with one partition; every 400 rows are a message.
Its position is stored with its rows, as Kafka's positions are: kill an import at any moment and run it again, it goes
on; run it twice, it does nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from streams import events
from streams.events import ContractError
from streams.topics import TOPICS
from streams.wire import PACK_LINES
from warehouse import connection
from warehouse.ingest import positions
from warehouse.ingest.commit import Committed, commit
from warehouse.ingest.decoding import Batch, decode_batch
from warehouse.ingest.positions import PositionMovedError
from warehouse.ingest.records import Record, Slot
from warehouse.storage.transaction import WarehouseConflictError, WarehouseError
from warehouse.transfer import files
from warehouse.transfer.foreign import FIELDS, KINDS, Columns

if TYPE_CHECKING:
    from warehouse.storage.backend import Target, Warehouse

ROWS_AT_ONCE = 50_000
"""Rows of one transaction."""
_LOOKED_AT = 10_000
_Item = TypeVar("_Item")


@dataclass
class ImportReport:
    """What one call of `import_files` did.

    Attributes:
        files: Files of which at least one row was read.
        finished_before: Files that were imported wholly by an earlier call, whatever their name was then.
        events: Rows read; = rows stored + duplicates + dead_letters + erased.
        topics: Under which the files stand in the warehouse.
    """

    files: int = 0
    finished_before: int = 0
    events: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    dead_letters: int = 0
    erased: int = 0
    topics: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Preview:
    """What an import would make of a file's first rows.

    Attributes:
        lines: The first few, as lines of the wire.
        judged: Rows looked at.
        reasons: How many of them break the contract, by reason.
        examples: One detail for each reason, with the number of its row, from 1.
        left_out: Columns that no event takes anything from.
    """

    lines: list[bytes]
    judged: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def import_files(
    target: Target, paths: Sequence[Path], columns: Columns | None = None, *, progress: bool = True
) -> ImportReport:
    """Store the rows of files, each exactly once.

    1. Check the mapping, and every file's kind, before anything is stored.
    2. For each file: find its slot by the hash of its content and the mapping, and read from the stored position on.
    3. Refuse a file whose first rows all break the contract: its mapping is wrong.
    4. Decode 50,000 rows at a time and store them as ingest does (`commit`), the position in the same transaction;
       meanwhile the next ones are decoded.

    A moment is checked against the time of this call (an event lies at most 24 hours ahead of it), so that old rows are
    as good as new ones. Only a row from the future is judged otherwise by a later call.

    Args:
        target: The warehouse; made when it is not there.
        paths: .jsonl, .ndjson, .json (each also .gz, .zst) or .parquet.
        columns: How rows of another table become events; the contract's own names if left out.
        progress: Show a progress bar on a terminal.

    Raises:
        WarehouseError: A file or a mapping that cannot be used; what was stored of earlier files stays.
    """
    started, columns = time.monotonic(), columns or Columns()
    check(columns)
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


def preview(path: Path, columns: Columns | None = None, *, shown: int = 5) -> Preview:
    """What an import would make of the first 10,000 rows; nothing is stored. Raises as `import_files`."""
    columns = columns or Columns()
    check(columns)
    now = datetime.now(UTC)
    found = Preview([], left_out=columns.left_out(files.columns_of(path)))
    for number, line in enumerate(islice(files.lines(path, columns), _LOOKED_AT), 1):
        found.judged += 1
        if number <= shown:
            found.lines.append(line)
        try:
            events.decode(line, received_at=now)
        except ContractError as error:
            found.reasons[error.reason] += 1
            found.examples.setdefault(error.reason, f"row {number:,}: {error.detail}")
    return found


def check(columns: Columns) -> None:
    """Raise WarehouseError for a mapping that cannot work with any table."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if columns.kind and columns.kind not in KINDS:
        raise WarehouseError(f"kind == {columns.kind!r}, must be one of {', '.join(KINDS)}")
    both = columns.fields.keys() & columns.constants.keys()
    if both:
        raise WarehouseError(f"{', '.join(sorted(both))} cannot be both a column and a constant: leave one out")
    if unknown := ", ".join(sorted(columns.constants.keys() - FIELDS)):
        raise WarehouseError(f"{unknown}: no such field to set; the contract has {', '.join(sorted(FIELDS))}")
    try:
        ZoneInfo(columns.zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise WarehouseError(f"zone == {columns.zone!r}: write one like UTC or Europe/Berlin") from None


class _Import:
    """The import of one file."""

    def __init__(self, warehouse: Warehouse, path: Path, columns: Columns, report: ImportReport, now: int) -> None:
        self._warehouse, self._path, self._columns, self._report = warehouse, path, columns, report
        self._now = now  # one for all files of a call: none of them was received before another
        self._slot, self._position = self._find()

    def run(self, *, progress: bool) -> None:
        """Read from the stored position on, and store."""
        from tqdm import tqdm

        before, read = self._report.events, self._position * PACK_LINES
        total = files.rows_of(self._path)
        bar = tqdm(
            total=total, initial=min(read, total or read), desc=self._path.name, unit="row",
            disable=None if progress else True,
        )  # fmt: skip
        parts = _some(self._records(), ROWS_AT_ONCE // PACK_LINES)
        with bar, ThreadPoolExecutor(1, "loveloop-decode") as pool:
            ahead = pool.submit(self._decoded, parts)
            while batch := ahead.result():
                ahead = pool.submit(self._decoded, parts)
                bar.update(self._store(batch))
        self._report.topics.append(self._slot.topic)
        if self._report.events > before:
            self._report.files += 1
        elif self._position:
            self._report.finished_before += 1

    def _find(self) -> tuple[Slot, int]:
        """The file's slot and its stored position. A file that was imported under another name keeps that name."""
        content = files.digest(self._path, self._columns.identity, str(PACK_LINES))
        with self._warehouse.read() as reader:
            stored = {slot.topic_id: (slot, position) for slot, position in positions.read(reader).items()}
        return stored.get(content, (Slot(f"file:{self._path.name}#{content[:12]}", content, 0), 0))

    def _records(self) -> Iterator[Record]:
        """Messages from the stored position on. A last one with fewer lines ends the file."""
        first = self._position
        lines = files.lines(self._path, self._columns, skip=first * PACK_LINES)
        for number, pack in enumerate(_some(lines, PACK_LINES)):
            if first + number == 0:
                self._refuse_broken(pack)
            yield Record(self._slot.topic, 0, first + number, self._now, b"\n".join(pack))

    def _refuse_broken(self, pack: Sequence[bytes]) -> None:
        """Raise when no row of the first message keeps the contract."""
        now = datetime.fromtimestamp(self._now / 1000, UTC)
        first: ContractError | None = None
        for line in pack:
            try:
                events.decode(line, received_at=now)
                return
            except ContractError as error:
                first = first or error
        seen = files.columns_of(self._path)
        raise WarehouseError(
            f"{self._path}: all of the first {len(pack):,} rows break the contract, so nothing was stored. "
            f"The first one: {first}. Its columns: {', '.join(seen) or 'none'}. "
            "Say with --map, --set and --kind which column is which field, and look at --dry-run"
        )

    def _decoded(self, parts: Iterator[list[Record]]) -> Batch | None:
        records = next(parts, None)
        return self._decode(records) if records else None

    def _decode(self, records: Sequence[Record]) -> Batch:
        batch = decode_batch(records, TOPICS._replace(events=self._slot.topic))
        user = self._columns.fields.get("user_id", "user_id")
        batch.dead = [letter._replace(user_column=user) for letter in batch.dead]
        return batch

    def _store(self, batch: Batch) -> int:
        """Store messages; those that another process has stored meanwhile are left out. Returns the rows read."""
        while records := [record for record in batch.records if record.offset >= self._position]:
            if len(records) < len(batch.records):
                batch = self._decode(records)
            try:
                done = commit(self._warehouse, batch, {self._slot: self._position})
            except (PositionMovedError, WarehouseConflictError):
                with self._warehouse.read() as reader:
                    self._position = positions.read(reader).get(self._slot, 0)
                continue
            self._position = records[-1].offset + 1
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


def _some(items: Iterable[_Item], many: int) -> Iterator[list[_Item]]:
    """Items in lists of so many; the last one may have fewer."""
    iterator = iter(items)
    while found := list(islice(iterator, many)):
        yield found
