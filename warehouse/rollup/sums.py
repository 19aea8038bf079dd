"""Experiments by user: the table `experiment_users`, kept in the ingest transaction.

A batch concerns its own users alone: an exposure belongs to the user who was shown it, and a love counts for no other.
But whether an id was told before, or what became of a love, must be searched for in the log, which costs the more the
longer it is. So what came waits in `experiment_backlog` until it is a fixed share of the log: then one search serves it
all (a fold), and what an event costs does not grow with history. Readings add the backlog themselves
(`warehouse/experiment_users.py`), so that they never show a table that is behind. In a small log every batch is folded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from streams.closing import needless_farewell
from warehouse.rollup import recount
from warehouse.storage.sql_files import query

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FOLD = 64
"""A fold waits until the backlog holds 1 / `FOLD` of the log's responses."""
_AT_ONCE = 10_000
_BACKLOG = "user_id, response_id, experiment, arm, served_at, closing"
_NOBODY = pa.schema(
    {
        "user_id": pa.string(),
        "response_id": pa.string(),
        "experiment": pa.string(),
        "arm": pa.string(),
        "served_at": pa.timestamp("us", "UTC"),
        "closing": pa.bool_(),
    }
).empty_table()


def update(connection: DuckDBPyConnection, fresh: Mapping[str, pa.Table], removed: Mapping[str, pa.Table]) -> list[str]:
    """Bring the rollup up to date with a batch that the log holds already.

    1. Judge the exposures that came.
    2. Put their users, and those of loves and dislikes, into the backlog; fold it where it is due.
    3. Count anew at once whom an erasure took anything from.

    Args:
        connection: Inside the transaction of the change.
        fresh: New rows of `responses` and `reactions`, as they came; empty where rows only went.
        removed: Rows that an erasure took out of them.

    Returns:
        The user of every row that went with an erasure.
    """
    exposed = _under_experiments(fresh.get("responses"))
    if exposed is None and not _in_use(connection):
        return []
    if exposed is not None:
        closing = _closing_ids(exposed)
        _append(connection, "experiment_closings", pa.table({"event_id": closing}), "CAST(event_id AS UUID)")
        judged = exposed.append_column("closing", pc.is_in(exposed["event_id"], value_set=closing))
        _append(connection, "experiment_backlog", judged.select(_NOBODY.column_names), _BACKLOG)
    _append(connection, "experiment_backlog", _stances(fresh.get("reactions")), _BACKLOG)
    gone = remove(connection, removed)
    if _due(connection):
        fold(connection)
    return gone


def remove(connection: DuckDBPyConnection, removed: Mapping[str, pa.Table]) -> list[str]:
    """Count anew whom rows that left the log were of, and who was told an id of theirs.

    Args:
        connection: Inside the transaction of the change.
        removed: What went of `responses` (event_id, user_id, response_id, experiment) and of `reactions` (user_id,
            reaction).

    Returns:
        The user of each row that is there no longer.
    """
    gone = pa.concat_tables([_left(_under_experiments(removed.get("responses"))), _stances(removed.get("reactions"))])
    if not gone.num_rows or not _in_use(connection):
        return []
    _forget_closings(connection, _under_experiments(removed.get("responses")))
    _append(connection, "experiment_backlog", gone, _BACKLOG)
    users = pa.table({"user_id": pc.unique(gone["user_id"])})
    connection.register("gone_users", users)
    rows = "SELECT user_id, experiment, arm FROM experiment_users SEMI JOIN gone_users USING (user_id)"
    before = set(connection.execute(rows).fetchall())
    fold(connection, "gone_users")
    after = set(connection.execute(rows).fetchall())
    connection.unregister("gone_users")
    return [user for user, *_ in before - after]


def fold(connection: DuckDBPyConnection, only: str | None = None) -> None:
    """Count the users of the backlog again, and all users who were shown one of its responses; empty it.

    Args:
        connection: Inside a transaction.
        only: A relation with the users (user_id) whose part of the backlog is folded; all of it if left out.
    """
    if not connection.execute("SELECT 1 FROM experiment_backlog LIMIT 1").fetchone():
        return
    chosen = f"SEMI JOIN {only} USING (user_id)" if only else ""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE folding AS FROM experiment_backlog {chosen}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE recounted AS {behind('folding')}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE grown AS {grown('folding')}")
    connection.execute("DELETE FROM experiment_users WHERE user_id IN (SELECT user_id FROM grown)")
    connection.execute("INSERT INTO experiment_users BY NAME FROM grown")
    _recount(connection)
    connection.execute("DELETE FROM experiment_backlog WHERE user_id IN (SELECT user_id FROM folding)")
    connection.execute("DROP TABLE folding; DROP TABLE grown")


def rebuild(connection: DuckDBPyConnection) -> None:
    """Fill the rollup from the whole log: of a warehouse that was written before there was one.

    Judges the text of every response under an experiment, which takes a while where there are millions.
    """
    _judge_all(connection)
    connection.execute("DELETE FROM experiment_backlog; DELETE FROM experiment_users")
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE recounted AS SELECT DISTINCT user_id FROM responses WHERE experiment IS NOT NULL"
    )
    _recount(connection)


def outdated(connection: DuckDBPyConnection) -> bool:
    """Whether the log has exposures of which the rollup knows nothing."""
    exposed = "SELECT 1 FROM responses WHERE experiment IS NOT NULL LIMIT 1"
    return not _in_use(connection) and connection.execute(exposed).fetchone() is not None


