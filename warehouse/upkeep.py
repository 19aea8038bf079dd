"""Upkeep: compaction of what many small commits leave behind, and deletion of snapshots that no reader needs.

`compact` is for every night; `purge` is for after an erasure, when deleted rows must be gone from the disk now. A file
is copied into a new one, which takes its place by a rename. A lake merges its small files, and forgets old snapshots.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from warehouse import connection
from warehouse.rollup import sums
from warehouse.storage import migrate, plain_ids, writers_lock
from warehouse.storage.backend import Target, Warehouse
from warehouse.storage.file import NAME, FileWarehouse
from warehouse.storage.lake import CATALOG, LakeWarehouse
from warehouse.storage.transaction import WarehouseInUseError, in_transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_LONGEST = 36_500
"""Days that a lake's past may be kept: a hundred years."""
_DELETED_SHARE = 0.2
"""A lake's file is rewritten once this share of its rows is deleted."""
_PART = ".compacting"
_LONG_SECONDS = 3600.0
"""How long one step may leave the writers' lock silent; a batch gets a minute."""
_READERS_SECONDS = 3600.0
"""Files that were given up are kept this long for readers who began before."""


class Extent(NamedTuple):
    """How many files a warehouse is, and how many bytes."""

    files: int
    bytes: int

    def __str__(self) -> str:
        return f"{self.files:,} file{'s' * (self.files != 1)}, {self.bytes / 1e6:,.1f} MB"


@dataclass
class Upkeep:
    """What upkeep did, or would do.

    Attributes:
        before: On the disk, when it began.
        after: When it was done; of a dry run the same as before.
        steps: Each step, and how many rows, files or snapshots it touched.
    """

    before: Extent
    after: Extent
    steps: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{name}: {count:,}" for name, count in self.steps.items()]
        return "\n".join([*lines, f"before: {self.before}", f"after:  {self.after}"])


def compact(target: Target, *, keep_days: float = 7.0, dry_run: bool = False) -> Upkeep:
    """Make a warehouse small and quick again; its content stays the same.

    The sums of experiments are brought up to the log (`sums.fold`). Then, a file: checkpoint, copy into a new file,
    take its place. A lake:

    1. Flush the catalogue's rows into files, rewrite files of which a fifth or more is deleted, merge small files.
    2. Forget snapshots older than `keep_days`.
    3. Note the run in table `upkeep`.
    4. Delete files that no snapshot has needed for an hour, and those, an hour old, that were never committed.

    Args:
        target: A warehouse of this version.
        keep_days: How far back a lake can be read as it was.
        dry_run: Change nothing, say what there is to do.

    Raises:
        WarehouseError: As `Warehouse.transaction`.
        ValueError: Days that are none.
    """
    if not 0 <= keep_days <= _LONGEST:
        raise ValueError(f"keep_days == {keep_days!r}, must be a finite number of days from 0 to {_LONGEST:,}")
    return _upkeep("compact", connection.open(target), keep_days, dry_run=dry_run)


def purge(target: Target) -> Upkeep:
    """Make the bytes of deleted rows vanish now: from data files, older snapshots and the catalogue's statistics.

    As `compact`, but every file with a deleted row is rewritten, all older snapshots go, files are deleted at once (a
    reader who began before may fail and has to begin again), and a lake's catalogue is rewritten, too. What PostgreSQL
    and the file system keep for themselves (its write-ahead log, freed disk blocks, backups) is out of reach.

    Raises:
        WarehouseInUseError: A reader of a lake stayed in its catalogue for half a minute; call again.
        WarehouseError: As `Warehouse.transaction`.
    """
    return _upkeep("purge", connection.open(target), 0.0, dry_run=False)


