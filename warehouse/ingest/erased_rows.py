"""Taking an erased user out of the tables: whose row goes, what goes with it, and what is noted of it.

A request covers what happened until the user asked, and what was received before the request was, whatever its own
stamp: clocks run ahead. Both follow from the log alone. Of what a clock put behind the request, and of dead letters, a
fingerprint stays, so that a copy that comes later is known.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from streams.events import ReactionChanged, ResponseServed
from warehouse.adversary.daily import days
from warehouse.ingest import mentions, positions
from warehouse.ingest.columns import COORDINATES, MOMENT_OF, TABLES
from warehouse.ingest.records import Coordinates

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SALT = "loveloop-erasure:"
MOMENTS = {TABLES[kind]: MOMENT_OF[kind] for kind in (ResponseServed, ReactionChanged)}
"""The tables of users' events, and the column that says when each happened."""
_LETTER = ", ".join((*COORDINATES, "topic_id"))
_LETTER_SCHEMA = pa.schema({**COORDINATES, "topic_id": pa.string()})
_AT_ONCE = 10_000
Noted = tuple[str, str, str, int]
"""A row of `erasure_effects`: user_hash, kind, name, amount."""


class Limit(NamedTuple):
    """How far a user's requests reach.

    Attributes:
        requested_at: What happened until then goes.
        received_at: What was received before that goes; None for requests stored before this was noted.
    """

    requested_at: datetime
    received_at: datetime | None = None


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


def user_hash(user_id: str) -> str:
    """What remains of an erased user's id.

    >>> user_hash("ann")[:16]
    'aa6bc49e45611750'
    """
    return fingerprint(user_id.encode())


def fingerprint(content: bytes) -> str:
    """What remains of an erased event's id, or of a dead letter's bytes."""
    return hashlib.sha256(SALT.encode() + content).hexdigest()


def covers(name: str, moment: str, *, fresh: bool) -> str:
    """SQL: whether the row of `requests` reaches the row of the table `name`.

    Within one stamp (a pack, the files of one import) the order is unknown: what is stamped ahead of it was
    stored before a fresh request, of anything else its own moment says.
    """
    tie = f"OR {name}.received_at = requests.received_at AND {moment} > {name}.received_at" if fresh else ""
    return f"""({moment} <= requests.requested_at OR requests.received_at IS NOT NULL AND (
        {name}.received_at IS NULL OR {name}.received_at < requests.received_at {tie}
    ))"""


def forget(connection: DuckDBPyConnection, requests: Mapping[str, Limit], *, fresh: bool = False) -> Removed:
    """Take out of the tables what users did until they asked, and what was received of them before.

    1. Take responses and reactions out, and dead letters that name the users anywhere, whenever they came.
    2. Take away what the live guard, the daily job and people said of them, whenever they did, and the flags of the
       reactions that went or that lost their response.
    3. Note what went, in numbers, and which experiments and policies had served these users; and the fingerprints of
       what can only be known by them when it comes again.

    The flags of what remains are not asked anew yet: `derived.update` does that.

    Args:
        connection: Inside a transaction.
        requests: User ids with how far their requests reach.
        fresh: They come now: whatever is stored came before.
    """
    moments = [pa.array(values, pa.timestamp("us", "UTC")) for values in zip(*requests.values(), strict=True)]
    names = ("requested_at", "received_at")
    asked = {"user_id": pa.array(list(requests), pa.string())} | dict(zip(names, moments, strict=True))
    connection.register("requests", pa.table(asked))
    removed = Removed(
        {name: _take_out(connection, name, covers(name, at, fresh=fresh)) for name, at in MOMENTS.items()}
    )
    for name, moment in MOMENTS.items():
        remember(connection, ids_by_user(_ahead(removed.rows[name], moment, requests)))
    letters = _take_letters(connection, requests, removed)
    _drop_flags(connection, removed)
    days.forget(connection, "requests")
    for table in ("quarantine_decisions", "group_loves", "group_members"):
        connection.execute(f"DELETE FROM {table} WHERE user_id IN (SELECT user_id FROM requests)")
    note(connection, [*effects(removed), *by_user("table", "dead_letters", letters)])
    connection.unregister("requests")
    return removed


def _take_out(connection: DuckDBPyConnection, name: str, covered: str) -> pa.Table:
    mine = f"{name}.user_id = requests.user_id AND {covered}"
    rows = connection.execute(
        f"SELECT {name}.* REPLACE (CAST(event_id AS VARCHAR) AS event_id) FROM {name} JOIN requests ON {mine}"
    ).to_arrow_table()
    if rows.num_rows:
        connection.execute(f"DELETE FROM {name} USING requests WHERE {mine}")
    return rows


def ids_by_user(rows: pa.Table) -> list[tuple[str, bytes]]:
    """User and event_id of each row, as `remember` takes them."""
    columns = (rows[name].to_pylist() for name in ("user_id", "event_id"))
    return [(user, event_id.encode()) for user, event_id in zip(*columns, strict=True)]


def _ahead(rows: pa.Table, moment: str, requests: Mapping[str, Limit]) -> pa.Table:
    """Those rows that only their receipt puts before the request."""
    columns = (rows[name].to_pylist() for name in ("user_id", moment))
    is_ahead = [at > requests[user].requested_at for user, at in zip(*columns, strict=True)]
    return rows.filter(pa.array(is_ahead, pa.bool_()))