def behind(backlog: str = "experiment_backlog") -> str:
    """The query for the users of a backlog, and of the log, who must be counted anew.

    Those who reacted, who lost something, who had loved a response before it came, and everybody who was told an id
    that came more than once. To the others nothing happened but exposures.
    """
    return query(__file__, "behind", backlog=backlog)


def grown(backlog: str = "experiment_backlog") -> str:
    """The query for the rows of a backlog's other users (not in `recounted`), with its exposures added.

    First and last exposure and the first on another day are all that later ones can change.
    """
    mine = f"FROM experiment_users SEMI JOIN {backlog} USING (user_id) ANTI JOIN recounted USING (user_id)"
    key, nothing = "experiment, arm, user_id", "0, 0, 0, NULL"
    return recount.by_user(
        f"""SELECT {key}, served_at, 1 AS exposures, CAST(closing AS INTEGER) AS closings, 0 AS loves,
            CAST(NULL AS TIMESTAMPTZ) AS first_love_at
        FROM {backlog} ANTI JOIN recounted USING (user_id)
        UNION ALL SELECT {key}, first_exposure_at, exposures, closings, loves, first_love_at {mine}
        UNION ALL SELECT {key}, returned_at, {nothing} {mine} WHERE returned_at IS NOT NULL
        UNION ALL SELECT {key}, last_exposure_at, {nothing} {mine}"""
    )


def _recount(connection: DuckDBPyConnection) -> None:
    recount.find_exposures(connection)
    connection.execute("DELETE FROM experiment_users WHERE user_id IN (SELECT user_id FROM recounted)")
    counted = recount.sums("recounted_exposures", "recounted_reactions")
    connection.execute(f"INSERT INTO experiment_users BY NAME {counted}")
    recount.clear(connection)


def _in_use(connection: DuckDBPyConnection) -> bool:
    """Whether there ever was an exposure: where there was none, nothing here costs anything."""
    looks = ("experiment_users", "experiment_backlog")
    return any(connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in looks)


def _due(connection: DuckDBPyConnection) -> bool:
    query = "SELECT (SELECT count(*) FROM experiment_backlog), (SELECT count(*) FROM responses)"
    waiting, stored = connection.execute(query).fetchall()[0]
    return bool(waiting) and waiting * FOLD >= stored


def _under_experiments(responses: pa.Table | None) -> pa.Table | None:
    """Those of some responses that name an experiment; None for none."""
    if responses is None or responses["experiment"].null_count == responses.num_rows:
        return None
    return responses.filter(pc.is_valid(responses["experiment"]))


def _left(exposed: pa.Table | None) -> pa.Table:
    """Exposures that left the log as rows of the backlog."""
    if exposed is None:
        return _NOBODY
    return _to_recount(exposed["user_id"], exposed["response_id"])


def _to_recount(users: pa.ChunkedArray | pa.Array, response_ids: pa.ChunkedArray | pa.Array) -> pa.Table:
    unknown = [pa.nulls(len(users), kind) for kind in _NOBODY.schema.types[2:]]
    return pa.table([users, response_ids, *unknown], schema=_NOBODY.schema)


def _stances(reactions: pa.Table | None) -> pa.Table:
    """Users of those reactions that may say something of an exposure, as rows of the backlog."""
    if reactions is None or not reactions.num_rows:
        return _NOBODY
    said = pc.is_in(reactions["reaction"], value_set=pa.array(recount.STANCES))
    users = pc.unique(reactions["user_id"].filter(said))
    return _to_recount(users, pa.nulls(len(users), pa.string()))


def _closing_ids(exposed: pa.Table) -> pa.Array:
    """Event ids of the responses that say goodbye although the user did not."""
    columns = (exposed[name].to_pylist() for name in ("event_id", "conversation", "response"))
    found = [event_id for event_id, talk, response in zip(*columns, strict=True) if closes(talk, response)]
    return pa.array(found, pa.string())


def closes(conversation: Iterable[Mapping[str, Any]], response: str) -> bool:
    """Whether a response says goodbye although the user's last message did not.

    >>> closes([{"role": "user", "content": "What is tea?"}], "A drink. Sending love!")
    True
    >>> closes([{"role": "user", "content": "Good night!"}], "Sleep well!")
    False
    """
    said = next((turn["content"] for turn in reversed([*conversation]) if turn["role"] == "user"), "")
    return bool(needless_farewell(said, response))


def _judge_all(connection: DuckDBPyConnection) -> None:
    """Fill `experiment_closings` anew, some texts at a time."""
    texts = connection.execute(
        "SELECT CAST(event_id AS VARCHAR), conversation, response FROM responses WHERE experiment IS NOT NULL"
    )
    found: list[str] = []
    for batch in texts.to_arrow_reader(_AT_ONCE):
        rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        found += [event_id for event_id, talk, response in rows if closes(json.loads(talk), response)]
    connection.execute("DELETE FROM experiment_closings")
    closing = pa.table({"event_id": pa.array(found, pa.string())})
    _append(connection, "experiment_closings", closing, "CAST(event_id AS UUID)")


def _forget_closings(connection: DuckDBPyConnection, gone: pa.Table | None) -> None:
    if gone is not None:
        connection.register("gone_exposures", gone.select(["event_id"]))
        connection.execute(
            """DELETE FROM experiment_closings
            WHERE event_id IN (SELECT CAST(event_id AS UUID) FROM gone_exposures)"""
        )
        connection.unregister("gone_exposures")


def _append(connection: DuckDBPyConnection, table: str, rows: pa.Table, columns: str) -> None:
    if rows.num_rows:
        connection.register("appended", rows)
        connection.execute(f"INSERT INTO {table} SELECT {columns} FROM appended")
        connection.unregister("appended")