def _upkeep(kind: str, warehouse: Warehouse, keep_days: float, *, dry_run: bool) -> Upkeep:
    if not dry_run:
        with warehouse.transaction() as writer:
            sums.fold(writer)
    if isinstance(warehouse, LakeWarehouse):
        purging = kind == "purge"
        return _plan(warehouse, keep_days) if dry_run else _tidy_lake(warehouse, keep_days, purging=purging)
    assert isinstance(warehouse, FileWarehouse)
    return _rewrite_file(kind, warehouse, dry_run=dry_run)


def _rewrite_file(kind: str, warehouse: FileWarehouse, *, dry_run: bool) -> Upkeep:
    """Copy, then rename while the old file is still open: waiting processes find the new one (`file._open`)."""
    with warehouse.connect(read_only=dry_run) as old:
        migrate.require_current(old, warehouse.name)
        before = _extent([warehouse.path, _log(warehouse.path)])
        found = old.execute(
            "SELECT free_blocks * block_size FROM pragma_database_size() WHERE database_name = current_catalog()"
        ).fetchone()
        steps = {"bytes in free blocks": int(found[0]) if found else 0}
        if dry_run:
            return Upkeep(before, before, steps)
        _note(old, kind, before)
        old.execute("CHECKPOINT")
        part = warehouse.path.with_name(warehouse.path.name + _PART)
        _copy(old, part)
        part.replace(warehouse.path)
        _sync(warehouse.path.parent)
        after = _extent([warehouse.path])
    return Upkeep(before, after, steps)


def _copy(old: DuckDBPyConnection, part: Path) -> None:
    """All tables into a new file, with DuckDB's own row groups and every compression: it is written once."""
    for leftover in (part, _log(part)):
        leftover.unlink(missing_ok=True)
    old.execute("RESET disabled_compression_methods")
    old.execute("RESET threads")
    old.execute(f"ATTACH '{str(part).replace(chr(39), chr(39) * 2)}' AS compacted")
    try:
        old.execute(f"COPY FROM DATABASE {NAME} TO compacted (SCHEMA)")
        plain_ids.make(old, "compacted")
        old.execute(f"COPY FROM DATABASE {NAME} TO compacted (DATA)")
        old.execute("CHECKPOINT compacted")
    finally:
        old.execute("DETACH compacted")
    _sync(part)