class _Named(NamedTuple):
    """A dead letter, whom of some users it names, and its bytes: those that came, and those that were read instead."""

    place: tuple[object, ...]
    users: list[str]
    bodies: list[bytes]
    is_open: bool


def letters_naming(connection: DuckDBPyConnection, users: Collection[str]) -> Iterator[_Named]:
    """Dead letters that are some users', or name them anywhere; the connection must not be used meanwhile."""
    sought = mentions.Sought(users)
    rows = connection.execute(f"SELECT {_LETTER}, user_id, redriven_at, body, corrected FROM dead_letters")
    while some := rows.fetchmany(_AT_ONCE):
        for *place, owner, redriven_at, body, corrected in some:
            bodies = [each for each in (body, corrected) if each is not None]
            found = set[str]().union(*(mentions.named(each, sought) for each in bodies))
            named = [user for user in users if user == owner or user in found]
            if named:
                yield _Named((*place,), named, bodies, redriven_at is None)


def _take_letters(connection: DuckDBPyConnection, users: Collection[str], removed: Removed) -> list[str]:
    """Take out the dead letters that name a user, and note in `removed` which still counted; returns their users."""
    found = list(letters_naming(connection, users))
    if found:
        names = _LETTER.split(", ")
        columns = dict(zip(names, map(list, zip(*(letter.place for letter in found), strict=True)), strict=True))
        connection.register("gone", pa.table(columns, schema=_LETTER_SCHEMA))
        same = " AND ".join(f"dead_letters.{name} IS NOT DISTINCT FROM gone.{name}" for name in names)
        connection.execute(f"DELETE FROM dead_letters USING gone WHERE {same}")
        connection.unregister("gone")
        remember(connection, [(user, each) for letter in found for user in letter.users for each in letter.bodies])
    removed.dead = [Coordinates(*letter.place[:4]) for letter in found if letter.is_open]  # type: ignore[arg-type]
    return [user for letter in found for user in letter.users]


def remember(connection: DuckDBPyConnection, things: Iterable[tuple[str, bytes]]) -> None:
    """Keep fingerprints of things (event ids, bodies of letters) of erased users."""
    rows = sorted({(user_hash(user), fingerprint(content)) for user, content in things})
    if rows:
        columns = dict(zip(("user_hash", "fingerprint"), map(list, zip(*rows, strict=True)), strict=True))
        connection.register("remembered", pa.table(columns))
        connection.execute(
            """INSERT INTO erased_copies BY NAME
            FROM remembered ANTI JOIN erased_copies USING (user_hash, fingerprint)"""
        )
        connection.unregister("remembered")


def remembered(connection: DuckDBPyConnection, contents: Iterable[bytes]) -> set[bytes]:
    """Those of some event ids, or bodies of letters, that were erased before."""
    prints = {fingerprint(content): content for content in contents}
    if not prints:
        return set()
    connection.register("arrived_prints", pa.table({"fingerprint": pa.array(list(prints), pa.string())}))
    found = connection.execute("FROM arrived_prints SEMI JOIN erased_copies USING (fingerprint)").fetchall()
    connection.unregister("arrived_prints")
    return {prints[name] for (name,) in found}


def _drop_flags(connection: DuckDBPyConnection, removed: Removed) -> None:
    connection.execute(
        """DELETE FROM flags USING requests
        WHERE flags.user_id = requests.user_id AND (
            source = 'periodic'
            OR source = 'live' AND flagged_at <= greatest(requests.requested_at, requests.received_at)
        )"""
    )
    for name, of in {"event_id": "reactions", "response_id": "responses"}.items():
        if removed.rows[of].num_rows:
            connection.register("gone", removed.rows[of].select([name]))
            connection.execute(
                f"""DELETE FROM flags WHERE source = 'ingest' AND subject = 'reaction'
                AND CAST({name} AS VARCHAR) IN (SELECT {name} FROM gone)"""
            )
            connection.unregister("gone")


def effects(removed: Removed) -> list[Noted]:
    """What went, as rows of the table `erasure_effects`."""
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


def by_user(kind: str, name: str, users: Iterable[str]) -> list[Noted]:
    """How often each user stands in a list, as rows of `erasure_effects`."""
    return [(user_hash(user), kind, name, amount) for user, amount in Counter(users).items()]


def note(connection: DuckDBPyConnection, rows: Iterable[Noted]) -> None:
    """Write rows of `erasure_effects`."""
    columns = list(zip(*rows, strict=True))
    if columns:
        names = ("user_hash", "kind", "name", "amount")
        connection.register("noted", pa.table(dict(zip(names, map(pa.array, columns), strict=True))))
        connection.execute("INSERT INTO erasure_effects SELECT *, now() FROM noted")
        connection.unregister("noted")


def count_erased(connection: DuckDBPyConnection, removed: Removed) -> None:
    """Count rows and dead letters that were taken out as erased, where they had been read."""
    if removed:
        rows = [place for table in removed.rows.values() for place in places(table)]
        positions.move_to_erased(connection, rows, removed.dead)


def places(table: pa.Table) -> list[Coordinates]:
    """Where rows were read."""
    columns = [table[name].to_pylist() for name in COORDINATES]
    return [Coordinates(*row) for row in zip(*columns, strict=True)]
