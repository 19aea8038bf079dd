"""A warehouse for several writers: DuckLake, a catalogue in PostgreSQL and the rows in Parquet files.

A process attaches a lake once (130 ms) and works through cursors of that one DuckDB instance. Readers see the snapshot
at which they began and never wait. Writers take turns (`writers_lock`), so that what one computes from the log
(flags) cannot miss what another stores meanwhile. The lock is for order; what makes it exact is that DuckLake is told
never to retry: a commit is refused when anybody has committed since it began, even if its writer was stopped for so
long that the turn went to another.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.storage import migrate
from warehouse.storage.backend import Warehouse, settings
from warehouse.storage.transaction import WarehouseError, enough_room
from warehouse.storage.writers_lock import WritersLock, unanswered, unreadable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PREFIX = "ducklake:postgres:"
CATALOG = "lake"
"""Its name within the DuckDB instance."""
INLINED = (
    "schema_migrations",
    "ingest_positions",
    "lift_ledger",
    "staged_candidates",
    "experiment_readouts",
    "experiment_changes",
)
"""Tables whose few small rows lie in the catalogue itself. None that holds a user's text or name: erasure rewrites
Parquet files, and has to be able to say that nothing stays."""
_LOCK_SECONDS = 30
"""How long the catalogue's own statements wait for each other, e.g. upkeep for a reader: not for ever."""
_UNREACHED = re.compile(r'Unable to connect to Postgres(?: at ".*":)? *(.*)')
"""What libpq says, up to the end of its first line: the others are hints."""
_PASSWORD = re.compile(r"(password\s*=\s*)('(?:\\.|[^'\\])*'|(?:\\.|[^\s;])+)")


@dataclass(frozen=True)
class LakeWarehouse(Warehouse):
    """A lake by its target, `ducklake:postgres:KEYWORDS;data=FOLDER`. It is made by the first `migrate()`."""

    @property
    def name(self) -> str:
        """The target with its password hidden."""
        return _PASSWORD.sub(r"\1***", str(self.target))

    @property
    def keywords(self) -> str:
        """How libpq finds the catalogue."""
        return self._parts()[0]

    @property
    def data(self) -> str:
        """The folder of the Parquet files, absolute."""
        return str(Path(self._parts()[1]).absolute())

    def turn(self, *, idle_seconds: float = 60.0) -> AbstractContextManager[None]:
        """Keep all other writers out; one that is stopped or cut off loses its turn after `idle_seconds`."""
        return _kept(self).lock.hold(self.wait_seconds, idle_seconds)

    @contextmanager
    def connect(self, *, read_only: bool = False, create: bool = False) -> Iterator[DuckDBPyConnection]:  # noqa: ARG002
        """A cursor on the lake; it is `read` that keeps it from writing.

        Raises:
            WarehouseError: PostgreSQL does not answer, there is no lake, or the extensions are missing.
        """
        kept = _kept(self)
        with kept.attaching:
            if kept.database is None:
                kept.database = _attach(self, create=create)
        cursor = kept.database.cursor()
        try:
            cursor.execute(f"USE {CATALOG}")
            cursor.execute("SET TimeZone = 'UTC'")
            migrate.define_macros(cursor)
            with enough_room(self.data):
                yield cursor
        finally:
            cursor.close()

    def _arrange(self, connection: DuckDBPyConnection) -> None:
        """Say which tables are kept in the catalogue; the option is stored there."""
        for table in INLINED:
            option = f"'data_inlining_row_limit', 100, table_name => '{table}'"
            connection.execute(f"CALL {CATALOG}.set_option({option})")

    def checkpoint(self) -> None:
        """Nothing to do: what is committed lies in the catalogue and in files."""

    def close(self) -> None:
        """Let go of what this process keeps of the lake; the next access attaches it again."""
        kept = _KEPT.pop((os.getpid(), str(self.target)), None)
        if kept is not None:
            kept.lock.close()
            if kept.database is not None:
                kept.database.close()

    def _parts(self) -> tuple[str, str]:
        keywords, found, data = str(self.target).removeprefix(PREFIX).rpartition(";data=")
        if not found or not data:
            raise WarehouseError(
                f"{self.name} names no folder for its data: write {PREFIX}dbname=... host=... user=...;data=FOLDER"
            )
        return keywords, data


