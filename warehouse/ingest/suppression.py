"""Erased users: what they did until they asked leaves the tables, and does not come back when the log is read again.

The tables stay a function of the log. An event of an erased user is one with a moment at or before the user's latest
request; it is taken out when it is stored already and dropped when it comes later, and the flags that leaned on it are
asked anew, so that the order of arrival does not matter. A dead letter has no moment to go by: those of an erased user
go, whenever they come. Later events of the same user count again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from warehouse.adversary.daily import days
from warehouse.ingest import positions
from warehouse.ingest.records import Coordinates, DeadLetter

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from streams.live.messages import Flag
    from warehouse.ingest.decoding import Batch

SALT = "loveloop-erasure:"
MOMENTS = {"responses": "served_at", "reactions": "reacted_at"}
"""The tables of users' events, and the column that says when each happened."""
_PLACE = "kafka_topic, kafka_partition, kafka_offset, kafka_line"


@dataclass
class Removed:
    """What an erasure took out of the tables.

    Attributes:
        rows: Whole rows of `responses` and `reactions`.
        dead: Where the dead letters had been read that still counted as such (not those that were judged again).
    """

    rows: dict[str, pa.Table] = field(default_factory=dict)
    dead: list[Coordinates] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.dead) or any(table.num_rows for table in self.rows.values())

    def counts(self) -> dict[str, int]:
        """How many went, by table; tables that lost nothing are left out."""
        found = {name: table.num_rows for name, table in self.rows.items()} | {"dead_letters": len(self.dead)}
        return {name: rows for name, rows in found.items() if rows}


class Erasing:
    """What one ingest transaction does for erased users.

    Attributes:
        until: The erased users that the batch speaks of, with the moment of their latest request.
        removed: What requests of this batch took out of the tables.
        dropped: Where the lines were read that are not stored because their user had asked.
        flags: How many flags of the live guard were not stored for that reason.
    """

    def __init__(self, until: Mapping[str, datetime], removed: Removed) -> None:
        self.until, self.removed = until, removed
        self.dropped: list[Coordinates] = []
        self.flags = 0
        self._noted: list[tuple[str, str, str, int]] = []

    @classmethod
    def begin(cls, connection: DuckDBPyConnection, requests: pa.Table, batch: Batch) -> Erasing:
        """Take out what the batch's requests name, and find whom of its users nothing more is to be stored.

        Args:
            connection: Inside the ingest transaction, the batch's requests stored and registered as `new_erasures`.
            requests: The batch's requests with their user ids.
            batch: What was decoded.
        """
        if not any_requests(connection):
            return cls({}, Removed())
        removed = forget(connection, _fresh(connection, requests)) if requests.num_rows else Removed()
        users: set[str | None] = {letter.user_id for letter in batch.dead} | {flag.user_id for flag in batch.flags}
        for table in batch.tables.values():
            users.update(pc.unique(table["user_id"]).to_pylist())
        return cls(erased_until(connection, users), removed)

    def kept(self, name: str, table: pa.Table) -> pa.Table:
        """What of a batch's events may be stored in the table `name`."""
        rest, gone = split(table, MOMENTS[name], self.until)
        self.dropped += places(gone)
        self._noted += _by_user("dropped", name, gone["user_id"].to_pylist())
        return rest

    def kept_dead(self, dead: list[DeadLetter]) -> list[DeadLetter]:
        """Dead letters of users who never asked to be erased."""
        gone = [letter for letter in dead if letter.user_id in self.until]
        self.dropped += [letter.coordinates for letter in gone]
        self._noted += _by_user("dropped", "dead_letters", (letter.user_id or "" for letter in gone))
        return [letter for letter in dead if letter.user_id not in self.until] if gone else dead

    def kept_flags(self, flags: list[Flag]) -> list[Flag]:
        """Flags of the live guard about anything later than their user's request."""
        limits = [self.until.get(flag.user_id) if flag.user_id else None for flag in flags]
        kept = [flag for flag, limit in zip(flags, limits, strict=True) if limit is None or flag.flagged_at > limit]
        self.flags = len(flags) - len(kept)
        return kept

    def end(self, connection: DuckDBPyConnection) -> None:
        """Note what was dropped, and count what was taken out where it had been read."""
        note(connection, self._noted)
        settle(connection, self.removed)


