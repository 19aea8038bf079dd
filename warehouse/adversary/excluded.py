"""What the filter left out of the clean feedback, by rule: the question that a report asks of the warehouse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from warehouse import connection, maturity
from warehouse.storage.sql_files import query

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.connection import Target

TRUST_BINS: Final = 10
SOMEBODY_ELSES: Final = "shown to somebody else"
WEIGHED_DOWN: Final = "weighed down"
"""What takes loves out without a flag: the response was not the user's, or trust and the cap on influence."""
SEVERAL: Final = "several rules"
"""Under which a user stands whom several rules flagged on the same day."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What the filter did, as it stands.

    Attributes:
        loves: Mature loves that stand, those of quarantined users included.
        left_out: How many of them do not count, by mass: 1 - trust of one that is weighed down.
        by_rule: The same by rule; a love that several rules left out is in each.
        users: Users of the log: with a response or a reaction, other than those whom an experiment alone served.
        users_aside: Of these, in quarantine; `users_by_rule` by rule, a user in each of theirs.
        test_users: Users whom the experiments alone served; `test_users_aside` of them in quarantine.
        reactions_aside: Reactions to the log's responses that are in quarantine on their own.
        released: Standing decisions of people; `confirmed` likewise.
        trust: Users whose trust is below 1, in ten equal bins from 0 on.
        days: What the daily job reported of each day that it judged.
        first_flags: As `first_flags`.
    """

    loves: int
    left_out: float
    by_rule: dict[str, float]
    users: int
    users_aside: int
    users_by_rule: dict[str, int]
    test_users: int
    test_users_aside: int
    reactions_aside: int
    released: int
    confirmed: int
    trust: list[int]
    days: list[dict[str, Any]]
    first_flags: dict[date, dict[str, int]]


def left_out(target: Target, *, moment: datetime, maturity_hours: float, without: Sequence[str] = ()) -> LeftOut:
    """What the filter does to the feedback that is mature at a moment.

    Args:
        target: The warehouse.
        moment: As of when.
        maturity_hours: Age at which a response counts.
        without: Experiments whose exposures, and users of their own, are counted apart.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    age = maturity.age(maturity_hours)
    with connection.open(target).read() as reader:
        rows = reader.execute(
            query(__file__, "excluded"),
            {
                "moment": moment,
                "hours": age,
                "without": list(without),
                "elsewhere": SOMEBODY_ELSES,
                "weighed": WEIGHED_DOWN,
            },
        ).fetchall()
        by_rule = {rule: mass for rule, mass, _ in rows if rule is not None and mass > 0}
        total = next((row for row in rows if row[0] is None), (None, 0.0, 0))
        aside = reader.execute(
            f"""{_TEST_ONLY} SELECT rule, count(*)
            FROM (SELECT unnest(rules) AS rule FROM quarantined_users ANTI JOIN test_only USING (user_id))
            GROUP BY 1 ORDER BY 1""",
            {"without": list(without)},
        ).fetchall()
        return LeftOut(
            loves=total[2],
            left_out=total[1],
            by_rule=by_rule,
            users_by_rule=dict(aside),
            trust=_trust(reader),
            days=_days(reader),
            first_flags=_first_flags(reader),
            **_counts(reader, without),
        )


def judged_days(target: Target) -> list[dict[str, Any]]:
    """What the daily job reported of each judged day (`warehouse.adversary.daily.periodic.DayReport`), in order."""
    with connection.open(target).read() as reader:
        return _days(reader)


def first_flags(target: Target) -> dict[date, dict[str, int]]:
    """Users by the day on which the daily job first flagged them, and the rule that did (`SEVERAL` for more than one).

    A user counts once. Flags that did not bear out are withdrawn, and with them their users.
    """
    with connection.open(target).read() as reader:
        return _first_flags(reader)


def _first_flags(reader: DuckDBPyConnection) -> dict[date, dict[str, int]]:
    found: dict[date, dict[str, int]] = {}
    rows = reader.execute(query(__file__, "first_flags"), {"several": SEVERAL}).fetchall()
    for day, rule, users in rows:
        found.setdefault(day, {})[rule] = users
    return found


_TEST_ONLY = """
WITH test_only AS (
    SELECT user_id FROM responses GROUP BY user_id
    HAVING bool_and(coalesce(list_contains(CAST($without AS VARCHAR[]), experiment), false))
)
"""


def _counts(reader: DuckDBPyConnection, without: Sequence[str]) -> dict[str, int]:
    rows = reader.execute(query(__file__, "people"), {"without": list(without)}).to_arrow_table().to_pylist()
    found: dict[str, int] = rows[0]
    return found


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
