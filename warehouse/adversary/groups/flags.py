"""What the flags of a group say: its name, its members, and of each member what they did, in their own words."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from warehouse.adversary.flagged import UserFlag
from warehouse.adversary.groups import lockstep
from warehouse.adversary.groups.co_reactions import CoReactions, Ints
from warehouse.adversary.groups.dense_blocks import Block

VERSION = 1
_NO_TEXT = "(no text)"


class JudgedWindow(NamedTuple):
    """What one day is judged by.

    Attributes:
        day: The judged day (UTC).
        loves: Of the window, the day's among them: day, event_id, user_id, reacted_at, the four fingerprints, label.
        members: Who was in which group on earlier days: day, rule, name, user_id.
    """

    day: date
    loves: pa.Table
    members: pa.Table


class Gathered:
    """Flags and members of one day's groups while they are gathered."""

    def __init__(self, window: JudgedWindow) -> None:
        self.window = window
        self.flags: list[UserFlag] = []
        self.members: list[dict[str, str]] = []
        self.end = datetime.combine(window.day, time(), UTC) + timedelta(days=1)
        self._earlier: dict[tuple[str, str], str] = {}  # a member's group of the latest day
        for row in window.members.sort_by("day").to_pylist():
            self._earlier[row["rule"], row["user_id"]] = row["name"]
        self._used: set[str] = set()

    def add(
        self, rule: str, users: list[str], since: datetime, scores: list[float], told: list[dict[str, Any]]
    ) -> None:
        """A group: its users, oldest first, with the score of each and what is told of each."""
        name = self._name(rule, users)
        for user, score, evidence in zip(users, scores, told, strict=True):
            whole = {"members": len(users), **evidence}
            self.flags.append(UserFlag(rule, VERSION, user, score, whole, self.end, since, name))
            self.members.append({"rule": rule, "name": name, "user_id": user})

    def _name(self, rule: str, users: list[str]) -> str:
        """The name that most members had, unless a stronger group of today took it; else one from the oldest three."""
        had = [name for user in users if (name := self._earlier.get((rule, user))) and name not in self._used]
        digest = hashlib.sha256("\n".join([rule, *users[:3]]).encode()).hexdigest()[:10]
        name = max(sorted(set(had)), key=had.count) if had else f"{rule}-{digest}"
        self._used.add(name)
        return name


class Matched:
    """What the matches of flagged users say of each of them, in their own words."""

    def __init__(self, actions: CoReactions, found: lockstep.LockstepSearch, loves: pa.Table) -> None:
        labels = loves["label"].to_pylist()
        self.since: dict[int, int] = {}
        self._kinds: dict[int, set[str]] = {}
        self._own: dict[int, dict[int, str]] = {}
        self._until: dict[int, int] = {}
        inside = np.zeros(len(actions.users), np.int64)
        for number, group in enumerate(found.groups, 1):
            inside[group.members] = number
        first, second = found.matches.first, found.matches.second
        mine = (inside[actions.user[first]] > 0) & (inside[actions.user[first]] == inside[actions.user[second]])
        for at in np.unique(np.concatenate([first[mine], second[mine]])).tolist():
            user, moment, source = int(actions.user[at]), int(actions.at[at]), int(actions.source[at])
            self.since[user] = min(moment, self.since.get(user, moment))
            self._until[user] = max(moment, self._until.get(user, moment))
            self._kinds.setdefault(user, set()).add(str(actions.objects[int(actions.object[at])]).split(" ", 1)[0])
            self._own.setdefault(user, {})[source] = labels[source] or _NO_TEXT

    def evidence(self, user: int) -> dict[str, Any]:
        """What a user did in step with the others."""
        own = self._own[user]
        words = list(dict.fromkeys(own.values()))
        return {
            "matched_loves": len(own),
            "matched_on": sorted(self._kinds[user]),
            "loved": words[:3],
            "from": moment(self.since[user]).isoformat(),
            "to": moment(self._until[user]).isoformat(),
        }


def add_block(
    into: Gathered, block: Block, rows: Ints, *, user: Ints, names: pa.Array, line: float, seen: set[int]
) -> None:
    """Add a block's users who are in no block before it, oldest first.

    Args:
        into: Where to.
        block: Found among the window's loves.
        rows: The window's loves inside the block, in order of time.
        user: The user of every love of the window.
        names: What users' numbers stand for.
        line: What g had to pass.
        seen: Users of the blocks before, and after this call of this one.
    """
    loves = into.window.loves
    users = [who for who in dict.fromkeys(user[rows].tolist()) if who not in seen]
    if not users:
        return
    seen.update(users)
    moments = loves["reacted_at"].take(pa.array(rows)).to_pylist()
    labels = [label or _NO_TEXT for label in loves["label"].take(pa.array(rows)).to_pylist()]
    told = []
    for who in users:
        mine = np.flatnonzero(user[rows] == who).tolist()
        told.append(
            {
                "objects": len(block.objects),
                "g": round(block.g, 3),
                "line": round(line, 3),
                "loves_inside": len(mine),
                "loved": list(dict.fromkeys(labels[n] for n in mine))[:3],
                "from": moments[mine[0]].isoformat(),
                "to": moments[mine[-1]].isoformat(),
            }
        )
    score = block.g / line
    into.add("dense_block", [names[who].as_py() for who in users], min(moments), [score] * len(users), told)


def moment(us: int) -> datetime:
    """A moment from its number.

    >>> moment(1_500_000).isoformat()
    '1970-01-01T00:00:01.500000+00:00'
    """
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us)