def settle(connection: DuckDBPyConnection, removed: Removed) -> None:
    """Count rows and dead letters that were taken out as erased, where they had been read."""
    if removed:
        rows = [place for table in removed.rows.values() for place in places(table)]
        positions.move_to_erased(connection, rows, removed.dead)


def _fresh(connection: DuckDBPyConnection, requests: pa.Table) -> dict[str, datetime]:
    """The latest moment by user, of those requests that the batch added to the log."""
    new = {row[0] for row in connection.execute("SELECT CAST(event_id AS VARCHAR) FROM new_erasures").fetchall()}
    latest: dict[str, datetime] = {}
    for row in requests.select(["event_id", "user_id", "requested_at"]).to_pylist():
        if row["event_id"] in new:
            latest[row["user_id"]] = max(row["requested_at"], latest.get(row["user_id"], row["requested_at"]))
    return latest


def user_hash(user_id: str) -> str:
    """What remains of an erased user's id.

    >>> user_hash("ann")[:16]
    'aa6bc49e45611750'
    """
    return hashlib.sha256(f"{SALT}{user_id}".encode()).hexdigest()


def hashed(requests: pa.Table) -> pa.Table:
    """Erasure events as rows of the table `erasures`: the hash in place of the user, no field that could name one."""
    hashes = pa.array([user_hash(user) for user in requests["user_id"].to_pylist()], pa.string())
    place = requests.column_names.index("user_id")
    return requests.set_column(place, "user_hash", hashes).drop_columns(["extra"])


def any_requests(connection: DuckDBPyConnection) -> bool:
    """Whether anybody ever asked: where nobody did, nothing here costs anything."""
    return connection.execute("SELECT 1 FROM erasures LIMIT 1").fetchone() is not None


def erased_until(connection: DuckDBPyConnection, users: Iterable[str | None]) -> dict[str, datetime]:
    """Those of some users who asked to be erased, with the moment of their latest request."""
    connection.register("arrived_users", pa.table({"user_id": pa.array(sorted({u for u in users if u}), pa.string())}))
    found = connection.execute(
        f"""SELECT user_id, max(requested_at) FROM arrived_users
        JOIN erasures ON erasures.user_hash = sha256('{SALT}' || user_id) GROUP BY user_id"""
    ).fetchall()
    connection.unregister("arrived_users")
    return dict(found)


def split(table: pa.Table, moment: str, until: Mapping[str, datetime]) -> tuple[pa.Table, pa.Table]:
    """A table of events without those of erased users, and those.

    Args:
        table: With user_id and the column `moment`.
        moment: Name of the column that says when an event happened.
        until: As `erased_until` gives it.
    """
    if not until:
        return table, table.slice(0, 0)
    users, limits = pa.array(list(until)), pa.array(list(until.values()), pa.timestamp("us", "UTC"))
    limit = limits.take(pc.index_in(table["user_id"], users))
    gone = pc.fill_null(pc.less_equal(table[moment], limit), False)
    return table.filter(pc.invert(gone)), table.filter(gone)


def places(table: pa.Table) -> list[Coordinates]:
    """Where rows were read."""
    columns = [table[name].to_pylist() for name in _PLACE.split(", ")]
    return [Coordinates(*row) for row in zip(*columns, strict=True)]


