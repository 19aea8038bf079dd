"""Numbered migrations: plain SQL files, each applied in its own transaction and recorded in `schema_migrations`.

The first one makes all tables. They change tables and nothing else: views and macros are temporary and made on every
opening (`define_views`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from warehouse.storage.transaction import WarehouseError, in_transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FOLDER = Path(__file__).parent / "migrations"
VIEWS = Path(__file__).parent / "views"


class Migration(NamedTuple):
    """One file `NNN_name.sql`."""

    version: int
    name: str
    sql: str


class Status(NamedTuple):
    """What a warehouse has and lacks.

    Attributes:
        version: Number of the newest migration applied, 0 for none.
        known: Number of the newest migration of this program.
        pending: Names of those not applied yet.
    """

    version: int
    known: int
    pending: list[str]


@cache
def migrations() -> tuple[Migration, ...]:
    """This program's migrations, in order."""
    return tuple(Migration(int(path.stem[:3]), path.stem, path.read_text()) for path in sorted(FOLDER.glob("*.sql")))


def status(connection: DuckDBPyConnection) -> Status:
    """Which migrations the connected warehouse has."""
    import duckdb

    try:
        newest = connection.execute("SELECT coalesce(max(version), 0) FROM schema_migrations").fetchone()
    except duckdb.CatalogException:  # no such table: nothing applied yet
        newest = None
    version = int(newest[0]) if newest else 0
    return Status(version, migrations()[-1].version, [m.name for m in migrations() if m.version > version])


@cache
def _views() -> str:
    return "\n".join(path.read_text() for path in sorted(VIEWS.glob("[1-9]_*.sql")))


@cache
def _macros() -> str:
    return (VIEWS / "0_macros.sql").read_text()


def define_macros(connection: DuckDBPyConnection) -> None:
    """Make the macros of `views/0_macros.sql` for this connection alone; a back end does it for each that it opens."""
    connection.execute(_macros())


def define_views(connection: DuckDBPyConnection) -> None:
    """Make the views and macros of `views/*.sql` for this connection alone; they end with it."""
    connection.execute(_views())


def apply(connection: DuckDBPyConnection, name: str) -> list[str]:
    """Apply what is pending; returns the names.

    Raises:
        WarehouseError: The warehouse was written by a newer program, or by a preview that is no longer read.
    """
    now = status(connection)
    _refuse_others(now, name)
    pending = [migration for migration in migrations() if migration.version > now.version]
    for migration in pending:
        with in_transaction(connection):
            connection.execute(migration.sql)
            connection.execute(
                "INSERT INTO schema_migrations VALUES (?, ?, now())", [migration.version, migration.name]
            )
    return [migration.name for migration in pending]


def require_current(connection: DuckDBPyConnection, name: str) -> None:
    """Raise WarehouseError unless the warehouse of that name has exactly this program's migrations."""
    now = status(connection)
    _refuse_others(now, name)
    if now.pending:
        raise WarehouseError(
            f"{name} is at schema version {now.version}, this program needs {now.known}: "
            "run `loveloop warehouse migrate`"
        )


def _refuse_others(now: Status, name: str) -> None:
    oldest = migrations()[0].version
    if 0 < now.version < oldest:
        raise WarehouseError(
            f"{name} is at schema version {now.version}, of a preview; this program reads versions from {oldest} on: "
            "export its events with the program that wrote it, and import them into a new warehouse; nothing was "
            "changed"
        )
    if now.version > now.known:
        raise WarehouseError(
            f"{name} is at schema version {now.version}, this program knows up to {now.known}: "
            "install the newer loveloop; nothing was changed"
        )
