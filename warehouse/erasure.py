"""Erasure, the warehouse's part: requests by hand, what is pending, and the receipts of what was finished.

The rows of an erased user leave with the transaction that stores the request (see `suppression`); their bytes leave
with `upkeep.purge`. What else must be done, in training sets and runs, is `assets.erasure`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.events import ErasureRequested, new_event_id
from streams.outgoing import encode_checked
from streams.topics import TOPICS
from warehouse import connection
from warehouse.ingest import derived
from warehouse.ingest.columns import COORDINATES
from warehouse.ingest.commit import store
from warehouse.ingest.decoding import decode_batch
from warehouse.ingest.erased_rows import (
    SALT,
    Limit,
    count_erased,
    forget,
    letters_naming,
    user_hash,
)
from warehouse.ingest.owners import users_of
from warehouse.ingest.records import Record
from warehouse.storage import migrate

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from warehouse.connection import Target


class Effects(NamedTuple):
    """What the warehouse took away of a user, in numbers and names that say nothing about them.

    Attributes:
        rows: Rows taken out, by table.
        dropped: Rows that came after the request and were not stored, by table.
        experiments: Responses that the user had been shown, by `EXPERIMENT/ARM`.
        policies: The same by policy.
    """

    rows: dict[str, int]
    dropped: dict[str, int]
    experiments: dict[str, int]
    policies: dict[str, int]


def request(target: Target, user_id: str, at: datetime | None = None) -> ErasureRequested:
    """Store a request for erasure that came by hand, as ingest stores one that came as an event.

    Args:
        target: The warehouse.
        user_id: Whom to forget.
        at: What the user did until this moment goes, and what was received before it, whatever its stamp; now if left
            out.

    Returns:
        The request as an event: posted to the broker as well, it is known wherever the log is read again.

    Raises:
        ContractError: No event may bear such a user_id.
        WarehouseError: As `Warehouse.transaction`.
    """
    moment = at or datetime.now(UTC)
    event = ErasureRequested(event_id=new_event_id(moment), user_id=user_id, requested_at=moment)
    stamp = int(moment.timestamp() * 1000) + 1  # not before what was received in the same millisecond
    batch = decode_batch([Record(TOPICS.events, 0, 0, stamp, encode_checked(event, now=moment))])
    batch.tables[ErasureRequested] = _from_nowhere(batch.tables[ErasureRequested])
    with connection.open(target).transaction() as writer:
        store(writer, batch)
    return event


class Known(NamedTuple):
    """Whether a name is one that a warehouse has met.

    Attributes:
        there: Rows or dead letters name the user, or a request for their erasure was stored before.
        alike: Users whose name differs in case or in the spaces around it alone, or by a slip, at most three.
    """

    there: bool
    alike: tuple[str, ...]


def known(target: Target, user_id: str) -> Known:
    """Look for a user before they are forgotten: a misspelt name must not pass for an erasure.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    with connection.open(target).read() as reader:
        found = reader.execute(
            f"""SELECT DISTINCT user_id, levenshtein(lower(trim(user_id)), lower(trim($name))) AS apart
            FROM ({_NAMED}) AS users
            WHERE apart <= CASE WHEN length($name) < 4 THEN 0 WHEN length($name) < 8 THEN 1 ELSE 2 END
            ORDER BY user_id <> $name, apart, user_id LIMIT 4""",
            {"name": user_id},
        ).fetchall()
        asked = reader.execute("SELECT 1 FROM erasures WHERE user_hash = ? LIMIT 1", [user_hash(user_id)]).fetchone()
        names = [name for name, _ in found]
        there = user_id in names or asked is not None or any(letters_naming(reader, [user_id]))
    return Known(there, tuple(name for name in names if name != user_id)[:3])


def pending(target: Target) -> dict[str, Limit]:
    """Users (by their hash) whose erasure has no receipt yet, with how far their requests reach."""
    with connection.open(target).read() as reader:
        found = reader.execute(
            "SELECT user_hash, requested_at, received_at FROM pending_erasures ORDER BY ALL"
        ).fetchall()
    return {name: Limit(*limit) for name, *limit in found}


def copies(target: Target) -> frozenset[str]:
    """Fingerprints of what was erased although its own moment lies behind the request, as `erased_rows` makes them."""
    with connection.open(target).read() as reader:
        return frozenset(
            name for (name,) in reader.execute("SELECT DISTINCT fingerprint FROM erased_copies").fetchall()
        )