def forget(connection: DuckDBPyConnection, requests: Mapping[str, datetime]) -> Removed:
    """Take out of the tables what users did until they asked.

    1. Take responses and reactions out, and dead letters whenever they came.
    2. Take away what the live guard, the daily job and people said of them, whenever they did, and the flags of the
       reactions that went or that lost their response.
    3. Note what went, in numbers, and which experiments and policies had served these users.

    The flags of what remains are not asked anew yet: `touch` hands what went to `online.flag`.

    Args:
        connection: Inside a transaction.
        requests: User ids with the moment of their latest request.
    """
    limits = pa.array(list(requests.values()), pa.timestamp("us", "UTC"))
    connection.register(
        "requests", pa.table({"user_id": pa.array(list(requests), pa.string()), "requested_at": limits})
    )
    removed = Removed({name: _take_out(connection, name, moment) for name, moment in MOMENTS.items()})
    mine = "WHERE user_id IN (SELECT user_id FROM requests)"
    dead = connection.execute(f"SELECT {_PLACE}, user_id, redriven_at FROM dead_letters {mine}").fetchall()
    removed.dead = [Coordinates(*row[:4]) for row in dead if row[5] is None]
    if dead:
        connection.execute(f"DELETE FROM dead_letters {mine}")
    _drop_flags(connection, removed)
    days.forget(connection)
    for table in ("quarantine_decisions", "group_loves", "group_members"):
        connection.execute(f"DELETE FROM {table} WHERE user_id IN (SELECT user_id FROM requests)")
    note(connection, [*effects(removed), *_by_user("table", "dead_letters", (row[4] for row in dead))])
    connection.unregister("requests")
    return removed


def _take_out(connection: DuckDBPyConnection, name: str, moment: str) -> pa.Table:
    mine = f"{name}.user_id = requests.user_id AND {moment} <= requests.requested_at"
    rows = connection.execute(
        f"SELECT {name}.* REPLACE (CAST(event_id AS VARCHAR) AS event_id) FROM {name} JOIN requests ON {mine}"
    ).to_arrow_table()
    if rows.num_rows:
        connection.execute(f"DELETE FROM {name} USING requests WHERE {mine}")
    return rows


def _drop_flags(connection: DuckDBPyConnection, removed: Removed) -> None:
    connection.execute(
        """DELETE FROM flags USING requests
        WHERE flags.user_id = requests.user_id
            AND (source = 'periodic' OR source = 'live' AND flagged_at <= requests.requested_at)"""
    )
    for name, of in {"event_id": "reactions", "response_id": "responses"}.items():
        if removed.rows[of].num_rows:
            connection.register("gone", removed.rows[of].select([name]))
            connection.execute(
                f"""DELETE FROM flags WHERE source = 'ingest' AND subject = 'reaction'
                AND CAST({name} AS VARCHAR) IN (SELECT {name} FROM gone)"""
            )
            connection.unregister("gone")


def touch(connection: DuckDBPyConnection, removed: Removed) -> None:
    """Add what went to the tables `new_responses` and `new_reactions`, which tell `online.flag` where to look again.

    Conversations are left out: no rule reads them there, and a batch has them in another shape than the table.
    """
    for name, rows in removed.rows.items():
        if rows.num_rows:
            fresh = connection.execute(f"FROM new_{name}").to_arrow_table()
            fresh = fresh.select([each for each in fresh.column_names if each != "conversation"])
            gone = rows.select(fresh.column_names).cast(fresh.schema)
            connection.unregister(f"new_{name}")
            connection.register(f"new_{name}", pa.concat_tables([fresh, gone]))


def effects(removed: Removed) -> list[tuple[str, str, str, int]]:
    """What went, as rows (user_hash, kind, name, amount) of the table `erasure_effects`."""
    found: Counter[tuple[str, str, str]] = Counter()
    for name, rows in removed.rows.items():
        for row in rows.select(
            [c for c in ("user_id", "experiment", "arm", "policy") if c in rows.column_names]
        ).to_pylist():
            who = user_hash(row["user_id"])
            found[who, "table", name] += 1
            if row.get("experiment"):
                found[who, "experiment", f"{row['experiment']}/{row['arm']}"] += 1
            if row.get("policy"):
                found[who, "policy", row["policy"]] += 1
    return [(*key, amount) for key, amount in found.items()]


def _by_user(kind: str, name: str, users: Iterable[str]) -> list[tuple[str, str, str, int]]:
    return [(user_hash(user), kind, name, amount) for user, amount in Counter(users).items()]


def note(connection: DuckDBPyConnection, rows: Iterable[tuple[str, str, str, int]]) -> None:
    """Write rows of `erasure_effects`."""
    columns = list(zip(*rows, strict=True))
    if columns:
        names = ("user_hash", "kind", "name", "amount")
        connection.register("noted", pa.table(dict(zip(names, map(pa.array, columns), strict=True))))
        connection.execute("INSERT INTO erasure_effects SELECT *, now() FROM noted")
        connection.unregister("noted")
