"""One writer at a time: an advisory lock of the PostgreSQL database that holds a lake's catalogue."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from warehouse.storage.transaction import WarehouseError, WarehouseInUseError

_KEY = 0x6C6F7665
_HOLDER = f"""SELECT pid, application_name, coalesce(host(client_addr), 'this machine')
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND objid = {_KEY} AND database = (
    SELECT oid FROM pg_database WHERE datname = current_database()
)"""


def connect(keywords: str, name: str) -> Any:
    """A new session (psycopg2) of the database.

    Args:
        keywords: libpq's.
        name: The lake, for the error.

    Raises:
        WarehouseError: It does not answer.
    """
    import psycopg2

    try:
        return psycopg2.connect(keywords, application_name=f"loveloop {os.getpid()}")
    except psycopg2.OperationalError as error:
        raise WarehouseError(unanswered(name, str(error))) from None
    except psycopg2.Error:  # libpq cannot read the keywords: do not quote what may be the password
        raise WarehouseError(unreadable(name)) from None


def unanswered(name: str, seen: str) -> str:
    """What to say when PostgreSQL cannot be reached; of libpq's words only the first line, the others are hints."""
    why = seen.strip().partition("\n")[0] or "it does not say why"
    return f"the catalogue of {name} does not answer ({why}): is PostgreSQL up, and are the keywords right?"


def unreadable(name: str) -> str:
    """What to say when libpq cannot read the keywords."""
    return f"{name} has keywords that libpq cannot read; write dbname=... host=... user=..."


class WritersLock:
    """This process's part in the lock of one database; its session is kept from one turn to the next."""

    def __init__(self, keywords: str, name: str) -> None:
        self._keywords = keywords
        self._name = name
        self._mine = threading.Lock()
        self._session: Any = None

    @contextmanager
    def hold(self, wait_seconds: float, idle_seconds: float) -> Iterator[None]:
        """Keep all other writers out, of this process and elsewhere, until the block ends.

        1. Take the lock among this process's threads, then that of the database: `wait_seconds` for both together.
        2. Let the block work.
        3. Let go. A holder that dies lets go at once, one that is stopped or cut off after `idle_seconds`.

        Raises:
            WarehouseInUseError: Another writer stayed too long; it is named.
            WarehouseError: PostgreSQL does not answer.
        """
        deadline = time.monotonic() + wait_seconds
        if not self._mine.acquire(timeout=wait_seconds):
            raise WarehouseInUseError(self._in_use("another thread of this process", wait_seconds))
        try:
            self._lock(deadline, wait_seconds, idle_seconds)
            try:
                yield
            finally:
                self._unlock()
        finally:
            self._mine.release()

    def close(self) -> None:
        """End the session."""
        if self._session is not None:
            self._session.close()
        self._session = None

    def _lock(self, deadline: float, wait_seconds: float, idle_seconds: float) -> None:
        import psycopg2

        kept = self._session is not None
        try:
            self._ask(deadline, idle_seconds)
        except psycopg2.errors.LockNotAvailable:
            self._session.rollback()
            raise WarehouseInUseError(self._in_use(self._holder(), wait_seconds)) from None
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            self.close()
            if not kept:
                raise WarehouseError(unanswered(self._name, str(error))) from None
            self._lock(deadline, wait_seconds, idle_seconds)  # a kept session had been cut off: take a new one

    def _ask(self, deadline: float, idle_seconds: float) -> None:
        if self._session is None:
            self._session = connect(self._keywords, self._name)
        milliseconds = max(1, int((deadline - time.monotonic()) * 1000))
        self._session.cursor().execute(
            f"SET LOCAL lock_timeout = {milliseconds}; "
            f"SET LOCAL idle_in_transaction_session_timeout = {int(idle_seconds * 1000)}; "
            f"SELECT pg_advisory_xact_lock({_KEY})"
        )

    def _unlock(self) -> None:
        """End the transaction that holds the lock. It may be gone: then so is the lock, and nothing is to be done."""
        import psycopg2

        try:
            self._session.rollback()
        except psycopg2.Error:
            with suppress(psycopg2.Error):
                self.close()

    def _holder(self) -> str:
        cursor = self._session.cursor()
        cursor.execute(_HOLDER)
        found = cursor.fetchone()
        self._session.rollback()
        return f"PostgreSQL's process {found[0]} ({found[1]}, from {found[2]})" if found else "another writer"

    def _in_use(self, who: str, seconds: float) -> str:
        return f"{self._name} is being written to by {who} and was so for {seconds:g} s: end that writer, or try again"
