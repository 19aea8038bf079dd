"""What the daily job reads of one day of event time, and what it remembers: the tables behind `periodic`.

Nothing here scans the log: event times bound every read of it, a window of days bounds the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

WINDOW = 28
"""Days over which the evidence about a user is added up."""
LATE = timedelta(days=3)
"""A love counts in the evidence if it comes no later than this after the day in which it was given."""
ONE = timedelta(days=1)
LESSONS = 7
"""Days that the models learn anew when they were lost, as every erasure of a user lets them be."""


class PastDay(NamedTuple):
    """An earlier day that the models learn again: columns as in `Seen`."""

    responses: pa.Table
    loves: pa.Table


@dataclass(frozen=True, slots=True)
class Seen:
    """What one day's judgement rests on, out of one snapshot.

    Attributes:
        day: Which day, UTC.
        previous: The last judged day before it, None for none; judged days after it are no business of its own.
        responses: What was served on it: response_id, user_id, conversation_id, served_at, conversation, response.
        loves: Loves that are not counted yet, of the day or late: user_id, response_id, reacted_at.
        loved: Responses of those loves that were served on earlier days; columns as `responses`.
        past: Evidence of the window's earlier days, of users with a row on the day: user_id, day, part and the sums.
        flagged: Users with a standing flag of this job's own rules: user_id, rule, score, flagged_at, since.
        quarantined: Users in quarantine, by whatever rule.
        model: The models as the previous day left them; None for none.
        judged: As `judged` counts.
        erasures: Requests for erasure that were stored.
        lessons: Days before this one, oldest first, where the models were lost.
    """

    day: date
    previous: date | None
    responses: pa.Table
    loves: pa.Table
    loved: pa.Table
    past: pa.Table
    flagged: pa.Table
    quarantined: frozenset[str]
    model: bytes | None
    judged: tuple[int, date | None] = (0, None)
    erasures: int = 0
    lessons: tuple[PastDay, ...] = ()

    @property
    def rows(self) -> dict[str, int]:
        """How many rows were read, by kind."""
        tables = {"responses": self.responses, "loves": self.loves, "late": self.loved, "evidence": self.past}
        read = {name: table.num_rows for name, table in tables.items()}
        again = sum(lesson.responses.num_rows for lesson in self.lessons)
        return read | ({"lessons": again} if again else {})


def start(day: date) -> datetime:
    """The first moment of a day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def last_judged(connection: DuckDBPyConnection) -> date | None:
    """The last day that was judged."""
    found = connection.execute("SELECT max(day) FROM adversary_days").fetchone()
    return found[0] if found else None


def judged(connection: DuckDBPyConnection) -> tuple[int, date | None]:
    """How many days were judged, and the last of them: who finds another count knows that somebody was at work."""
    found = connection.execute("SELECT count(*), max(day) FROM adversary_days").fetchone()
    return (int(found[0]), found[1]) if found else (0, None)


def erasures(connection: DuckDBPyConnection) -> int:
    """How many requests for erasure were stored: what was read before one of them must not be written after it."""
    found = connection.execute("SELECT count(*) FROM erasures").fetchone()
    return int(found[0]) if found else 0


def last_over(connection: DuckDBPyConnection, lateness: timedelta) -> date | None:
    """The last day that is over by the log's own clock, with a margin for what comes late."""
    found = connection.execute("SELECT max(served_at) FROM responses").fetchone()
    return (found[0].astimezone(UTC) - lateness).date() - ONE if found and found[0] else None


def read(reader: DuckDBPyConnection, day: date) -> Seen:
    """Read what the judgement of a day needs.

    Args:
        reader: A snapshot with the views.
        day: One that was not judged. What is remembered of days before it counts, and nothing of days after it.
    """
    first, last = start(day), start(day) + ONE
    previous, count = _last_before(reader, day), judged(reader)
    responses = _served(reader, day)
    since = _late_from(day, previous, count[1])
    loves = reader.execute(_LOVES, {"first": since, "last": last}).to_arrow_table()
    reader.register("new_loves", loves)
    loved = reader.execute(
        f"""SELECT {_COLUMNS} FROM responses SEMI JOIN new_loves USING (response_id, user_id)
        WHERE served_at >= ? AND served_at < ? {_FIRST_TELLING}""",
        [first - 2 * LATE, first],
    ).to_arrow_table()
    reader.register("the_day", responses.select(["user_id"]))
    about = "(SELECT user_id FROM the_day UNION SELECT user_id FROM new_loves)"
    past = reader.execute(
        f"""SELECT user_id, day, part, exposures, expected, loves, surprise FROM user_evidence
        WHERE day > ? AND day < ? AND user_id IN {about} ORDER BY ALL""",
        [day - WINDOW * ONE, day],
    ).to_arrow_table()
    flagged = reader.execute(
        """SELECT user_id, rule, score, flagged_at, since FROM flags
        WHERE source = 'periodic' AND subject = 'user' ORDER BY ALL"""
    ).to_arrow_table()
    aside = frozenset(row[0] for row in reader.execute("SELECT user_id FROM quarantined_users").fetchall())
    model = reader.execute("SELECT model FROM adversary_models WHERE day = ?", [previous]).fetchone()
    stored = bytes(model[0]) if model else None
    lessons = _lessons(reader, day) if previous and stored is None else ()
    return Seen(day, previous, responses, loves, loved, past, flagged, aside, stored, count, erasures(reader), lessons)


