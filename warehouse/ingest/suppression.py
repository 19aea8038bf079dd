"""Erased users: what they did until they asked leaves the tables, and does not come back when the log is read again.

The tables stay a function of the log. A request covers an event with a moment at or before the user's latest request,
and one that was received before a request was (`erased_rows`); it is taken out when it is stored already and dropped
when it comes later, and the flags that leaned on it are asked anew, so that the order of arrival does not matter. A
dead letter has no moment to go by: those of an erased user go, whenever they come. Later events of the same user count
again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from warehouse.ingest.columns import RECEIVED
from warehouse.ingest.erased_rows import (
    MOMENTS,
    SALT,
    Limit,
    Noted,
    Removed,
    by_user,
    count_erased,
    forget,
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


class Erasing:
    """What one ingest transaction does for erased users.

    Attributes:
        until: The erased users that the batch speaks of, and how far their requests reach.
        removed: What requests of this batch took out of the tables.
        dropped: Where the lines were read that are not stored because their user had asked.
        flags: How many flags of the live guard were not stored for that reason.
    """

    def __init__(
        self,
        connection: DuckDBPyConnection,
        until: Mapping[str, Limit],
        removed: Removed,
        asked: Mapping[str, Coordinates],
    ) -> None:
        self._connection, self.until, self.removed, self._asked = connection, until, removed, asked
        self.dropped: list[Coordinates] = []
        self.flags = 0
        self._noted: list[Noted] = []
        self._ahead: list[tuple[str, bytes]] = []

    @classmethod
    def begin(cls, connection: DuckDBPyConnection, requests: pa.Table, new: Collection[str], batch: Batch) -> Erasing:
        """Take out what the batch's requests name, and find whom of its users nothing more is to be stored.

        Args:
            connection: Inside the ingest transaction, the batch's requests stored.
            requests: The batch's requests with their user ids.
            new: Event ids of those requests that the log did not hold before.
            batch: What was decoded.
        """
        if not any_requests(connection):
            return cls(connection, {}, Removed(), {})
        fresh, asked = _latest(requests, {*new}) if requests.num_rows else ({}, {})
        removed = forget(connection, fresh, fresh=True) if fresh else Removed()
        users: set[str | None] = {user for letter in batch.dead for user in letter.users}
        users |= {flag.user_id for flag in batch.flags}
        for table in batch.tables.values():
            users.update(pc.unique(table["user_id"]).to_pylist())
        return cls(connection, erased_until(connection, users), removed, asked)

    def kept(self, name: str, table: pa.Table) -> pa.Table:
        """What of a batch's events may be stored in the table `name`."""
        if not self.until or not table.num_rows:
            return table
        by_moment, covered = covered_by(table, MOMENTS[name], self.until)
        covered = pc.or_(covered, self._read_before(table, MOMENTS[name]))
        theirs = table.filter(pc.is_in(table["user_id"], pa.array(list(self.until))))
        known = remembered(self._connection, (each.encode() for each in theirs["event_id"].to_pylist()))
        copies = pc.is_in(table["event_id"], pa.array([each.decode() for each in known], pa.string()))
        goes = pc.or_(covered, copies)
        gone, ahead = table.filter(goes), table.filter(pc.and_not(covered, by_moment))
        columns = (ahead["user_id"].to_pylist(), ahead["event_id"].to_pylist())
        self._ahead += [(user, event_id.encode()) for user, event_id in zip(*columns, strict=True)]
        self.dropped += places(gone)
        self._noted += by_user("dropped", name, gone["user_id"].to_pylist())
        return table.filter(pc.invert(goes))

    def _read_before(self, table: pa.Table, moment: str) -> pa.Array:
        """Which events carry the stamp of their user's request, are ahead of it, and were read before the request."""
        ahead = pc.greater(table[moment], table[RECEIVED]).to_pylist() if self._asked else []
        found = [False] * table.num_rows
        for row in (row for row, is_ahead in enumerate(ahead) if is_ahead):
            each = table.slice(row, 1)
            user, here = each["user_id"][0].as_py(), places(each)[0]
            asked = self._asked.get(user)
            if asked is not None and asked[:2] == here[:2] and here < asked:
                found[row] = each[RECEIVED][0].as_py() == self.until[user].received_at
        return pa.array(found, pa.bool_())

    def kept_dead(self, dead: list[DeadLetter]) -> list[DeadLetter]:
        """Dead letters of users who never asked to be erased, and no copies of letters that were taken out."""
        if not dead or not any_requests(self._connection):
            return dead
        known = remembered(self._connection, (letter.body for letter in dead))
        kept, users = [], []
        for letter in dead:
            asked = [user for user in letter.users if user in self.until]
            if asked or letter.body in known:
                self.dropped.append(letter.coordinates)
                users += asked[:1]
            else:
                kept.append(letter)
        self._noted += by_user("dropped", "dead_letters", users)
        return kept

    def kept_flags(self, flags: list[Flag]) -> list[Flag]:
        """Flags of the live guard about anything later than their user's request."""
        limits = [self.until.get(flag.user_id) if flag.user_id else None for flag in flags]
        ends = [limit and max(limit.requested_at, limit.received_at or limit.requested_at) for limit in limits]
        kept = [flag for flag, end in zip(flags, ends, strict=True) if end is None or flag.flagged_at > end]
        self.flags = len(flags) - len(kept)
        return kept

    def end(self, connection: DuckDBPyConnection) -> None:
        """Note what was dropped, and count what was taken out where it had been read."""
        note(connection, self._noted)
        remember(connection, self._ahead)
        count_erased(connection, self.removed)


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
    """Whether anybody ever asked: where nobody did, nothing here costs anything."""
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
