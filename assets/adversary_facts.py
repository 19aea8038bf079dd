"""What the adversary filter did in a run, in the report's shape: loves left out, days judged, groups drawn.

Accounts are numbered in the order of their first love in a group, never named. Words are shown only where they were
loved by more than one account of the group and are known in full.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from streams.record_fields import fields_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.adversary.groups.flags import JudgedWindow

LARGEST: Final = 4
"""Groups that are drawn, at most."""
RULES: Final = ("lockstep", "dense_block")
SIDES: Final = ("prompt", "response", "network", "device")
"""What a love can have in common with others, the most telling first."""
WHOLE: Final = 80
"""Characters at which the group search cuts words off."""
TIES: Final = 600
"""The strongest ties that are kept of a group."""
_OTHERWISE: Final = ("days", "by_rule", "first_flags")
"""What the report has in another shape than the warehouse's answer."""


class _Flagged(NamedTuple):
    """A group as its flags tell of it."""

    name: str
    rule: str
    users: list[str]
    day: date
    score: float
    flagged_at: datetime  # when the first of them was put aside, by whichever rule
    evidence: dict[str, Any]


def caught(
    warehouse: str | Path, *, moment: datetime, maturity_hours: float, without: Sequence[str] = ()
) -> dict[str, Any]:
    """Everything that the report's adversary section says but the truth, as `assets.report.schema.Adversary` has it.

    Args:
        warehouse: The run's.
        moment: As of when feedback counts.
        maturity_hours: Age at which a response counts.
        without: Experiments whose exposures and users are counted apart from the log's.
    """
    from warehouse import open as open_warehouse
    from warehouse.adversary.excluded import left_out

    found = left_out(warehouse, moment=moment, maturity_hours=maturity_hours, without=without)
    with open_warehouse(warehouse).read() as reader:
        groups = [_drawn(reader, each) for each in _largest(reader)]
    days = found.days
    return {
        **{name: value for name, value in fields_of(found).items() if name not in _OTHERWISE},
        "left_out_by_rule": found.by_rule,
        "days": judged(days, found.first_flags),
        "groups": groups,
        "sentences": days[-1]["sentences"] if days else [],
        "dial": days[-1]["dial"] if days else None,
    }


def judged(reports: list[dict[str, Any]], first_flags: Mapping[date, Mapping[str, int]]) -> list[dict[str, Any]]:
    """The judged days, as `assets.report.adversary_schema.JudgedDay` has them.

    Args:
        reports: By the daily job, in order.
        first_flags: Users by the day of their first flag, and by rule.
    """
    return [_day(report, first_flags.get(date.fromisoformat(report["day"]), {})) for report in reports]


def _day(report: dict[str, Any], first: Mapping[str, int]) -> dict[str, Any]:
    return {
        "day": report["day"],
        "users": report["users"],
        "loves": report["rows"].get("loves", 0),
        "flags": report["flags"],
        "first_flagged": dict(first),
        "cpu_s": round(sum(report["seconds"].values()), 3),
    }


def _largest(reader: "DuckDBPyConnection") -> list[_Flagged]:
    """The groups in quarantine with most members, those of two rules with the same members once."""
    import json

    rows = reader.execute(
        """SELECT flags.key, flags.rule, flags.user_id, flags.score, aside.first_flagged_at, flags.evidence, seen.day
        FROM flags
        JOIN (SELECT name, max(day) AS day FROM group_members GROUP BY name) AS seen ON seen.name = flags.key
        JOIN quarantined_users AS aside ON aside.user_id = flags.user_id
        WHERE flags.source = 'periodic' AND flags.rule IN ('lockstep', 'dense_block') AND flags.score >= 1
        ORDER BY flags.key, flags.flagged_at, flags.user_id"""
    ).fetchall()
    groups: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in rows:
        groups[row[0], row[1]].append(row)
    found = [
        _Flagged(
            name=name,
            rule=rule,
            users=[row[2] for row in members],
            day=members[0][6],
            score=max(row[3] for row in members),
            flagged_at=min(row[4] for row in members),
            evidence=json.loads(members[0][5]),
        )
        for (name, rule), members in groups.items()
    ]
    found.sort(key=lambda one: (-len(one.users), RULES.index(one.rule), one.name))
    kept: list[_Flagged] = []
    for one in found:
        if not any(len(set(one.users) & set(other.users)) * 2 > len(one.users) for other in kept):
            kept.append(one)
    return kept[:LARGEST]


def _drawn(reader: "DuckDBPyConnection", group: _Flagged) -> dict[str, Any]:
    """One group as the report draws it."""
    from warehouse.adversary import groups

    window = groups.read(reader, group.day)
    told = groups.drawn(window, group.users)
    place = {user: number for number, user in enumerate(told["members"])}
    loves, objects = _loves(window, place)
    ties = [[place[tie["a"]], place[tie["b"]], round(tie["surprise"], 2)] for tie in told["ties"][:TIES]]
    moments = [love[2] for love in loves if love[1] is not None] or [love[2] for love in loves]
    return {
        "name": group.name,
        "rule": group.rule,
        "members": len(group.users),
        "score": group.score,
        "surprise": group.evidence.get("surprise"),
        "density": group.evidence.get("g"),
        "line": group.evidence.get("line"),
        "flagged_at": group.flagged_at.astimezone(UTC).isoformat(),
        "begins": min(moments, default=None),
        "ends": max(moments, default=None),
        "objects": objects,
        "loves": loves,
        "ties": ties,
    }


def _loves(window: "JudgedWindow", place: dict[str, int]) -> tuple[list[list[Any]], list[dict[str, Any]]]:
    """The members' loves as (account, object or None, moment), and the objects, the most shared first.

    The object of a love is that of its sides which most accounts of the group loved; None where no other one did.
    """
    rows = [row for row in window.loves.to_pylist() if row["user_id"] in place]
    who: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        for side in SIDES:
            if row[side] is not None:
                who[side, row[side]].add(row["user_id"])
    chosen = [max(((side, row[side]) for side in SIDES if row[side] is not None),
                  key=lambda one: len(who[one]), default=None) for row in rows]  # fmt: skip
    shared = Counter(one for one in chosen if one is not None and len(who[one]) > 1)
    order = sorted(shared, key=lambda one: (-len(who[one]), -shared[one], one))
    number = {one: position for position, one in enumerate(order)}
    loves = [
        [place[row["user_id"]], number.get(one) if one else None, row["reacted_at"].astimezone(UTC).isoformat()]
        for row, one in zip(rows, chosen, strict=True)
    ]
    objects = [
        {"side": one[0], "words": _words(one, rows, chosen), "accounts": len(who[one]), "loves": shared[one]}
        for one in order
    ]
    return loves, objects


def _words(one: tuple[str, str], rows: list[dict[str, Any]], chosen: list[Any]) -> str | None:
    """What was asked, in the words of most; None for devices and networks, and for words that are cut off."""
    if one[0] not in ("prompt", "response"):
        return None
    said = Counter(row["label"] for row, its in zip(rows, chosen, strict=True) if its == one and row["label"])
    words, times = said.most_common(1)[0] if said else ("", 0)
    return words if times > 1 and len(words) < WHOLE and not set(words) & set('<>&"') else None
