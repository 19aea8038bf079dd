"""What the filter left out of the clean feedback, by rule: the question that a report asks of the warehouse."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from warehouse import connection

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.connection import Target

TRUST_BINS: Final = 10
SOMEBODY_ELSES: Final = "shown to somebody else"
WEIGHED_DOWN: Final = "weighed down"
"""What takes loves out without a flag: the response was not the user's, or trust and the cap on influence."""
SQL: Final = Path(__file__).with_name("left_out.sql")


class LeftOut(NamedTuple):
    """What the filter did, as it stands.

    Attributes:
        loves: Mature loves that stand, whoever gave them.
        left_out: How many of them do not count, by mass: 1 - trust of one that is weighed down.
        by_rule: The same by rule; a love that several rules left out is in each.
        users: Users with a response or a reaction.
        users_aside: Users in quarantine; `users_by_rule` by rule, a user in each of theirs.
        reactions_aside: Reactions in quarantine on their own.
        released: Standing decisions of people; `confirmed` likewise.
        trust: Users whose trust is below 1, in ten equal bins from 0 on.
        days: What the daily job reported of each day that it judged.
    """

    loves: int
    left_out: float
    by_rule: dict[str, float]
    users: int
    users_aside: int
    users_by_rule: dict[str, int]
    reactions_aside: int
    released: int
    confirmed: int
    trust: list[int]
    days: list[dict[str, Any]]


def left_out(target: Target, *, moment: datetime, maturity_hours: float) -> LeftOut:
    """What the filter does to the feedback that is mature at a moment.

    Args:
        target: The warehouse.
        moment: As of when.
        maturity_hours: Age at which a response counts.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    with connection.open(target).read() as reader:
        rows = reader.execute(
            SQL.read_text(),
            {"moment": moment, "hours": maturity_hours, "elsewhere": SOMEBODY_ELSES, "weighed": WEIGHED_DOWN},
        ).fetchall()
        by_rule = {rule: mass for rule, mass, _ in rows if rule is not None and mass > 0}
        total = next((row for row in rows if row[0] is None), (None, 0.0, 0))
        aside = reader.execute(
            "SELECT rule, count(*) FROM (SELECT unnest(rules) AS rule FROM quarantined_users) GROUP BY 1 ORDER BY 1"
        ).fetchall()
        return LeftOut(
            loves=total[2],
            left_out=total[1],
            by_rule=by_rule,
            users_by_rule=dict(aside),
            trust=_trust(reader),
            days=_days(reader),
            **_counts(reader),
        )


def judged_days(target: Target) -> list[dict[str, Any]]:
    """What the daily job reported of each judged day (`warehouse.adversary.daily.periodic.DayReport`), in order."""
    with connection.open(target).read() as reader:
        return _days(reader)


def _counts(reader: DuckDBPyConnection) -> dict[str, int]:
    found = reader.execute(
        """SELECT
            (SELECT count(*) FROM (SELECT user_id FROM responses UNION SELECT user_id FROM reactions)) AS users,
            (SELECT count(*) FROM quarantined_users) AS users_aside,
            (SELECT count(*) FROM quarantined_reactions) AS reactions_aside,
            (SELECT count(*) FROM standing_decisions WHERE decision = 'released') AS released,
            (SELECT count(*) FROM standing_decisions WHERE decision = 'confirmed') AS confirmed"""
    ).fetchone()
    names = ("users", "users_aside", "reactions_aside", "released", "confirmed")
    return dict(zip(names, found or (0,) * len(names), strict=True))


def _trust(reader: DuckDBPyConnection) -> list[int]:
    found = dict(
        reader.execute(
            f"""SELECT least({TRUST_BINS - 1}, CAST(floor(trust * {TRUST_BINS}) AS INTEGER)), count(*)
            FROM user_trust WHERE trust < 1 GROUP BY 1"""
        ).fetchall()
    )
    return [found.get(place, 0) for place in range(TRUST_BINS)]


def _days(reader: DuckDBPyConnection) -> list[dict[str, Any]]:
    rows = reader.execute("SELECT honest_loss, report FROM adversary_days ORDER BY day").fetchall()
    return [json.loads(report) | {"dial": dial} for dial, report in rows]
