"""The flags of the daily job as they stand: a stronger one takes the place of a weaker one, and few ever fall."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from streams.record_fields import fields_of
from warehouse.adversary.flagged import UserFlag

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def write(
    writer: DuckDBPyConnection,
    flags: Iterable[UserFlag],
    before: Iterable[Mapping[str, Any]],
    cleared: Collection[tuple[str, str]],
) -> None:
    """Bring a day's flags together with those that stand.

    1. Leave a standing flag as it is unless the day's is stronger or begins earlier: what it rested on leaves the
       window one day and stays true.
    2. Take away what is replaced, and what does not bear out.
    3. Write the day's.

    Args:
        writer: Inside a transaction.
        flags: The day's.
        before: Rows of those that stand: user_id, rule, score, flagged_at, since.
        cleared: Pairs of user and rule that do not bear out any more.
    """
    standing = {(row["user_id"], row["rule"]): row for row in before}
    fresh = [merged for flag in flags if (merged := _merged(flag, standing.get((flag.user_id, flag.rule))))]
    gone = (set(cleared) | {(flag.user_id, flag.rule) for flag in fresh}) & standing.keys()
    for user, rule in sorted(gone):
        writer.execute("DELETE FROM flags WHERE source = 'periodic' AND user_id = ? AND rule = ?", [user, rule])
    for flag in fresh:
        writer.execute(_INSERT, {**fields_of(flag), "evidence": json.dumps(flag.evidence, default=str)})


def _merged(flag: UserFlag, before: Mapping[str, Any] | None) -> UserFlag | None:
    """The flag that is to stand; None where the one before it says as much."""
    if before is None:
        return flag
    earlier = before["since"] is not None and (flag.since is None or flag.since < before["since"])
    if flag.score <= before["score"] and not earlier:
        return None
    since = None if flag.since is None or before["since"] is None else min(flag.since, before["since"])
    return replace(
        flag, score=max(flag.score, before["score"]), since=since, flagged_at=min(flag.flagged_at, before["flagged_at"])
    )


_INSERT = """
INSERT INTO flags (source, subject, rule, rule_version, user_id, score, evidence, flagged_at, since, key)
VALUES ('periodic', 'user', $rule, $version, $user_id, $score, $evidence, $flagged_at, $since, $key)
"""
