"""Erased users: what they did until they asked leaves the tables, and does not come back when the log is read again.

The tables stay a function of the log. A request covers an event with a moment at or before the user's latest request,
and one that was received before a request was (`erased_rows`); it is taken out when it is stored already and dropped
when it comes later, and the flags that leaned on it are asked anew, so that the order of arrival does not matter. A
dead letter has no moment to go by: those of an erased user go, whenever they come. Later events of the same user count
again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from streams.events import ErasureRequested, Event, ReactionChanged, ResponseServed
from warehouse.ingest.columns import MOMENT_OF, RECEIVED, TABLES
from warehouse.ingest.erased_rows import (
    SALT,
    Limit,
    Noted,
    Removed,
    by_user,
    count_erased,
    forget,
    ids_by_user,
    note,
    places,
    remember,
    remembered,
    user_hash,
)
from warehouse.ingest.records import Coordinates, DeadLetter

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from streams.live.messages import Flag
    from warehouse.ingest.decoding import Batch


@dataclass(frozen=True, slots=True)
class KeptBatch:
    """What erasure leaves of a batch, and what it did.

    Attributes:
        events: Responses and reactions that may be stored, by kind.
        flags: Flags of the live guard that may be stored.
        limits: The erased users among those of the batch, and how far their requests reach.
        removed: What requests of this batch took out of the tables.
        dropped: Where the events were read that are not stored because their user had asked.
        dropped_flags: How many flags are not stored for that reason.
    """

    events: Mapping[type[Event], pa.Table]
    flags: list[Flag]
    limits: Mapping[str, Limit] = field(default_factory=dict)
    removed: Removed = field(default_factory=Removed)
    dropped: list[Coordinates] = field(default_factory=list)
    dropped_flags: int = 0


class KeptLetters(NamedTuple):
    """Dead letters that may be stored, and where the others were read."""

    kept: list[DeadLetter]
    dropped: list[Coordinates]


class _Dropped(NamedTuple):
    """Which rows of a table are not stored, bool [rows]; `ahead` those whose own moment lies behind the request."""

    rows: pa.Array
    ahead: pa.Array


def erase(connection: DuckDBPyConnection, batch: Batch, new: Collection[str]) -> KeptBatch:
    """Fulfil the requests of a batch, and leave out what it brings of anybody who ever asked.

    1. Take out of the tables what its new requests name.
    2. Find which users of the batch asked, now or before, and how far their requests reach.
    3. Leave out events and flags within that reach, and copies of what was erased.
    4. Note what was left out, keep fingerprints of what clocks put behind the request, and count what was taken out
       where it had been read.

    Its dead letters wait for `keep_letters`: storing the events makes some more.

    Args:
        connection: Inside the ingest transaction, the batch's requests stored.
        batch: What was decoded.
        new: Event ids of those requests that the log did not hold before.
    """
    events: dict[type[Event], pa.Table] = {kind: batch.tables[kind] for kind in (ResponseServed, ReactionChanged)}
    if not any_requests(connection):
        return KeptBatch(events, batch.flags)
    requests, asked = _latest(batch.tables[ErasureRequested], {*new})
    # Before anything of the batch is stored: `fresh` says that whatever is there came before the request.
    removed = forget(connection, requests, fresh=True) if requests else Removed()
    limits = erased_until(connection, _users(batch))
    dropped: list[Coordinates] = []
    noted: list[Noted] = []
    ahead: list[tuple[str, bytes]] = []
    for kind, table in events.items() if limits else ():
        found = _dropped(connection, table, MOMENT_OF[kind], limits, asked)
        gone = table.filter(found.rows)
        dropped += places(gone)
        noted += by_user("dropped", TABLES[kind], gone["user_id"].to_pylist())
        ahead += ids_by_user(table.filter(found.ahead))
        events[kind] = table.filter(pc.invert(found.rows))
    flags = [flag for flag in batch.flags if _is_later(flag, limits)]
    note(connection, noted)
    remember(connection, ahead)
    count_erased(connection, removed)
    return KeptBatch(events, flags, limits, removed, dropped, len(batch.flags) - len(flags))


def keep_letters(connection: DuckDBPyConnection, letters: list[DeadLetter], limits: Mapping[str, Limit]) -> KeptLetters:
    """Leave out dead letters of users who ever asked, and copies of letters that were taken out; note whose they were.

    Args:
        connection: Inside the ingest transaction.
        letters: Of a batch, those included that storing its events made.
        limits: As `erase` found them.
    """
    if not letters or not any_requests(connection):
        return KeptLetters(letters, [])
    known = remembered(connection, (letter.body for letter in letters))
    found = KeptLetters([], [])
    users: list[str] = []
    for letter in letters:
        asked = [user for user in letter.users if user in limits]
        if asked or letter.body in known:
            found.dropped.append(letter.coordinates)
            users += asked[:1]
        else:
            found.kept.append(letter)
    note(connection, by_user("dropped", "dead_letters", users))
    return found


def _users(batch: Batch) -> set[str | None]:
    """Everybody whom a batch names."""
    users: set[str | None] = {user for letter in batch.dead for user in letter.users}
    users |= {flag.user_id for flag in batch.flags}
    for table in batch.tables.values():
        users.update(pc.unique(table["user_id"]).to_pylist())
    return users


def _dropped(
    connection: DuckDBPyConnection,
    table: pa.Table,
    moment: str,
    limits: Mapping[str, Limit],
    asked: Mapping[str, Coordinates],
) -> _Dropped:
    """Which events are not stored: those that a request covers, and copies of erased ones."""
    by_moment, covered = covered_by(table, moment, limits)
    covered = pc.or_(covered, _read_before(table, moment, limits, asked))
    theirs = table.filter(pc.is_in(table["user_id"], pa.array(list(limits))))
    known = remembered(connection, (each.encode() for each in theirs["event_id"].to_pylist()))
    copies = pc.is_in(table["event_id"], pa.array([each.decode() for each in known], pa.string()))
    return _Dropped(pc.or_(covered, copies), pc.and_not(covered, by_moment))


def _read_before(
    table: pa.Table, moment: str, limits: Mapping[str, Limit], asked: Mapping[str, Coordinates]
) -> pa.Array:
    """Which events carry the stamp of their user's request, are ahead of it, and were read before the request."""
    ahead = pc.greater(table[moment], table[RECEIVED]).to_pylist() if asked else []
    found = [False] * table.num_rows
    for row in (row for row, is_ahead in enumerate(ahead) if is_ahead):
        each = table.slice(row, 1)
        user, here = each["user_id"][0].as_py(), places(each)[0]
        place = asked.get(user)
        if place is not None and place.is_same_partition(here) and here < place:
            found[row] = each[RECEIVED][0].as_py() == limits[user].received_at
    return pa.array(found, pa.bool_())