def _log(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _tidy_lake(lake: LakeWarehouse, keep_days: float, *, purging: bool) -> Upkeep:
    import duckdb

    try:
        return _tidied(lake, keep_days, purging=purging)
    except duckdb.Error as error:
        if "lock timeout" not in str(error):
            raise
        raise WarehouseInUseError(
            f"a reader stayed in the catalogue of {lake.name}: let it end, and run the same again ({error})"
        ) from None


def _tidied(lake: LakeWarehouse, keep_days: float, *, purging: bool) -> Upkeep:
    before = _on_disk(lake)
    steps: dict[str, int] = {}
    with lake.turn(idle_seconds=_LONG_SECONDS), lake.connect() as connected:
        migrate.require_current(connected, lake.name)
        for step, function, column in _FOLDING:
            options = f", delete_threshold => {0 if purging else _DELETED_SHARE}" if "rewrite" in function else ""
            rows = connected.execute(f"CALL {function}('{CATALOG}'{options})").fetchall()
            steps[step] = sum(int(row[column]) for row in rows)
        steps |= _drop(connected, _old_snapshots(keep_days), dry_run=False)
        if purging:
            _forget_extremes(lake)
        with in_transaction(connected):
            _note(connected, "purge" if purging else "compact", before)
        steps |= _drop(connected, _unread_files(purging), dry_run=False)
        if purging:
            _rewrite_catalogue(lake)
    return Upkeep(before, _on_disk(lake), steps)


_FOLDING = (
    ("rows moved from the catalogue into files", "ducklake_flush_inlined_data", 2),
    ("files rewritten without their deleted rows", "ducklake_rewrite_data_files", 2),
    ("small files merged", "ducklake_merge_adjacent_files", 2),
)
"""Step, function, and the column of its answer that counts."""


def _old_snapshots(keep_days: float) -> dict[str, str]:
    return {"snapshots forgotten": f"ducklake_expire_snapshots('{CATALOG}', older_than => {_ago(86_400 * keep_days)}"}


def _unread_files(purging: bool) -> dict[str, str]:
    which = "cleanup_all => true" if purging else f"older_than => {_ago(_READERS_SECONDS)}"
    return {
        "files deleted that nobody reads": f"ducklake_cleanup_old_files('{CATALOG}', {which}",
        "files deleted that were never committed": f"ducklake_delete_orphaned_files('{CATALOG}', {which}",
    }


def _drop(connected: DuckDBPyConnection, calls: dict[str, str], *, dry_run: bool) -> dict[str, int]:
    """Call each; how many things it dropped, or would."""
    asked = {step: f"CALL {call}, dry_run => {str(dry_run).lower()})" for step, call in calls.items()}
    return {step: len(connected.execute(call).fetchall()) for step, call in asked.items()}


def _ago(seconds: float) -> str:
    return f"now() - to_microseconds({int(seconds * 1e6)})"


def _plan(lake: LakeWarehouse, keep_days: float) -> Upkeep:
    """What a compaction has to do, counted by a reader."""
    with lake.connect(read_only=True) as connected:
        migrate.require_current(connected, lake.name)
        tables = connected.execute(
            f"SELECT file_count, delete_file_count FROM ducklake_table_info('{CATALOG}')"
        ).fetchall()
        steps = {
            "data files in tables that have several": sum(files for files, _ in tables if files > 1),
            "files that list deleted rows": sum(deleting for _, deleting in tables),
        }
        steps |= _drop(connected, _old_snapshots(keep_days) | _unread_files(purging=False), dry_run=True)
    return Upkeep(_on_disk(lake), _on_disk(lake), steps)


def _note(connected: DuckDBPyConnection, kind: str, before: Extent) -> None:
    connected.execute("INSERT INTO upkeep VALUES (?, now(), ?, ?)", [kind, before.files, before.bytes])


def _forget_extremes(lake: LakeWarehouse) -> None:
    """Smallest and largest text of each table's columns, which may be a deleted row's. DuckLake does without them."""
    with closing(writers_lock.connect(lake.keywords, lake.name)) as session, session, session.cursor() as cursor:
        cursor.execute(
            """UPDATE ducklake_table_column_stats AS stats SET min_value = NULL, max_value = NULL
            FROM ducklake_column AS col
            WHERE col.table_id = stats.table_id AND col.column_id = stats.column_id
                AND col.column_type IN ('varchar', 'json', 'blob')"""
        )


def _rewrite_catalogue(lake: LakeWarehouse) -> None:
    """Deleted and changed rows of DuckLake's tables, and PostgreSQL's samples of them, leave the catalogue's files."""
    import psycopg2

    with closing(writers_lock.connect(lake.keywords, lake.name)) as session, session.cursor() as cursor:
        session.autocommit = True
        cursor.execute(f"SET lock_timeout = {int(lake.wait_seconds * 1000)}")
        cursor.execute("SELECT quote_ident(tablename) FROM pg_tables WHERE tablename LIKE 'ducklake%'")
        try:
            for (table,) in [*cursor.fetchall(), ("pg_statistic",)]:
                cursor.execute(f"VACUUM (FULL{', ANALYZE' * table.startswith('ducklake')}) {table}")
        except psycopg2.errors.LockNotAvailable:
            raise WarehouseInUseError(
                f"a reader stayed in the catalogue of {lake.name} for {lake.wait_seconds:g} s; the data files are "
                "clean, purge again to clean the catalogue, too"
            ) from None


def _on_disk(lake: LakeWarehouse) -> Extent:
    return _extent(Path(lake.data).rglob("*"))


def _extent(paths: Iterable[Path]) -> Extent:
    """Those that are files."""
    sizes = [path.stat().st_size for path in paths if path.is_file()]
    return Extent(len(sizes), sum(sizes))


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
