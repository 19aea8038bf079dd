"""What both back ends have in common: a warehouse is opened for one short transaction, written or read, and let go."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.storage import migrate
from warehouse.storage.transaction import in_transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.storage.migrate import Status

Target = str | Path
"""Where a warehouse is: the path of a DuckDB file, or `ducklake:postgres:KEYWORDS;data=FOLDER`."""


def settings(spilling: str) -> dict[str, str | bool | int | float | list[str]]:
    """DuckDB's settings: where it spills, and at most as many threads as the process is to have by OMP_NUM_THREADS.

    On a lake a second thread costs a small transaction more than it brings: half as much processor time again.
    """
    found: dict[str, str | bool | int | float | list[str]] = {"temp_directory": spilling}
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if re.fullmatch("[1-9][0-9]*", threads):
        found["threads"] = int(threads)
    return found


@dataclass(frozen=True)
class Warehouse(ABC):
    """A warehouse by its target; holds no connection.

    Attributes:
        target: What `warehouse.open` was given.
        wait_seconds: How long one access waits for another writer.
        rejudge: Judges the log anew where today's online rules are others than those that judged it, and fills tables
            that are made from it; called after migrations, on a connection without a transaction.
    """

    target: Target
    wait_seconds: float
    rejudge: Callable[[DuckDBPyConnection], None] = field(repr=False, compare=False)

    @property
    @abstractmethod
    def name(self) -> str:
        """The target as it may be shown: without a password."""

    @abstractmethod
    def connect(self, *, read_only: bool = False, create: bool = False) -> AbstractContextManager[DuckDBPyConnection]:
        """The bare connection under `transaction` and `read`: no turn, no version check, no transaction."""

    @abstractmethod
    def turn(self) -> AbstractContextManager[None]:
        """Keep all other writers out until the block ends."""

    @abstractmethod
    def checkpoint(self) -> None:
        """Fold what was committed into the place where it stays."""

    @contextmanager
    def transaction(self) -> Iterator[DuckDBPyConnection]:
        """A connection inside one transaction: committed when the block ends, rolled back when it raises.

        It has the tables and the macros; `migrate.define_views` makes the views where they are needed.

        Raises:
            WarehouseInUseError: Another writer stayed; it is named.
            WarehouseConflictError: Another writer came in between all the same; nothing was stored.
            WarehouseError: No warehouse there, or one of another version.
        """
        with self.turn(), self.connect() as connection, in_transaction(connection):
            migrate.require_current(connection, self.name)
            yield connection

    def session(self) -> Session:
        """Transactions one after another, for a writer that has much to store."""
        return Session(self)

    @contextmanager
    def read(self) -> Iterator[DuckDBPyConnection]:
        """A read-only connection with the views: one snapshot, whatever is written meanwhile. Readers share.

        Raises:
            WarehouseInUseError: A file stayed locked; a lake's readers wait for nobody.
            WarehouseError: No warehouse there, or one of another version.
        """
        with self.connect(read_only=True) as connection:
            connection.execute("BEGIN TRANSACTION READ ONLY")
            migrate.require_current(connection, self.name)
            migrate.define_views(connection)
            yield connection

    def migrate(self) -> list[str]:
        """Bring the tables to this version, or make them; returns the names of the migrations applied, in order.

        1. Apply what is pending, each migration in a transaction, and arrange new tables as the back end wants them.
        2. Judge the log anew by today's rules, in one transaction, when rows or rules have changed; then sum up its
           experiments, in another, where the rollup is missing.
        """
        with self.turn(), self.connect(create=True) as connection:
            applied = migrate.apply(connection, self.name)
            if applied:
                self._arrange(connection)
            self.rejudge(connection)
            return applied

    @abstractmethod
    def _arrange(self, connection: DuckDBPyConnection) -> None:
        """What a back end does, within the same turn, when tables have changed."""

    def status(self) -> Status:
        """Which migrations the warehouse has, and which it lacks. Raises as `read` does, but takes an older version."""
        with self.connect(read_only=True) as connection:
            return migrate.status(connection)


class Session:
    """Transactions of one writer, one after another; a back end may keep open what they share."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    @contextmanager
    def transaction(self) -> Iterator[DuckDBPyConnection]:
        """As `Warehouse.transaction`."""
        with self._warehouse.transaction() as connection:
            yield connection

    def release(self) -> None:
        """Keep nothing: there is nothing to store for the moment."""
