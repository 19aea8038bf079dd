"""The memory of `Idempotency-Key`: what a reaction was when it came first, so that it stays one when it is sent again.

A SQLite file, so that a restart forgets nothing. It holds no user, no response and no reaction: the key and what came
with it are kept as digests under the gateway's secret, beside the moment and the session that the event was given.
"""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

KEPT_SECONDS = 48 * 3_600
"""How long a key is remembered at least."""
_SWEEP_SECONDS = 3_600
_SCHEMA = """
CREATE TABLE IF NOT EXISTS reaction_keys (
    key TEXT PRIMARY KEY, body TEXT NOT NULL, reacted_at REAL NOT NULL, session TEXT NOT NULL, stored INTEGER NOT NULL,
    first_seen REAL NOT NULL
) WITHOUT ROWID
"""


class RememberedKey(NamedTuple):
    """What is known of a key.

    Attributes:
        body: Digest of what came with it.
        reacted_at: Seconds since 1970 of its event.
        session: Of its event.
        stored: Whether the broker has the event.
    """

    body: str
    reacted_at: float
    session: str
    stored: bool


class ReactionKeys:
    """Keys and what they stood for; safe to use from several threads.

    Args:
        file: The SQLite file; made when it is not there.
        clock: Seconds since 1970.
    """

    def __init__(self, file: Path, clock: Callable[[], float]) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._clock, self._lock = clock, threading.Lock()
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None, timeout=5)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")  # a key that was answered is there after a power cut
        self._connection.execute(_SCHEMA)
        self._swept = 0.0

    def first(self, key: str, given: RememberedKey) -> RememberedKey:
        """What the key stood for when it came first: what is given now, if it never came."""
        with self._lock:
            now = self._clock()
            self._sweep(now)
            self._connection.execute(
                "INSERT INTO reaction_keys VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", (key, *given, now)
            )
            row = self._connection.execute(
                "SELECT body, reacted_at, session, stored FROM reaction_keys WHERE key = ?", (key,)
            ).fetchone()
        return RememberedKey(row[0], row[1], row[2], bool(row[3]))

    def note_stored(self, key: str) -> None:
        """The broker has the event of a key."""
        with self._lock:
            self._connection.execute("UPDATE reaction_keys SET stored = 1 WHERE key = ?", (key,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _sweep(self, now: float) -> None:
        if now - self._swept >= _SWEEP_SECONDS:
            self._swept = now
            self._connection.execute("DELETE FROM reaction_keys WHERE first_seen < ?", (now - KEPT_SECONDS,))