@dataclass
class _LakeState:
    """What a process keeps of one lake."""

    lock: WritersLock
    database: DuckDBPyConnection | None = None
    attaching: threading.Lock = field(default_factory=threading.Lock)


_KEPT: dict[tuple[int, str], _LakeState] = {}


def _kept(lake: LakeWarehouse) -> _LakeState:
    """By process, too: a fork must not use its parent's connections."""
    if find_spec("psycopg2") is None:
        raise WarehouseError(f"{lake.name} needs what the extra `lake` brings: pip install '.[lake]'")
    key = (os.getpid(), str(lake.target))
    return _KEPT.get(key) or _KEPT.setdefault(key, _LakeState(WritersLock(lake.keywords, lake.name)))


def _attach(lake: LakeWarehouse, *, create: bool) -> DuckDBPyConnection:
    """A DuckDB instance with the lake attached. The password goes into a secret, since errors quote the keywords."""
    import duckdb

    database = duckdb.connect(config={"allow_unsigned_extensions": "true"} | settings(f"{lake.data}.tmp"))
    try:
        _load(database, "postgres_scanner")
        _load(database, "ducklake")
        database.execute("SET ducklake_max_retry_count = 0")
        database.execute("SET ducklake_default_data_inlining_row_limit = 0")
        keywords = _with_secret(database, lake)
        options = f"DATA_PATH {_quoted(lake.data)}, CREATE_IF_NOT_EXISTS {str(create).lower()}"
        database.execute(f"ATTACH {_quoted('ducklake:postgres:' + keywords)} AS {CATALOG} ({options})")
    except duckdb.Error as error:
        database.close()
        raise WarehouseError(_why_not(lake, str(error))) from None
    except WarehouseError:
        database.close()
        raise
    return database


def _load(database: DuckDBPyConnection, extension: str) -> None:
    """From the package that holds it or, where that is missing, from DuckDB's own repository."""
    package = find_spec(f"duckdb_extension_{extension}")
    folders = package.submodule_search_locations if package else None
    if folders:
        file = next(Path(folders[0]).rglob("*.duckdb_extension"))
        database.execute(f"LOAD {_quoted(str(file))}")
    else:
        database.execute(f"INSTALL {extension}; LOAD {extension}")


def _with_secret(database: DuckDBPyConnection, lake: LakeWarehouse) -> str:
    """The lake's keywords without their password, which the instance then knows."""
    from psycopg2 import ProgrammingError
    from psycopg2.extensions import make_dsn, parse_dsn

    try:
        parts = parse_dsn(lake.keywords)
    except ProgrammingError:
        raise WarehouseError(unreadable(lake.name)) from None
    password = parts.pop("password", None)
    if password is not None:
        database.execute(f"CREATE SECRET (TYPE postgres, PASSWORD {_quoted(password)})")
    parts.setdefault("options", f"-c lock_timeout={_LOCK_SECONDS * 1000}")
    plain: str = make_dsn(**parts)
    return plain


def _why_not(lake: LakeWarehouse, seen: str) -> str:
    if "creating a new DuckLake is explicitly disabled" in seen:
        return f"no warehouse at {lake.name}: `loveloop ingest` or `loveloop warehouse migrate` makes one"
    if "does not match existing data path" in seen:
        return f"{lake.name} is the wrong folder: {seen.splitlines()[0]}"
    unreached = _UNREACHED.search(seen)
    if unreached:
        return unanswered(lake.name, unreached[1])
    return f"{lake.name} does not open as a lake: {seen}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
