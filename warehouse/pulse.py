"""What a watcher asks every minute: how much was read, which arms tripped, how often a policy was served; days."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from warehouse import connection

if TYPE_CHECKING:
    from warehouse.connection import Target

_FIRST_DAY_SECONDS = 5.0
"""How long the question for the first day waits for a writer."""


class IngestPulse(NamedTuple):
    """How far ingest has come.

    Attributes:
        events: Event lines read, of every topic.
        dead_letters: Lines that broke the contract and were not judged again since.
        trips: Arms that the live guard switched off, each metric once.
    """

    events: int
    dead_letters: int
    trips: int


def pulse(target: Target) -> IngestPulse:
    """Three counts, none of which reads the log itself.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    with connection.open(target).read() as reader:
        found = reader.execute(
            """SELECT (SELECT coalesce(sum(events), 0)::BIGINT FROM ingest_positions),
                (SELECT count(*) FROM dead_letters WHERE redriven_at IS NULL), (SELECT count(*) FROM kill_switches)"""
        ).fetchone()
    return IngestPulse(*(found or (0, 0, 0)))


def trips(target: Target) -> list[dict[str, Any]]:
    """Arms that must not be served any more, the first tripped first: columns as table `kill_switches`."""
    with connection.open(target).read() as reader:
        rows = reader.execute("FROM kill_switches ORDER BY tripped_at, experiment, arm, metric").to_arrow_table()
    found: list[dict[str, Any]] = rows.to_pylist()
    return found


def served_by(target: Target, policy: str) -> int:
    """Responses in experiments that a policy of this name gave."""
    with connection.open(target).read() as reader:
        found = reader.execute(
            "SELECT count(*) FROM served WHERE policy = ? AND experiment IS NOT NULL", [policy]
        ).fetchone()
    return int(found[0]) if found else 0


def served_since(target: Target, experiment: str, moment: datetime) -> int:
    """Responses that an experiment has served since a moment, of all arms."""
    with connection.open(target).read() as reader:
        found = reader.execute(
            "SELECT count(*) FROM served WHERE experiment = ? AND served_at >= ?", [experiment, moment]
        ).fetchone()
    return int(found[0]) if found else 0


def days(target: Target) -> list[dict[str, Any]]:
    """What happened on each UTC day: `day`, `responses`, `users`, `reactions`, `loves` (added, as they were told)."""
    with connection.open(target).read() as reader:
        rows = reader.execute(
            """WITH said AS (
                SELECT CAST(served_at AS DATE) AS day, user_id, 1 AS responses, 0 AS reactions, 0 AS loves FROM served
                UNION ALL
                SELECT CAST(reacted_at AS DATE), user_id, 0, 1, CAST(is_love(reaction, action) AS INTEGER)
                FROM reactions
            )
            SELECT day, sum(responses)::BIGINT AS responses, count(DISTINCT user_id) AS users,
                sum(reactions)::BIGINT AS reactions, sum(loves)::BIGINT AS loves
            FROM said GROUP BY day ORDER BY day"""
        ).to_arrow_table()
    found: list[dict[str, Any]] = rows.to_pylist()
    return found


def first_day(target: Target) -> date | None:
    """The UTC day of the oldest response; None for an empty warehouse."""
    with connection.open(target, wait_seconds=_FIRST_DAY_SECONDS).read() as reader:
        found = reader.execute("SELECT CAST(min(served_at) AS DATE) FROM responses").fetchone()
    return found[0] if found else None
