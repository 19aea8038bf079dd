"""Questions that reports ask the warehouse: counts, clean feedback in numbers, the lift ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warehouse import connection, maturity, uncounted_feedback
from warehouse.storage.sql_files import query

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection


WAITING_ALARM_HOURS = 24.0
"""A reaction that waits longer than this for its response is a sign that responses are lost on the way."""


def counts(
    path: str | Path, *, as_of: datetime | None = None, alarm_hours: float = WAITING_ALARM_HOURS
) -> dict[str, Any]:
    """What the warehouse holds and what ingest did with what it read.

    Args:
        path: The warehouse.
        as_of: The moment up to which the age of waiting reactions is taken; now if left out.
        alarm_hours: Reactions that wait longer are counted in `waiting_too_long`.

    Returns:
        `responses`, `reactions`, `erasures` and their sum `rows`; `messages` and `events` read; `duplicates_dropped`;
        `dead_letters` and `dead_letters_by_reason`; `erased`, so that events = rows + duplicates_dropped +
        dead_letters + erased; `erasures_by_hand` (requests that were no events) and `erasures_pending`; `retractions`
        (changes that removed a reaction); `late_joined` (reactions read before their response, and joined since) and
        `waiting` (those still without one), with `waiting_since` (None for none) and `waiting_too_long`;
        `quarantined_users`, `quarantined_reactions`, `flags_by_rule`; what `uncounted_feedback.count` says;
        `last_served_at`; `schema_version`; `positions`.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    with connection.open(path).read() as reader:
        found = _row(reader, query(__file__, "counts"))
        found["rows"] = found["responses"] + found["reactions"] + found["erasures"]
        found["dead_letters_by_reason"] = _pairs(
            reader, "SELECT reason, count(*) FROM dead_letters WHERE redriven_at IS NULL GROUP BY ALL ORDER BY ALL"
        )
        found |= _row(reader, _WAITING, {"moment": as_of or datetime.now(UTC), "hours": alarm_hours})
        found["flags_by_rule"] = _pairs(
            reader, "SELECT source || ': ' || rule, count(*) FROM flags GROUP BY ALL ORDER BY ALL"
        )
        found |= uncounted_feedback.count(reader)
        found["positions"] = reader.execute("FROM ingest_positions ORDER BY ALL").to_arrow_table().to_pylist()
    return found


def waiting_warning(counted: Mapping[str, Any]) -> str | None:
    """One line when reactions have been waiting for too long, from what `counts` found; None when all is well.

    >>> waiting_warning({"waiting": 3, "waiting_too_long": 0, "waiting_since": None}) is None
    True
    """
    if not counted["waiting_too_long"]:
        return None
    return (
        f"{counted['waiting_too_long']:,} of {counted['waiting']:,} waiting reactions have waited too long for their "
        f"response, the oldest since {counted['waiting_since'].isoformat(timespec='minutes')}: responses are lost on "
        "the way, or their response_id differs; compare the dead letters and the producer of response_served"
    )


def clean_feedback_summary(
    path: str | Path, *, as_of: datetime | None = None, maturity_hours: float = 24.0, positive: str = "love"
) -> dict[str, Any]:
    """The clean feedback in numbers; with `positive` "like", a like counts among the loves.

    Returns:
        `rows` (the denominator), `users`, `loves`, `love_rate`, `likes`, `dislikes`; `served` of which `immature` and
        `excluded` (of users in quarantine) are left out.
    """
    moment = {"moment": as_of or datetime.now(UTC), "hours": maturity.age(maturity_hours)}
    with connection.open(path).read() as reader:
        found = _row(reader, query(__file__, "clean_feedback_summary"), moment | {"positive": positive})
    found["excluded"] = found["served"] - found["immature"] - found["rows"]
    return found


def feedback_marks(path: str | Path, *, maturity_hours: float = 24.0, positive: str = "love") -> pa.Table:
    """The clean feedback without its texts, in the order of a training set; `positive` as `clean_feedback_summary`.

    Returns:
        Columns user_id, served_at (microseconds since 1970), love, up (love or like), dislike; prompt: a number for
        each distinct conversation in which the user spoke last, NULL for any other; opening: a hash of the first two
        messages, the same for all turns of a dialogue (`training.reward.data.opening`).
    """
    return _table(
        path,
        query(__file__, "feedback_marks"),
        {"moment": datetime.now(UTC), "hours": maturity.age(maturity_hours), "positive": positive},
    )


def love_by_day(
    path: str | Path, *, as_of: datetime | None = None, maturity_hours: float = 24.0, without: Sequence[str] = ()
) -> pa.Table:
    """Clean feedback by day of serving (UTC): columns day (date), exposures, loves, sorted.

    Args:
        path: The warehouse.
        as_of: The moment at which feedback counts; now if left out.
        maturity_hours: Younger responses are left out.
        without: Experiments whose exposures are left out: their arms would blur the log's own rate.
    """
    return _table(
        path,
        """SELECT CAST(served_at AS DATE) AS day, count(*) AS exposures, count(*) FILTER (love) AS loves
        FROM clean_feedback_at(CAST($moment AS TIMESTAMPTZ), $hours)
        WHERE NOT coalesce(list_contains(CAST($without AS VARCHAR[]), experiment), false) GROUP BY day ORDER BY day""",
        {"moment": as_of or datetime.now(UTC), "hours": maturity.age(maturity_hours), "without": list(without)},
    )


def append_ledger(path: str | Path, entry: Mapping[str, Any]) -> None:
    """Write one row of the lift ledger; an earlier row of the same candidate and experiment is replaced.

    Args:
        path: The warehouse.
        entry: `experiments.ledger.Row` as a mapping: `candidate`, `experiment`, and what was predicted and measured.
    """
    key = [entry["candidate"], entry["experiment"]]
    with connection.open(path).transaction() as writer:
        writer.execute("DELETE FROM lift_ledger WHERE candidate = ? AND experiment = ?", key)
        values = [*key, datetime.now(UTC), json.dumps(dict(entry), default=str)]
        writer.execute("INSERT INTO lift_ledger VALUES (?, ?, ?, ?)", values)


def ledger(path: str | Path) -> list[dict[str, Any]]:
    """The lift ledger, oldest first: candidate, experiment, recorded_at (ISO, UTC) and the entry's own keys."""
    with connection.open(path).read() as reader:
        rows = reader.execute("SELECT * FROM lift_ledger ORDER BY recorded_at, candidate, experiment").fetchall()
    return [
        {
            **json.loads(entry),
            "candidate": candidate,
            "experiment": experiment,
            "recorded_at": moment.astimezone(UTC).isoformat(),
        }
        for candidate, experiment, moment, entry in rows
    ]


_WAITING = """
SELECT
    min(reacted_at) AS waiting_since,
    count(*) FILTER (epoch(waited) > $hours * 3600) AS waiting_too_long
FROM waiting_reactions_at(CAST($moment AS TIMESTAMPTZ))
"""


def _table(path: str | Path, asked: str, parameters: dict[str, Any]) -> pa.Table:
    with connection.open(path).read() as reader:
        return reader.execute(asked, parameters).to_arrow_table()


def _row(reader: DuckDBPyConnection, asked: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
    row: dict[str, Any] = reader.execute(asked, parameters or {}).to_arrow_table().to_pylist()[0]
    return row


def _pairs(reader: DuckDBPyConnection, asked: str) -> dict[str, int]:
    return {name: int(number) for name, number in reader.execute(asked).fetchall()}