def _last_before(reader: DuckDBPyConnection, day: date) -> date | None:
    found = reader.execute("SELECT max(day) FROM adversary_days WHERE day < ?", [day]).fetchone()
    return found[0] if found else None


def _late_from(day: date, previous: date | None, last: date | None) -> datetime:
    """From when on loves count as late ones of `day`.

    Which loves are counted is remembered for the last judged days alone. Before those, what lies in a judged day was
    counted there, or lowers the evidence against the user.
    """
    late = start(day) - LATE
    return max(late, start(previous) + ONE) if previous and last and last > day else late


def _served(reader: DuckDBPyConnection, day: date) -> pa.Table:
    return reader.execute(
        f"SELECT {_COLUMNS} FROM responses WHERE served_at >= ? AND served_at < ? {_FIRST_TELLING}",
        [start(day), start(day) + ONE],
    ).to_arrow_table()


def _lessons(reader: DuckDBPyConnection, day: date) -> tuple[PastDay, ...]:
    """The last days before this one on which something was served."""
    found = []
    for before in range(LESSONS, 0, -1):
        responses = _served(reader, day - before * ONE)
        first = start(day) - before * ONE
        loves = reader.execute(
            """SELECT DISTINCT user_id, response_id FROM reactions
            WHERE is_love(reaction, action) AND reacted_at >= ? AND reacted_at < ? ORDER BY ALL""",
            [first, min(first + LATE, start(day))],
        ).to_arrow_table()
        if responses.num_rows:
            found.append(PastDay(responses, loves))
    return tuple(found)


def forget(connection: DuckDBPyConnection, users: str) -> None:
    """Take out erased users, whom the named relation lists (user_id); the models, which learnt from them, go too."""
    for table in ("user_evidence", "counted_loves", "user_trust"):
        connection.execute(f"DELETE FROM {table} WHERE user_id IN (SELECT user_id FROM {users})")
    connection.execute("DELETE FROM adversary_models")


class DayMemory(NamedTuple):
    """What a day adds to the memory.

    Attributes:
        evidence: Rows of `user_evidence`.
        counted: Rows of `counted_loves`.
        trust: Rows of `user_trust`, of every user that was judged; those with trust 1 are not kept.
        model: What the models are after the day.
    """

    evidence: pa.Table
    counted: pa.Table
    trust: pa.Table
    model: bytes


def write(writer: DuckDBPyConnection, day: date, learnt: DayMemory) -> None:
    """Add a day to the memory, and forget what is older than the window.

    1. Add the day's evidence and the loves that are counted now.
    2. Put the trust of the users judged in the place of what it was, unless a later day has said more.
    3. Put the models in the place of those of the days before; those that a later day left stay for the day after it.
    4. Forget evidence beyond the window, and counted loves of which no late copy may come any more.
    """
    for name, rows in {"user_evidence": learnt.evidence, "counted_loves": learnt.counted}.items():
        writer.register("learnt", rows)
        writer.execute(f"INSERT INTO {name} SELECT * FROM learnt")
        writer.unregister("learnt")
    writer.register("learnt", learnt.trust)
    writer.execute("DELETE FROM user_trust WHERE user_id IN (SELECT user_id FROM learnt) AND day <= ?", [day])
    writer.execute(
        "INSERT INTO user_trust FROM learnt WHERE trust < 1 AND user_id NOT IN (SELECT user_id FROM user_trust)"
    )
    writer.unregister("learnt")
    writer.execute("DELETE FROM adversary_models WHERE day <= ?", [day])
    writer.execute("INSERT INTO adversary_models VALUES (?, ?)", [day, learnt.model])
    writer.execute("DELETE FROM user_evidence WHERE day <= ?", [day - (WINDOW - 1) * ONE])
    writer.execute("DELETE FROM counted_loves WHERE reacted_at < ?", [start(day) + ONE - LATE])


_COLUMNS = "response_id, user_id, conversation_id, served_at, conversation, response"
_FIRST_TELLING = """
QUALIFY row_number() OVER (PARTITION BY response_id ORDER BY served_at, event_id) = 1 ORDER BY served_at, response_id
"""

_LOVES = """
SELECT user_id, response_id, min(reacted_at) AS reacted_at
FROM reactions
ANTI JOIN counted_loves USING (user_id, response_id)
WHERE is_love(reaction, action) AND reacted_at >= $first AND reacted_at < $last
GROUP BY user_id, response_id
ORDER BY reacted_at, user_id, response_id
"""
