"""What the live guard published (flags and live metrics), stored to be shown. It never decides what is learnt.

The guard speaks at least once, so a flag that is there already is dropped, and a newer telling of a window replaces the
older one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from streams.live_counts import Flag, LoveRate

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_WINDOW = "metric, partition_id, experiment, arm, policy, window_start"


def store_flags(connection: DuckDBPyConnection, flags: Sequence[Flag]) -> int:
    """Insert the flags that are new; returns how many lines were read."""
    rows = [
        (
            flag.rule,
            flag.rule_version,
            flag.subject,
            flag.user_id,
            flag.score,
            json.dumps(flag.evidence, sort_keys=True),
            flag.flagged_at,
        )
        for flag in flags
    ]
    _insert(
        connection,
        """INSERT INTO flags
        SELECT 'live', $1, $2, $3, $4, NULL, NULL, $5, $6, $7
        WHERE NOT EXISTS (FROM flags WHERE source = 'live' AND rule = $1 AND user_id = $4 AND flagged_at = $7)""",
        rows,
    )
    return len(flags)


def store_metrics(connection: DuckDBPyConnection, metrics: Sequence[LoveRate]) -> int:
    """Keep the newest telling of each window; returns how many lines were read."""
    newest = {(m.metric, m.partition, m.experiment, m.arm, m.policy, m.window_start): m for m in metrics}
    _insert(
        connection,
        f"DELETE FROM live_metrics WHERE ({_WINDOW}) IS NOT DISTINCT FROM ($1, $2, $3, $4, $5, $6)",
        list(newest),
    )
    rows = [(*key, m.window_seconds, m.served, m.loves, m.value, m.measured_at) for key, m in newest.items()]
    _insert(connection, "INSERT INTO live_metrics VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", rows)
    return len(metrics)


def _insert(connection: DuckDBPyConnection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        connection.executemany(statement, rows)
