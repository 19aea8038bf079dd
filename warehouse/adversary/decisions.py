"""What people decide about the filter's findings: to release or to confirm a user or a single reaction.

A decision stands until the next one about the same user or reaction. Rules never write here, so that a release
survives every batch, every judgement of the whole log and every daily job; it keeps what evidence it knew of, so that
more of it can be told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args
from uuid import UUID

from warehouse import connection
from warehouse.storage import migrate

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.connection import Target

Word = Literal["released", "confirmed"]
Evidence = Mapping[str, tuple[int, float]]
"""By rule: the number of flags for quarantine, and the highest score of them."""


class UnknownSubjectError(ValueError):
    """Neither a user nor a reaction of the warehouse; the text says what was looked for."""


class Subject(NamedTuple):
    """Who or what a decision is about.

    Attributes:
        user_id: The user, or whose reaction it is.
        event_id: The reaction's event, None for the user as a whole.
    """

    user_id: str
    event_id: str | None = None

    @property
    def kind(self) -> str:
        """As the column `subject` has it."""
        return "reaction" if self.event_id else "user"


@dataclass(frozen=True, slots=True)
class QuarantineDecision:
    """One row of `quarantine_decisions`.

    Attributes:
        subject: About whom or what.
        decision: `released` or `confirmed`.
        reason: In the words of who decided.
        decided_by: Who.
        decided_at: When.
        since: Of a confirmed user: from when on their feedback is left out; None for all of it.
        evidence: What spoke for quarantine at that moment.
    """

    subject: Subject
    decision: Word
    reason: str
    decided_by: str
    decided_at: datetime
    since: datetime | None
    evidence: Evidence


def decide(target: Target, name: str, decision: Word, *, reason: str, by: str) -> QuarantineDecision:
    """Release or confirm a user or a reaction.

    1. Find out what `name` is: the event_id of a reaction, or a user.
    2. Note the evidence for quarantine now. A confirmed user is left out from the moment that their flags name, and
       wholly where they have no flag.
    3. Store the decision. The next reading of the clean feedback goes by it.

    Args:
        target: The warehouse.
        name: A user_id, or the event_id of a reaction.
        decision: `released` or `confirmed`.
        reason: Why; stored with the decision.
        by: Who decides.

    Raises:
        UnknownSubjectError: The warehouse knows no such user or reaction.
        ValueError: No reason, or no such decision.
        WarehouseError: As `Warehouse.transaction`.
    """
    if decision not in get_args(Word):
        raise ValueError(f"decision == {decision!r}, must be one of {', '.join(get_args(Word))}")
    if not reason.strip():
        raise ValueError("the reason is empty: say why, for whoever asks later")
    with connection.open(target).transaction() as writer:
        migrate.define_views(writer)
        subject = find(writer, name)
        evidence, since = against(writer, subject)
        made = QuarantineDecision(
            subject, decision, reason, by, datetime.now(UTC), since if decision == "confirmed" else None, evidence
        )
        writer.execute(
            """INSERT INTO quarantine_decisions
            (subject, user_id, event_id, decision, reason, decided_by, decided_at, since, evidence)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            [
                subject.kind,
                subject.user_id,
                subject.event_id,
                made.decision,
                made.reason,
                made.decided_by,
                made.decided_at,
                made.since,
                json.dumps(evidence, sort_keys=True),
            ],
        )
    return made


def find(reader: DuckDBPyConnection, name: str) -> Subject:
    """A reaction by its event_id, else a user.

    Raises:
        UnknownSubjectError: Neither.
    """
    try:
        event_id = str(UUID(name))
    except ValueError:
        event_id = None
    rows = reader.execute("SELECT user_id FROM reactions WHERE event_id = ?", [event_id]).fetchall() if event_id else []
    if rows:
        return Subject(rows[0][0], event_id)
    tables = ("responses", "reactions", "flags", "quarantine_decisions")
    if any(reader.execute(f"SELECT 1 FROM {table} WHERE user_id = ? LIMIT 1", [name]).fetchone() for table in tables):
        return Subject(name)
    raise UnknownSubjectError(
        f"the warehouse knows no user and no reaction {name!r}; `loveloop quarantine list` names those in quarantine"
    )


def against(reader: DuckDBPyConnection, subject: Subject) -> tuple[Evidence, datetime | None]:
    """The evidence for quarantine, and from when on a user's feedback would be left out (None for all of it)."""
    rows = reader.execute(
        """SELECT rule, count(*), max(score), CASE WHEN count(since) = count(*) THEN min(since) END
        FROM flags
        WHERE source IN ('ingest', 'periodic') AND score >= 1 AND subject = ? AND user_id = ?
            AND event_id IS NOT DISTINCT FROM ?
        GROUP BY rule ORDER BY rule""",
        [subject.kind, *subject],
    ).fetchall()
    moments = [since for *_, since in rows]
    return {rule: (count, score) for rule, count, score, _ in rows}, None if None in moments else min(
        moments, default=None
    )


def of_user(reader: DuckDBPyConnection, user_id: str) -> list[QuarantineDecision]:
    """All decisions about a user and their reactions, the latest first."""
    rows = reader.execute(
        """SELECT CAST(event_id AS VARCHAR), decision, reason, decided_by, decided_at, since, evidence
        FROM quarantine_decisions WHERE user_id = ? ORDER BY decided_at DESC, decision""",
        [user_id],
    ).fetchall()
    return [
        QuarantineDecision(Subject(user_id, event), decision, reason, by, at, since, known(evidence))
        for event, decision, reason, by, at, since, evidence in rows
    ]


def known(evidence: str) -> Evidence:
    """The evidence that a decision knew of, from its column."""
    return {rule: (count, score) for rule, (count, score) in json.loads(evidence).items()}


def has_grown(before: Evidence, now: Evidence) -> bool:
    """Whether there is more evidence for quarantine than a decision knew of.

    >>> has_grown({"love_streak": (1, 1.5)}, {"love_streak": (1, 1.5)})
    False
    >>> has_grown({"love_streak": (1, 1.5)}, {"love_streak": (2, 1.5)})
    True
    """
    return any(
        count > before.get(rule, (0, 0.0))[0] or score > before.get(rule, (0, 0.0))[1] * (1 + 1e-9)
        for rule, (count, score) in now.items()
    )
