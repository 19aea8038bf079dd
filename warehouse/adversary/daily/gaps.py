"""Which days wait to be judged, and what came too late for its day.

Days are judged in order of time as long as the log comes so. Imported history lies before days that were judged, or
between them. Its days wait like any other, and are looked for in the gaps between judged days alone, so that a plain
night reads no more than what came since the last one.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from warehouse.adversary.daily.days import LATE, ONE, last_judged, start

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MANY: Final = 0.1
"""So much more than was judged of a day is worth a word."""
FEW: Final = 5
"""So many rows are not."""


class LateRows(NamedTuple):
    """Rows that came after their days had been judged, and are in no user's evidence.

    Attributes:
        days: Days of which many came, in order.
        responses: How many were served on these days.
        loves: Likewise, loves given on them; a user's love of a response counts once.
    """

    days: tuple[date, ...]
    responses: int
    loves: int

    @property
    def sentence(self) -> str:
        """What came and what can be done.

        >>> print(LateRows((date(2026, 11, 15), date(2026, 11, 17)), 1200, 7).sentence)
        1,200 responses and 7 loves of 2 days (2026-11-15 to 2026-11-17) came after these were judged,
        and are in nobody's evidence; `loveloop quarantine update --from 2026-11-15` judges all days from there on again
        """
        count = f"{len(self.days)} day{'' if len(self.days) == 1 else 's'}"
        return (
            f"{self.responses:,} responses and {self.loves:,} loves of {count} ({self.days[0]} to {self.days[-1]}) "
            "came after these were judged,\n"
            f"and are in nobody's evidence; `loveloop quarantine update --from {self.days[0]}` "
            "judges all days from there on again"
        )


def next_day(connection: DuckDBPyConnection, until: date) -> date | None:
    """The first day, no later than `until`, on which something was served or loved and that was not judged."""
    for begin, end in spans(connection, until):
        found = connection.execute(
            """SELECT CAST(min(moment) AS DATE) FROM (
                SELECT min(served_at) AS moment FROM responses WHERE served_at >= $1 AND served_at < $2
                UNION ALL SELECT min(reacted_at) FROM reactions WHERE reacted_at >= $1 AND reacted_at < $2
            )""",
            [begin, end],
        ).fetchone()
        if found and found[0]:
            day: date = found[0]
            return day
    return None


def pending(connection: DuckDBPyConnection, until: date) -> int:
    """How many days there are, no later than `until`, on which something happened and that were not judged."""
    total = 0
    for span in spans(connection, until):
        found = connection.execute(
            """SELECT count(DISTINCT CAST(moment AS DATE)) FROM (
                SELECT served_at AS moment FROM responses UNION ALL SELECT reacted_at FROM reactions
            ) WHERE moment >= ? AND moment < ?""",
            list(span),
        ).fetchone()
        total += int(found[0]) if found else 0
    return total


def spans(connection: DuckDBPyConnection, until: date) -> list[tuple[datetime, datetime]]:
    """The stretches of time up to the end of `until` that hold no judged day, in order: first moment, and end.

    Each is asked for by itself: a store skips what lies outside a single range, and reads everything for several.
    """
    judged = connection.execute("SELECT DISTINCT day FROM adversary_days WHERE day <= ? ORDER BY day", [until])
    found, begin = [], datetime(1, 1, 2, tzinfo=UTC)
    for (day,) in judged.fetchall():
        if begin < start(day):
            found.append((begin, start(day)))
        begin = start(day) + ONE
    return [*found, (begin, start(until) + ONE)] if begin < start(until) + ONE else found


def late_rows(connection: DuckDBPyConnection) -> LateRows | None:
    """What came of judged days after they were judged; None where that is little.

    Reads the moments of the whole log: for a command, not for every night. Responses that are told twice count twice.
    Loves of the last three days are left out, since the next day judged still counts them.
    """
    last = last_judged(connection)
    if last is None:
        return None
    reports = connection.execute(_REPORTS).fetchall()
    late = {day: counted for day, _, _, counted in reports}
    came = {name: dict(connection.execute(sql).fetchall()) for name, sql in _CAME.items()}
    found, responses, loves = [], 0, 0
    for day, served, at_once, _ in reports:
        loved = at_once + sum(late.get(day + n * ONE, 0) for n in range(1, LATE.days + 1))
        more = _many(came["responses"].get(day, 0), served)
        more_loves = _many(came["loves"].get(day, 0), loved) if day <= last - LATE else 0
        if more or more_loves:
            found.append(day)
            responses, loves = responses + more, loves + more_loves
    return LateRows(tuple(found), responses, loves) if found else None


def _many(now: int, judged: int) -> int:
    return now - judged if now - judged > FEW + MANY * judged else 0


def reopen(connection: DuckDBPyConnection, day: date) -> int:
    """Take back that the days from this one on were judged, so that they wait again; how many these were.

    1. Forget their evidence, loves and groups, and the models, which learn the days before `day` again.
    2. Loves of the days just before are counted there, and not once more as late ones.
    3. Flags and trust stand until the days are judged again.

    Args:
        connection: Inside a transaction.
        day: The first of them.
    """
    found = connection.execute("SELECT count(*) FROM adversary_days WHERE day >= ?", [day]).fetchone()
    if not found or not found[0]:
        return 0
    for table in ("adversary_days", "user_evidence", "group_loves", "group_members", "adversary_models"):
        connection.execute(f"DELETE FROM {table} WHERE day >= ?", [day])
    connection.execute("DELETE FROM counted_loves WHERE reacted_at >= ?", [start(day) - LATE])
    connection.execute(
        """INSERT INTO counted_loves SELECT user_id, response_id, min(reacted_at) FROM reactions
        WHERE is_love(reaction, action) AND reacted_at >= ? AND reacted_at < ? GROUP BY ALL""",
        [start(day) - LATE, start(day)],
    )
    return int(found[0])


_REPORTS = """
SELECT
    day,
    CAST(report ->> '$.rows.responses' AS BIGINT),
    CAST(report ->> '$.rows.loves' AS BIGINT),
    CAST(report ->> '$.rows.late' AS BIGINT)
FROM adversary_days
ORDER BY day
"""
_CAME: Final = {
    "responses": """
        SELECT DATE '1970-01-01' + CAST(number AS INTEGER), count(*)
        FROM (SELECT day_number(served_at) AS number FROM responses) GROUP BY ALL""",
    "loves": """
        SELECT DATE '1970-01-01' + CAST(number AS INTEGER), count(*) FROM (
            SELECT DISTINCT day_number(reacted_at) AS number, user_id, response_id
            FROM reactions WHERE is_love(reaction, action)
        ) GROUP BY ALL""",
}