def forget_pending(target: Target) -> dict[str, int]:
    """Take out rows that a pending request covers and that are there all the same; returns how many, by table.

    Ingest leaves none. A warehouse does that recorded requests before it could fulfil them, or was told of them by
    `adopt`.

    Raises:
        WarehouseError: As `Warehouse.transaction`.
    """
    with connection.open(target).transaction() as writer:
        migrate.define_views(writer)
        requests = {user: Limit(*limit) for user, *limit in writer.execute(_STILL_THERE).fetchall()}
        requests |= _named_in_letters(writer)
        if not requests:
            return {}
        removed = forget(writer, requests)
        derived.update(writer, {}, removed)
        count_erased(writer, removed)
    return removed.counts()


def _named_in_letters(writer: DuckDBPyConnection) -> dict[str, Limit]:
    """Users of pending requests that dead letters are of, wherever these name them."""
    found = writer.execute("SELECT user_hash, requested_at, received_at FROM pending_erasures").fetchall()
    asked = {name: Limit(*limit) for name, *limit in found}
    bodies = writer.execute("SELECT body FROM dead_letters").fetchall() if asked else []
    users = {user for (body,) in bodies for user in users_of(body)}
    return {user: asked[name] for user in users if (name := user_hash(user)) in asked}


def adopt(target: Target, requests: Mapping[str, Limit]) -> None:
    """Tell another warehouse (a run's own) of requests by hash, so that it forgets the same users.

    Args:
        target: The other warehouse.
        requests: User hashes with how far their requests reach.
    """
    with connection.open(target).transaction() as writer:
        known = dict(writer.execute("SELECT user_hash, max(requested_at) FROM erasures GROUP BY user_hash").fetchall())
        for name, limit in requests.items():
            if name not in known or known[name] < limit.requested_at:
                writer.execute(
                    """INSERT INTO erasures (event_id, user_hash, requested_at, schema_version, received_at)
                    VALUES (?, ?, ?, 1, ?)""",
                    [new_event_id(limit.requested_at), name, *limit],
                )


def effects(target: Target, name: str) -> Effects:
    """What was taken away of the user of this hash."""
    with connection.open(target).read() as reader:
        rows = reader.execute(
            """SELECT kind, name, CAST(sum(amount) AS BIGINT) FROM erasure_effects WHERE user_hash = ?
            GROUP BY ALL ORDER BY ALL""",
            [name],
        ).fetchall()
    found: dict[str, dict[str, int]] = {kind: {} for kind in ("table", "dropped", "experiment", "policy")}
    for kind, what, amount in rows:
        found[kind][what] = amount
    return Effects(found["table"], found["dropped"], found["experiment"], found["policy"])


def finish(target: Target, name: str, requested_at: datetime, receipt: Mapping[str, Any]) -> None:
    """Store a receipt; the request, and every earlier one of that user, is no longer pending."""
    with connection.open(target).transaction() as writer:
        values = [name, requested_at, datetime.now(UTC), json.dumps(receipt, default=str)]
        writer.execute("INSERT INTO erasure_receipts VALUES (?, ?, ?, ?)", values)


def receipts(target: Target, user_id: str) -> list[dict[str, Any]]:
    """The receipts of a user, oldest first."""
    return receipts_of(target, user_hash(user_id))


def receipts_of(target: Target, name: str) -> list[dict[str, Any]]:
    """The receipts of the user of this hash, oldest first."""
    with connection.open(target).read() as reader:
        rows = reader.execute(
            "SELECT receipt FROM erasure_receipts WHERE user_hash = ? ORDER BY finished_at", [name]
        ).fetchall()
    return [json.loads(text) for (text,) in rows]


_NAMED = """
SELECT user_id FROM responses UNION SELECT user_id FROM reactions
UNION SELECT user_id FROM dead_letters UNION SELECT user_id FROM flags WHERE source <> 'ingest'
UNION SELECT user_id FROM quarantine_decisions
"""

_STILL_THERE = f"""
SELECT users.user_id, pending.requested_at, pending.received_at
FROM ({_NAMED}) AS users
JOIN pending_erasures AS pending ON pending.user_hash = sha256('{SALT}' || users.user_id)
"""


def _from_nowhere(requests: pa.Table) -> pa.Table:
    """The same rows without coordinates: they were read from no topic."""
    import pyarrow as pa

    for name, kind in COORDINATES.items():
        place = requests.column_names.index(name)
        requests = requests.set_column(place, name, pa.nulls(requests.num_rows, kind))
    return requests