def _is_later(flag: Flag, limits: Mapping[str, Limit]) -> bool:
    """Whether a flag of the live guard is about anything later than its user's request."""
    limit = limits.get(flag.user_id) if flag.user_id else None
    return limit is None or flag.flagged_at > max(limit.requested_at, limit.received_at or limit.requested_at)


def _latest(requests: pa.Table, new: Collection[str]) -> tuple[dict[str, Limit], dict[str, Coordinates]]:
    """How far the new requests of a batch reach, by user; and where the last one was read."""
    latest: dict[str, Limit] = {}
    asked: dict[str, Coordinates] = {}
    columns = (requests[name].to_pylist() for name in ("event_id", "user_id", "requested_at", RECEIVED))
    for place, (event_id, user, requested_at, received_at) in zip(
        places(requests), zip(*columns, strict=True), strict=True
    ):
        if event_id in new:
            before = latest.get(user, Limit(requested_at, received_at))
            assert before.received_at is not None
            latest[user] = Limit(max(before.requested_at, requested_at), max(before.received_at, received_at))
            asked[user] = place
    return latest, asked


def hashed(requests: pa.Table) -> pa.Table:
    """Erasure events as rows of the table `erasures`: the hash in place of the user, no field that could name one."""
    hashes = pa.array([user_hash(user) for user in requests["user_id"].to_pylist()], pa.string())
    place = requests.column_names.index("user_id")
    return requests.set_column(place, "user_hash", hashes).drop_columns(["extra"])


def any_requests(connection: DuckDBPyConnection) -> bool:
    """Whether there ever was a request: without one, erasure costs a batch nothing."""
    return connection.execute("SELECT 1 FROM erasures LIMIT 1").fetchone() is not None


def erased_until(connection: DuckDBPyConnection, users: Iterable[str | None]) -> dict[str, Limit]:
    """Those of some users who asked to be erased, and how far their requests reach."""
    connection.register("arrived_users", pa.table({"user_id": pa.array(sorted({u for u in users if u}), pa.string())}))
    found = connection.execute(
        f"""SELECT user_id, max(requested_at), max(received_at) FROM arrived_users
        JOIN erasures ON erasures.user_hash = sha256('{SALT}' || user_id) GROUP BY user_id"""
    ).fetchall()
    connection.unregister("arrived_users")
    return {user: Limit(*limit) for user, *limit in found}


def covered_by(
    table: pa.Table, moment: str, until: Mapping[str, Limit]
) -> tuple[pa.ChunkedArray | pa.Array, pa.ChunkedArray | pa.Array]:
    """Which events requests cover: bool[rows] by their own moments alone, and bool[rows] all of them.

    Args:
        table: With user_id, received_at and the column `moment`.
        moment: Name of the column that says when an event happened.
        until: As `erased_until` gives it; not empty.
    """
    place = pc.index_in(table["user_id"], pa.array(list(until)))
    limits = [pa.array(values, pa.timestamp("us", "UTC")) for values in zip(*until.values(), strict=True)]
    requested, received = (limit.take(place) for limit in limits)
    by_moment = pc.fill_null(pc.less_equal(table[moment], requested), False)
    by_receipt = pc.fill_null(pc.less(table[RECEIVED], received), False)
    return by_moment, pc.or_(by_moment, by_receipt)
