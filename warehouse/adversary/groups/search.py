"""Groups of accounts in the daily job: lockstep groups and dense blocks of the loves of the last weeks.

In a chat every response is somebody's own. So the objects on which users meet are fingerprints of what was loved (the
prompt, the response) and of where from (device, network). The state is the window's loves, nothing older: a day costs
in proportion to its own loves and those of the window, however long the history. Three steps, so that the warehouse is
held only while it is read and written: `read`, `judge` (pure), `store`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.adversary.groups import block_lines, lockstep
from warehouse.adversary.groups.block_lines import Deeds
from warehouse.adversary.groups.co_reactions import HOUR, CoReactions, Ints, encode, micros, rhythm
from warehouse.adversary.groups.dense_blocks import bound_in_words
from warehouse.adversary.groups.flags import Gathered, JudgedWindow, Matched, add_block, moment
from warehouse.storage.sql_files import query

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.adversary.flagged import UserFlag

__all__ = ["PAUSE", "WINDOW", "WITHIN", "JudgedWindow", "Judgement", "drawn", "judge", "read", "store"]

WINDOW = 28
"""Days that are looked at together, the judged day among them."""
WITHIN = 3 * HOUR
HOUSEHOLD = 4
"""A device or network with no more people than this says nothing: they live together."""
PAUSE = HOUR // 2
"""Loves of one user that are closer than this belong to one visit (us)."""
_SIDES = ("prompt", "response", "device", "network")
_LOVES = ("event_id", "user_id", "reacted_at", *_SIDES, "label")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a day's search found.

    Attributes:
        window: What was looked at.
        flags: One for each user and rule.
        members: Rows of `group_members`: rule, name, user_id.
        lines: What a group had to reach: `lockstep_FLOOR` in nats, `dense_block` in g.
        sentences: What may remain undetected, and what was not looked at, in words.
    """

    window: JudgedWindow
    flags: list[UserFlag]
    members: pa.Table
    lines: dict[str, float]
    sentences: tuple[str, ...]


def read(connection: DuckDBPyConnection, day: date) -> JudgedWindow:
    """The loves of a day from the log, and those of the days before it in the window from the state."""
    begin = datetime.combine(day, time(), UTC)
    fresh = connection.execute(
        query(__file__, "loves"), {"begin": begin, "end": begin + timedelta(days=1)}
    ).to_arrow_table()
    span = {"first": day - timedelta(days=WINDOW - 1), "day": day}
    before = connection.execute(
        f"""SELECT day, {", ".join(_LOVES).replace("event_id", "CAST(event_id AS VARCHAR) AS event_id")}
        FROM group_loves WHERE day >= $first AND day < $day ORDER BY reacted_at, event_id""",
        span,
    ).to_arrow_table()
    fresh = fresh.add_column(0, "day", pa.array([day] * fresh.num_rows, pa.date32())).cast(before.schema)
    members = connection.execute(
        "SELECT day, rule, name, user_id FROM group_members WHERE day >= $first AND day < $day", span
    ).to_arrow_table()
    return JudgedWindow(day, pa.concat_tables([before, fresh]).combine_chunks(), members)


def judge(window: JudgedWindow, *, lockstep_loss: float, block_loss: float, draws: int = 20) -> Judgement:
    """Look for groups among the window's loves.

    Args:
        window: As `read` gives it.
        lockstep_loss: Expected share of loves that lockstep groups may cost if everybody acts alone.
        block_loss: The same of dense blocks.
        draws: Of each null.
    """
    found = Gathered(window)
    lines, sentences = _lockstep(found, lockstep_loss, draws)
    line, words = _blocks(found, block_loss, draws)
    members = pa.table(
        {name: pa.array([row[name] for row in found.members], pa.string()) for name in ("rule", "name", "user_id")}
    )
    return Judgement(window, found.flags, members, lines | line, sentences + words)


def store(connection: DuckDBPyConnection, judgement: Judgement) -> None:
    """Write what a day left behind; doing it again changes nothing.

    1. Drop the day's own rows and those that left the window.
    2. Put in the day's loves and the members of its groups.
    """
    window = judgement.window
    span = {"first": window.day - timedelta(days=WINDOW - 1), "day": window.day}
    for table in ("group_loves", "group_members"):
        connection.execute(f"DELETE FROM {table} WHERE day < $first OR day = $day", span)
    day = pa.scalar(window.day, pa.date32())
    connection.register("day_loves", window.loves.filter(pc.equal(window.loves["day"], day)))
    connection.register("day_members", judgement.members)
    connection.execute(f"INSERT INTO group_loves (day, {', '.join(_LOVES)}) FROM day_loves")
    connection.execute(
        "INSERT INTO group_members (day, rule, name, user_id) SELECT $day, rule, name, user_id FROM day_members",
        {"day": window.day},
    )
    connection.unregister("day_loves")
    connection.unregister("day_members")


