"""What an import would store of a file, without storing anything: the same reading and judging, kept in memory."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from streams.events import ReactionChanged, ResponseServed
from streams.wire import PACK_LINES
from warehouse import connection
from warehouse.ingest import positions
from warehouse.ingest.columns import TABLES, TAG
from warehouse.storage.transaction import WarehouseError
from warehouse.transfer import files, importing, mappings, past_imports
from warehouse.transfer.foreign import PLAIN, Mapped

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.connection import Target
    from warehouse.ingest.decoding import Batch
    from warehouse.ingest.records import DeadLetter

_KEPT = ("event_id", "response_id", "conversation_id", "kafka_topic")
_SHOWN = 5
"""Events that are kept to be shown."""


@dataclass
class ImportCheck:
    """What an import of a file would do.

    Attributes:
        lines: The first few events, as lines of the wire.
        judged: Rows of the file; = kinds + reasons + twice + stored.
        kinds: New events, by table.
        reactions: Reactions of the file by the name under which they are stored, copies among them.
        reasons: Rows that break the contract, by reason.
        examples: The first row of each reason: its number, from 1, and what is wrong.
        told: What would be changed on the way, by rule.
        twice: Rows whose event_id came before in the file.
        stored: Rows whose event_id is in the warehouse already.
        ambiguous: Ids that stand for several responses.
        left_out: Columns that no event takes anything from.
        refused: Why an import would store nothing of it; None where it would not refuse the file.
        imported: Whether the file was imported before, with this mapping, wholly or in part.
    """

    lines: list[bytes] = field(default_factory=list)
    judged: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    reactions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    twice: int = 0
    stored: int = 0
    ambiguous: list[past_imports.Ambiguous] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    refused: str | None = None
    imported: bool = False


def check_file(path: Path, columns: Mapped | None = None, target: Target | None = None) -> ImportCheck:
    """What an import of all rows of a file would store.

    Args:
        path: The file.
        columns: As for `import_files`.
        target: The warehouse, whose events would make copies of some; one that is not there has none.

    Raises:
        WarehouseError: A mapping that cannot work, or a file that cannot be read.
    """
    columns = columns or PLAIN
    mappings.check(columns)
    found = ImportCheck(left_out=columns.left_out(files.columns_of(path, columns)))
    with _kept_in(found):
        mappings.refuse_numbers(path, columns)
    now, slot = int(time.time() * 1000), importing.slot_of(path, columns)
    lines = _first_kept(files.lines(path, columns, told=found.told), found.lines)
    records = importing.records_of(slot, 0, lines, now)
    with duckdb.connect() as memory:
        for table in ("responses", "reactions", "erasures"):
            memory.execute(f"CREATE TABLE {table} ({', '.join(f'{name} VARCHAR' for name in _KEPT)})")
        while part := list(islice(records, importing.ROWS_AT_ONCE // PACK_LINES)):
            if part[0].offset == 0:
                with _kept_in(found):
                    mappings.refuse_broken(path, columns, (part[0].value or b"").split(b"\n"), now, found.told)
            _keep(memory, importing.decode(part, slot, columns), found)
        found.ambiguous = past_imports.ambiguous(memory, slot.topic)
        _count(memory, found)
        if target is not None and _is_there(target):
            _compare(memory, target, found)
            found.imported = slot.topic_id in _imported(target)
    return found


@contextmanager
def _kept_in(found: ImportCheck) -> Iterator[None]:
    """What an import refuses is told beside the rest."""
    try:
        yield
    except WarehouseError as error:
        found.refused = found.refused or str(error)


def _first_kept(lines: Iterable[bytes], kept: list[bytes]) -> Iterator[bytes]:
    for line in lines:
        if len(kept) < _SHOWN:
            kept.append(line)
        yield line


def _keep(memory: DuckDBPyConnection, batch: Batch, found: ImportCheck) -> None:
    found.judged += sum(span.events for span in batch.spans.values())
    found.told += batch.told
    for letter in sorted(batch.dead, key=lambda each: each.coordinates):
        found.reasons[letter.reason] += 1
        found.examples.setdefault(letter.reason, _example(letter))
    found.reactions.update(batch.tables[ReactionChanged]["reaction"].to_pylist())
    for kind in TAG.values():
        table = batch.tables[kind]
        columns = [table[name] if name in table.column_names else pa.nulls(len(table), pa.string()) for name in _KEPT]
        memory.register("rows", pa.table(columns, names=list(_KEPT)))
        memory.execute(f"INSERT INTO {TABLES[kind]} SELECT * FROM rows")
        memory.unregister("rows")


def _example(letter: DeadLetter) -> str:
    row = letter.coordinates.offset * PACK_LINES + letter.coordinates.line + 1
    return f"row {row:,}: {letter.detail}"


def _count(memory: DuckDBPyConnection, found: ImportCheck) -> None:
    for name in TABLES.values():
        rows, ids = memory.execute(f"SELECT count(*), count(DISTINCT event_id) FROM {name}").fetchall()[0]
        found.kinds[name] = ids
        found.twice += rows - ids


def _compare(memory: DuckDBPyConnection, target: Target, found: ImportCheck) -> None:
    """Take those that are in the warehouse off the new ones."""
    with connection.open(target).read() as reader:
        for kind in (ResponseServed, ReactionChanged):
            name = TABLES[kind]
            ids = memory.execute(f"SELECT DISTINCT event_id FROM {name}").to_arrow_table()
            reader.register("asked", ids)
            asked = "(SELECT CAST(event_id AS UUID) AS event_id FROM asked)"
            known = reader.execute(f"SELECT count(*) FROM {name} SEMI JOIN {asked} USING (event_id)").fetchall()[0][0]
            reader.unregister("asked")
            found.kinds[name] -= known
            found.stored += known


def _imported(target: Target) -> set[str]:
    with connection.open(target).read() as reader:
        return {slot.topic_id for slot in positions.read(reader)}


def _is_there(target: Target) -> bool:
    return str(target).startswith("ducklake:") or Path(target).exists()
