"""Quarantined users and the reasons, in words and figures: what an operator reads before releasing or confirming.

Every figure of a user stands beside the same figure of everybody, since a share or a pace means little alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from warehouse import connection
from warehouse.adversary import decisions
from warehouse.adversary.decisions import QuarantineDecision
from warehouse.adversary.words import in_words
from warehouse.storage.sql_files import query

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.connection import Target

MEMBERS = 20
"""So many of a group's other members are named."""


@dataclass(frozen=True, slots=True)
class Held:
    """A user or a reaction that some flag or confirmation puts aside, or that was released from it.

    Attributes:
        subject: `user` or `reaction`.
        user_id: The user, or whose reaction it is.
        event_id: The reaction's, None for a user.
        rules: Rules over their line, and `confirmed`.
        score: The highest one.
        since: From when on a user's feedback is left out; None for all of it.
        loves: Standing loves that do not count, or that count again since the release.
        released: Whether a release stands.
        grown: Whether there is more evidence for quarantine than at the release.
    """

    subject: str
    user_id: str
    event_id: str | None
    rules: list[str]
    score: float
    since: datetime | None
    loves: int
    released: bool
    grown: bool


@dataclass(frozen=True, slots=True)
class FlagReport:
    """One flag, in words.

    Attributes:
        rule: Its rule.
        source: `ingest`, `periodic` or `live`.
        score: How many times over the rule's line.
        flagged_at: Event time.
        since: From when on the user's feedback is left out; None for all of it.
        event_id: Of the reaction that it is about, None when it is about the user.
        key: Device, network or group by which the user was found.
        words: The evidence as a sentence.
    """

    rule: str
    source: str
    score: float
    flagged_at: datetime
    since: datetime | None
    event_id: str | None
    key: str | None
    words: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is known of a user.

    Attributes:
        user_id: Who.
        state: `in quarantine`, `released`, `confirmed` or `free`.
        flags: The flags, the highest score first.
        figures: By name, the user's own value and the middle one of all users who gave a love.
        trust: In [0, 1]: how much their feedback weighs.
        reasons: Why it is not 1, as the daily job says it.
        decisions: What people decided about them, the latest first.
        groups: By device, network or group of a flag: other users flagged by it, at most `MEMBERS`, and how many.
    """

    user_id: str
    state: str
    flags: list[FlagReport]
    figures: dict[str, tuple[Any, Any]]
    trust: float
    reasons: Any
    decisions: list[QuarantineDecision]
    groups: dict[str, tuple[list[str], int]]


def held(target: Target, *, rule: str | None = None, released: bool = False) -> list[Held]:
    """Users and reactions in quarantine, those with most loves at stake first.

    Args:
        target: The warehouse.
        rule: Only what this rule (or `confirmed`) puts aside.
        released: Those released from it instead.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    with connection.open(target).read() as reader:
        rows = (
            reader.execute(query(__file__, "held"), {"rule": rule, "released": released}).to_arrow_table().to_pylist()
        )
        return [_held(reader, **row) for row in rows]


def explain(target: Target, user_id: str) -> Explanation:
    """Flags, figures and decisions about a user.

    Raises:
        UnknownSubjectError: The warehouse knows no such user.
        WarehouseError: As `Warehouse.read`.
    """
    with connection.open(target).read() as reader:
        user_id = decisions.find(reader, user_id).user_id
        flags = [
            FlagReport(**row, words=in_words(row["rule"], json.loads(evidence)))
            for row in reader.execute(_FLAGS, [user_id]).to_arrow_table().to_pylist()
            for evidence in [row.pop("evidence")]
        ]
        trust = reader.execute("SELECT trust, reasons FROM user_trust WHERE user_id = ?", [user_id]).fetchone()
        return Explanation(
            user_id=user_id,
            state=_state(reader, user_id),
            flags=flags,
            figures=_figures(reader, user_id),
            trust=trust[0] if trust else 1.0,
            reasons=json.loads(trust[1]) if trust and trust[1] else None,
            decisions=decisions.of_user(reader, user_id),
            groups={key: _group(reader, key, user_id) for key in dict.fromkeys(flag.key for flag in flags if flag.key)},
        )


def _held(reader: DuckDBPyConnection, evidence: str | None, **row: Any) -> Held:
    grown = False
    if row["released"]:
        now, _ = decisions.against(reader, decisions.Subject(row["user_id"], row["event_id"]))
        grown = decisions.has_grown(decisions.known(evidence or "{}"), now)
    return Held(**row, grown=grown)


def _state(reader: DuckDBPyConnection, user_id: str) -> str:
    decided = reader.execute(
        "SELECT decision FROM standing_decisions WHERE subject = 'user' AND user_id = ?", [user_id]
    ).fetchone()
    if decided:
        return str(decided[0])
    aside = reader.execute("SELECT 1 FROM quarantined_users WHERE user_id = ?", [user_id]).fetchone()
    return "in quarantine" if aside else "free"


def _figures(reader: DuckDBPyConnection, user_id: str) -> dict[str, tuple[Any, Any]]:
    own, others = (
        reader.execute(query(__file__, "user_figures", which=which, middle=middle), parameters)
        .to_arrow_table()
        .to_pylist()[0]
        for which, middle, parameters in (
            ("user_id = $user", "max", {"user": user_id}),
            ("user_id IN (SELECT user_id FROM reactions WHERE reaction = 'love')", "median", {}),
        )
    )
    return {name.replace("_", " "): (own[name], others[name]) for name in own}


def _group(reader: DuckDBPyConnection, key: str, user_id: str) -> tuple[list[str], int]:
    rows = reader.execute(
        """SELECT user_id FROM flags WHERE key = ? AND subject = 'user' AND source <> 'live' AND user_id <> ?
        GROUP BY user_id ORDER BY max(score) DESC, user_id""",
        [key, user_id],
    ).fetchall()
    return [member for (member,) in rows[:MEMBERS]], len(rows)


_FLAGS = """
SELECT rule, source, score, flagged_at, since, CAST(event_id AS VARCHAR) AS event_id, key, evidence
FROM flags
WHERE user_id = ?
ORDER BY score >= 1 AND source <> 'live' DESC, score DESC, flagged_at, rule
"""