def drawn(window: JudgedWindow, users: Iterable[str]) -> dict[str, Any]:
    """What a picture of one group needs.

    Args:
        window: As `read` gives it, for a day on which the group was there.
        users: Its members.

    Returns:
        `members` (sorted by their first love), `loves` (user, object, at: label in words and moment), and `ties`
        (a, b, matches, surprise), strongest first.
    """
    mine = window.loves.filter(pc.is_in(window.loves["user_id"], pa.array(sorted(users), pa.string())))
    loves = [
        {"user": row["user_id"], "object": row["label"] or row["device"] or row["network"], "at": row["reacted_at"]}
        for row in mine.to_pylist()
    ]
    actions = _actions(window.loves)
    found = lockstep.weighed(actions, rhythm(actions.at), WITHIN, lockstep.NEIGHBOURS)[1]
    names = actions.users.to_pylist()
    inside = set(mine["user_id"].to_pylist())
    ties = [
        {"a": names[a], "b": names[b], "matches": n, "surprise": nats}
        for a, b, n, nats in zip(
            *(column.tolist() for column in (found.a, found.b, found.matches, found.surprise)), strict=True
        )
        if names[a] in inside and names[b] in inside
    ]
    return {
        "members": list(dict.fromkeys(love["user"] for love in loves)),
        "loves": loves,
        "ties": sorted(ties, key=lambda tie: (-tie["surprise"], tie["a"], tie["b"])),
    }


def _lockstep(into: Gathered, budget: float, draws: int) -> tuple[dict[str, float], tuple[str, ...]]:
    actions = _actions(into.window.loves)
    found = lockstep.find(actions, budget=budget, within=WITHIN, draws=draws, seed=into.window.day.toordinal())
    told = Matched(actions, found, into.window.loves)
    for group in found.groups:
        users = sorted(group.members.tolist(), key=lambda user: (told.since[user], user))
        scores = [float(found.scores[user]) for user in users]
        evidence = [told.evidence(user) | {"surprise": round(group.surprise, 1)} for user in users]
        since = min(told.since[user] for user in users)
        into.add("lockstep", [actions.users[user].as_py() for user in users], moment(since), scores, evidence)
    told_lines = zip(found.floors, found.lines.tolist(), strict=True)
    lines = {f"lockstep_{floor:.0f}": line for floor, line in told_lines if np.isfinite(line)}
    capped = found.matches.capped
    words = (f"{capped:,} pairs of loves in crowds were not held against each other.",) if capped else ()
    return lines, words


def _blocks(into: Gathered, budget: float, draws: int) -> tuple[dict[str, float], tuple[str, ...]]:
    loves = into.window.loves
    names = pc.dictionary_encode(loves["user_id"].combine_chunks())
    user = names.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    deeds = Deeds(user, _visits(user, micros(loves["reacted_at"].combine_chunks())), _content(loves))
    found = block_lines.find(deeds, budget=budget, draws=draws, seed=into.window.day.toordinal())
    seen: set[int] = set()
    for block in found.blocks:
        inside = np.isin(deeds.user, block.users) & np.any(
            [np.isin(side, block.objects) for side in deeds.sides], axis=0
        )
        add_block(
            into, block, np.flatnonzero(inside), user=deeds.user, names=names.dictionary, line=found.line, seen=seen
        )
    words = (bound_in_words(found.line),) if np.isfinite(found.line) else ()
    return ({"dense_block": found.line} if np.isfinite(found.line) else {}), words


def _actions(loves: pa.Table) -> CoReactions:
    """Every fingerprint of every love; devices and networks of no more people than a household are left out."""
    parts = []
    source = pa.array(np.arange(loves.num_rows))
    for side in _SIDES:
        part = pa.table({"user": loves["user_id"], "object": loves[side], "at": loves["reacted_at"], "source": source})
        part = part.filter(pc.is_valid(part["object"]))
        if side in ("device", "network"):
            people = part.group_by("object").aggregate([("user", "count_distinct")])
            shared = people.filter(pc.greater(people["user_count_distinct"], HOUSEHOLD))["object"]
            part = part.filter(pc.is_in(part["object"], shared.combine_chunks()))
        named = pc.binary_join_element_wise(f"{side} ", part["object"].cast(pa.string()), "")
        parts.append(part.set_column(1, "object", named))
    return encode(pa.concat_tables(parts).combine_chunks())


def _visits(user: Ints, at: Ints) -> Ints:
    """Numbers of visits: a user's loves with no pause longer than `PAUSE` between them are one."""
    order = np.lexsort((at, user))
    fresh = np.ones(len(order), np.int64)
    fresh[1:] = (np.diff(user[order]) != 0) | (np.diff(at[order]) > PAUSE)
    visit = np.empty(len(order), np.int64)
    visit[order] = np.cumsum(fresh) - 1
    return visit


def _content(loves: pa.Table) -> list[Ints]:
    """Prompts and responses as numbers, -1 for none."""
    sides, first = [], 0
    for name in ("prompt", "response"):
        codes = pc.dictionary_encode(loves[name].combine_chunks())
        numbers = pc.fill_null(codes.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        sides.append(np.where(numbers >= 0, numbers + first, -1))
        first += len(codes.dictionary)
    return sides
